"""What insiders compute: primaries that a contributor finds from the relations and from the cells it knows.

The sole contributor of a suppressed cell knows its value, so that cell is no protection against it (Handbook on
Statistical Disclosure Control, 2nd ed., ch. 4: singletons). An insider who knows the cells K computes cell i iff every
solution of `A d = 0` over the suppressed cells that is zero on K is zero at i: iff row i of a basis of solutions lies
in the span of the rows K. Random solutions modulo a prime stand for the basis, as in `elimination`: more of them than
K has rows decide it with an error probability of about one in two thousand million, and an error reports a leak too
many.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdc.engine import elimination
from sdc.engine.errors import EngineError
from sdc.engine.view import View

PRIME = (1 << 31) - 1
# Insiders who know more columns than this are examined by an elimination of their own.
JOINT = 7


@dataclass(frozen=True)
class Insiders:
    """Who knows which suppressed cells, as dense codes, int64[n], -1 for nobody.

    `knows` is the insider that knows a cell; `unit` the contributor a cell belongs to alone: knowing it is no leak to
    an insider of that unit.
    """

    name: str
    column: str
    knows: np.ndarray
    unit: np.ndarray

    def known(self, insider: int, suppressed: np.ndarray) -> np.ndarray:
        """Suppressed cells the insider knows, ascending."""
        return np.flatnonzero((self.knows == insider) & suppressed)


def known_sets(insiders: Insiders, cells: np.ndarray) -> list[np.ndarray]:
    """For each insider the cells of the mask `cells` [n] that it knows, ascending; in order of their codes."""
    known = np.flatnonzero(cells & (insiders.knows >= 0))
    known = known[np.argsort(insiders.knows[known], kind="stable")]
    return np.split(known, np.flatnonzero(np.diff(insiders.knows[known])) + 1) if len(known) else []


def solutions(attackers: tuple[Insiders, ...], view: View, suppressed: np.ndarray) -> np.ndarray | None:
    """Random solutions modulo PRIME, int64[columns, draws], enough of them for `computed`; None if work ran out.

    A column whose row is zero is determined by the relations alone.
    """
    draws = 3
    for insiders in attackers:
        counts = _knowledge(insiders, view, suppressed)[2]
        draws = max(draws, int(counts[counts <= JOINT].max(initial=0)) + 1)
    found = elimination.null_vectors(view.by_relation, draws, prime=PRIME)
    return None if found is None else np.array(found, dtype=np.int64).T.reshape(view.columns, draws)


def _knowledge(
    insiders: Insiders, view: View, suppressed: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(insiders, where their columns start, how many, columns): what each insider knows of the view."""
    cells = np.flatnonzero(suppressed & (insiders.knows >= 0) & (view.column >= 0))
    pairs = np.unique(np.stack((insiders.knows[cells], view.column[cells])), axis=1)
    who, starts, counts = np.unique(pairs[0], return_index=True, return_counts=True)
    return who, starts, counts, pairs[1]


def computed(
    insiders: Insiders, view: View, rows: np.ndarray, suppressed: np.ndarray, primary: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (primary cells, insiders that compute them), ordered by cell.

    `view` holds classes of the suppressed cells, `rows` its random `solutions`. Cells that the relations alone
    determine are not reported: they are open to everybody. Raises EngineError where elimination ran out of work.
    """
    harmed = np.flatnonzero(suppressed & primary & (view.column >= 0))
    harmed = harmed[rows[view.column[harmed]].any(axis=1)]
    who, starts, counts, column = _knowledge(insiders, view, suppressed)
    if len(who) == 0 or len(harmed) == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    knowing = np.flatnonzero(insiders.knows >= 0)
    unit = np.full(int(insiders.knows.max()) + 1, -1, dtype=np.int64)
    unit[insiders.knows[knowing]] = insiders.unit[knowing]
    single = counts == 1
    cells, found = _alone(who[single], column[starts[single]], rows, harmed, view, insiders, unit)
    for position in np.flatnonzero(~single):
        columns = column[starts[position] : starts[position] + counts[position]]
        if counts[position] <= JOINT:
            zero = _in_span(rows, columns)
        else:
            zero = _follows(view, columns)
        open_ = harmed[zero[view.column[harmed]] & (insiders.unit[harmed] != unit[who[position]])]
        cells.append(open_)
        found.append(np.full(len(open_), who[position]))
    cell, insider = np.concatenate(cells), np.concatenate(found)
    order = np.lexsort((insider, cell))
    return cell[order], insider[order]


def _follows(view: View, columns: np.ndarray) -> np.ndarray:
    """Mask of columns determined once `columns` are known, by an elimination of its own."""
    rest = view.by_relation.copy()
    rest.data[np.isin(rest.indices, columns)] = 0.0
    rest.eliminate_zeros()
    zero = elimination.determined(rest)
    if zero is None:
        raise EngineError("the relations are too entangled for exact elimination")
    zero[columns] = True
    return zero


def _alone(
    who: np.ndarray,
    column: np.ndarray,
    rows: np.ndarray,
    harmed: np.ndarray,
    view: View,
    insiders: Insiders,
    unit: np.ndarray,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Pairs for insiders who know one column: the primaries whose rows are proportional to it."""
    kind = kinds(rows)
    order = np.argsort(kind[column], kind="stable")
    known_kind, who = kind[column][order], who[order]
    of_cell = kind[view.column[harmed]]
    first = np.searchsorted(known_kind, of_cell, side="left")
    times = np.searchsorted(known_kind, of_cell, side="right") - first
    times[of_cell < 0] = 0
    cell = np.repeat(harmed, times)
    before = np.cumsum(times) - times
    insider = who[np.arange(len(cell)) + np.repeat(first - before, times)]
    leak = insiders.unit[cell] != unit[insider]
    return [cell[leak]], [insider[leak]]


def kinds(rows: np.ndarray) -> np.ndarray:
    """Number of each row's class of proportional rows, -1 for rows of zeros."""
    lead = np.where(rows[:, 0] != 0, rows[:, 0], rows[:, -1])
    scaled = rows * _inverse(lead)[:, None] % PRIME
    kind = np.unique(scaled, axis=0, return_inverse=True)[1].reshape(-1)
    kind[(rows == 0).all(axis=1)] = -1
    return kind


def _inverse(numbers: np.ndarray) -> np.ndarray:
    """Inverses modulo PRIME by Fermat's theorem; 0 for 0."""
    out, base, exponent = np.ones_like(numbers), numbers % PRIME, PRIME - 2
    while exponent:
        if exponent & 1:
            out = out * base % PRIME
        base = base * base % PRIME
        exponent >>= 1
    return np.where(numbers == 0, 0, out)


def _in_span(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Mask of rows in the span of the rows `columns`: orthogonal to a random vector that is orthogonal to these."""
    basis = [rows[column].copy() for column in columns]
    pivots: list[int] = []
    reduced: list[np.ndarray] = []
    for row in basis:
        for pivot, other in zip(pivots, reduced, strict=True):
            row = (row - row[pivot] * other) % PRIME
        where = np.flatnonzero(row)
        if len(where) == 0:
            continue
        pivot = int(where[0])
        row = row * int(_inverse(row[pivot : pivot + 1])[0]) % PRIME
        reduced = [(other - other[pivot] * row) % PRIME for other in reduced]
        pivots.append(pivot)
        reduced.append(row)
    normal = np.random.default_rng(len(columns)).integers(1, PRIME, rows.shape[1])
    for pivot, other in zip(pivots, reduced, strict=True):
        rest = other.copy()
        rest[pivot] = 0
        normal[pivot] = -int((rest * normal % PRIME).sum()) % PRIME
    return (rows * normal % PRIME).sum(axis=1) % PRIME == 0
