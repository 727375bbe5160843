"""What insiders compute: primaries that a contributor finds from the relations and from the cells it knows.

The sole contributor of a suppressed cell knows its value, so that cell is no protection against it (Handbook on
Statistical Disclosure Control, 2nd ed., ch. 4: singletons). An insider who knows the cells K computes cell i iff every
solution of `A d = 0` over the suppressed cells that is zero on K is zero at i: iff row i of a basis of solutions lies
in the span of the rows K. For one known cell the rows must be proportional, which random combinations of the basis
modulo a prime decide for all cells at once; an error, of a probability of about 2^-60 a pair, reports a leak too many.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from sdc.engine.elimination import PRIME, Basis, inverse, kinds
from sdc.engine.view import View, gather


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


@dataclass(frozen=True)
class Insider:
    """One insider: positions, ascending, of the cells that it knows, and of those that are its own and no secret to it.

    `own` contains `known`: a figure of one's own under another heading is computed from what one knows, and discloses
    nothing.
    """

    known: np.ndarray
    own: np.ndarray

    @classmethod
    def of(cls, known: np.ndarray, own: np.ndarray | None = None) -> Insider:
        """An insider who knows the cells `known`, in any order, and owns these and `own`."""
        known = np.unique(np.asarray(known, dtype=np.int64))
        return cls(known, known if own is None else np.union1d(known, np.asarray(own, dtype=np.int64)))

    def within(self, cells: np.ndarray) -> Insider:
        """The same insider in terms of positions among `cells` (ascending)."""
        return Insider(np.flatnonzero(np.isin(cells, self.known)), np.flatnonzero(np.isin(cells, self.own)))


def each_insider(insiders: Insiders, cells: np.ndarray) -> list[Insider]:
    """Every insider who knows some of the cells of the mask `cells` [n], in order of their codes."""
    units = _grouped(insiders.unit, cells)
    return [
        Insider(known, np.union1d(known, units.get(int(insiders.unit[known[0]]), known)))
        for known in _grouped(insiders.knows, cells).values()
    ]


def _grouped(code: np.ndarray, cells: np.ndarray) -> dict[int, np.ndarray]:
    """The cells of the mask `cells` [n] by their code, both ascending; those with code -1 are left out."""
    found = np.flatnonzero(cells & (code >= 0))
    found = found[np.argsort(code[found], kind="stable")]
    codes, first = np.unique(code[found], return_index=True)
    return dict(zip(codes.tolist(), np.split(found, first[1:]), strict=True)) if len(found) else {}


def _knowledge(
    insiders: Insiders, view: View, suppressed: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(insiders, where their columns start, how many, columns): what each insider knows of the view."""
    cells = np.flatnonzero(suppressed & (insiders.knows >= 0) & (view.column >= 0))
    pairs = np.unique(np.stack((insiders.knows[cells], view.column[cells])), axis=1)
    who, starts, counts = np.unique(pairs[0], return_index=True, return_counts=True)
    return who, starts, counts, pairs[1]


def computed(
    insiders: Insiders, view: View, basis: Basis, suppressed: np.ndarray, primary: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (primary cells, insiders that compute them), ordered by cell.

    `view` holds classes of the suppressed cells, `basis` the solutions of its relations. Cells that the relations alone
    determine are not reported: they are open to everybody.
    """
    harmed = np.flatnonzero(suppressed & primary & (view.column >= 0))
    harmed = harmed[~basis.determined[view.column[harmed]]]
    who, starts, counts, column = _knowledge(insiders, view, suppressed)
    if len(who) == 0 or len(harmed) == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    knowing = np.flatnonzero(insiders.knows >= 0)
    unit = np.full(int(insiders.knows.max()) + 1, -1, dtype=np.int64)
    unit[insiders.knows[knowing]] = insiders.unit[knowing]
    single = counts == 1
    cells, found = _alone(who[single], column[starts[single]], basis.project(3), harmed, view, insiders, unit)
    by_vector = basis.vectors.tocsc()
    order = harmed[np.argsort(view.column[harmed], kind="stable")]
    holds = view.column[order]
    for position in np.flatnonzero(~single):
        columns = column[starts[position] : starts[position] + counts[position]]
        follows = _follow(basis.vectors, by_vector, columns)
        first, last = np.searchsorted(holds, follows), np.searchsorted(holds, follows, side="right")
        open_ = np.concatenate([order[begin:end] for begin, end in zip(first, last, strict=True)])
        open_ = open_[insiders.unit[open_] != unit[who[position]]]
        cells.append(open_)
        found.append(np.full(len(open_), who[position]))
    cell, insider = np.concatenate(cells), np.concatenate(found)
    order = np.lexsort((insider, cell))
    return cell[order], insider[order]


def _follow(vectors: sp.csr_matrix, by_vector: sp.csc_matrix, columns: np.ndarray) -> np.ndarray:
    """Columns whose rows lie in the span of the rows `columns`, these among them, ascending."""
    place, vector, known = gather(vectors, columns)
    involved, at = np.unique(vector, return_inverse=True)
    owner, row, value = gather(by_vector, involved)
    near, of = np.unique(row, return_inverse=True)
    # Only a row that has no entry elsewhere can be in the span.
    inside = np.bincount(of) == np.diff(vectors.indptr)[near]
    inside[np.searchsorted(near, columns[np.diff(vectors.indptr)[columns] > 0])] = True
    if np.count_nonzero(inside) <= len(columns):
        return near[inside]
    kept = inside[of]
    rows = np.zeros((np.count_nonzero(inside), len(involved)), dtype=np.int64)
    rows[(np.cumsum(inside) - 1)[of[kept]], owner[kept]] = value[kept] % PRIME
    lines = np.zeros((len(columns), len(involved)), dtype=np.int64)
    lines[place, at] = known % PRIME
    for number in range(len(lines)):
        where = np.flatnonzero(lines[number])
        if len(where) == 0:
            continue
        pivot = int(where[0])
        line = lines[number] * int(inverse(lines[number, pivot : pivot + 1])[0]) % PRIME
        for table in (lines[number + 1 :], rows):
            used = np.flatnonzero(table[:, pivot])
            table[used] = (table[used] - table[used, pivot][:, None] * line) % PRIME
    return near[inside][~rows.any(axis=1)]


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
