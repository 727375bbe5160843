"""An independent audit of a suppression pattern at benchmark scale: what does each attacker get?

Shares no code with the engine. Four parts:

*Recoverable cells* by exact sparse elimination modulo 2**61 - 1 (``oracle.elimination``), all cells at once;
where bounds pin cells down too (systems up to ``WHOLE``), those are found by linear programs and the
elimination is repeated without them.

*Protection levels* first by programs over the whole system (or large slabs of it) that move as many cells as
possible in random directions at once; what is left, by two families of small linear programs around a cell,
over a neighbourhood grown until one decides: with the outside fixed at its true values the attacker's
polytope shrinks, so a demand met there is met (a certificate, shared by every cell of the solution); with
relations that leave the neighbourhood dropped it grows, so a demand not met there is not met (a proven leak).
What neither decides within the limits is counted as undecided, never as protected.

*Singletons*: cells that one null-space vector scales together. Two hidden cells determine each other if and
only if their entries in all null vectors are proportional; two random null vectors modulo the prime therefore
sort all cells into classes within which knowing one cell is knowing all.

*Unions*, of counts: hidden cells on one side of a relation whose other side is published, that add up to no
more than the largest primary, which is below the threshold."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
import scipy.optimize as so
import scipy.sparse as sp

from . import instances  # noqa: F401  (puts the oracle on the path)

from oracle import elimination  # noqa: E402  isort: skip
from oracle.attack import View  # noqa: E402  isort: skip

TOLERANCE = 1e-6
PRIME = elimination.PRIME

#: Systems of at most this many hidden cells are solved in one linear program (about half a second each).
WHOLE = 40_000


@dataclass
class Report:
    """Counts of what was found; ``undecided`` cells were neither proven protected nor proven open in the time
    given.
    """

    primaries: int = 0
    secondaries: int = 0
    secondary_value: float = 0.0
    exact_primaries: int = 0
    exact_secondaries: int = 0
    under_protected: int = 0
    singleton: int = 0
    contributors: int = 0
    unions: int = 0
    undecided: int = 0
    seconds: float = 0.0

    def as_dict(self) -> dict[str, float]:
        """For JSON."""
        return asdict(self)


class _Neighbourhoods:
    """Grows sets of hidden cells along relations and solves the inner and the outer program on them."""

    def __init__(self, matrix: sp.csr_matrix, low: np.ndarray, high: np.ndarray) -> None:
        self.rows = matrix.tocsr()
        self.columns = matrix.tocsc()
        self.low, self.high = low, high

    def grow(self, cells: np.ndarray, most: int) -> np.ndarray:
        """The cells and those that share a relation with one of them, smallest relations first, at most about
        ``most``.
        """
        touched = np.unique(
            np.concatenate([self.columns.indices[self.columns.indptr[c] : self.columns.indptr[c + 1]] for c in cells])
        )
        sizes = np.diff(self.rows.indptr)[touched]
        kept = [cells]
        room = most - cells.size
        for row in touched[np.argsort(sizes, kind="stable")]:
            members = self.rows.indices[self.rows.indptr[row] : self.rows.indptr[row + 1]]
            if members.size > max(room, 2):
                break
            kept.append(members)
            room -= members.size
        return np.unique(np.concatenate(kept))

    def _program(
        self, cells: np.ndarray, rows: np.ndarray, cost: np.ndarray, low: np.ndarray, high: np.ndarray
    ) -> np.ndarray | None:
        part = self.rows[rows][:, cells]
        answer = so.linprog(
            cost,
            A_eq=part if part.shape[0] else None,
            b_eq=np.zeros(part.shape[0]) if part.shape[0] else None,
            bounds=np.column_stack([low, high]),
            method="highs",
            options={"time_limit": 60.0},
        )
        return answer.x if answer.status == 0 else None

    def inside(self, cells: np.ndarray, cost: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray | None:
        """Least cost with every other cell at its true value; None when the solver did not end with an
        optimum.
        """
        rows = np.unique(self.columns[:, cells].indices)
        return self._program(cells, rows, cost, low, high)

    def outside(self, cells: np.ndarray, cost: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray | None:
        """Least cost with only the relations that lie inside."""
        touched, counts = np.unique(self.columns[:, cells].indices, return_counts=True)
        rows = touched[counts == np.diff(self.rows.indptr)[touched]]
        return self._program(cells, rows, cost, low, high)


class _Levels:
    """Which demands on primaries are met: deviations known to be possible so far, and what is still asked."""

    def __init__(self, view: View, hidden: np.ndarray) -> None:
        value = view.value[hidden]
        self.low = np.minimum(view.lower[hidden] - value, 0.0)
        self.high = np.maximum(view.upper[hidden] - value, 0.0)
        self.up, self.down, self.width = (
            view.upl[hidden].copy(),
            view.lpl[hidden].copy(),
            view.spl[hidden].copy(),
        )
        # A cell may not be a point, and a whole number needs a second one.
        least = np.where(view.integer[hidden], 1.0, 10 * TOLERANCE * np.maximum(1.0, np.abs(value)))
        self.width = np.maximum(self.width, least)
        self.asked = view.primary[hidden]
        self.below, self.above = np.zeros(hidden.size), np.zeros(hidden.size)
        scale = np.maximum(1.0, np.abs(value) * 1e-3)
        self.slack = TOLERANCE * scale

    def note(self, cells: np.ndarray, point: np.ndarray) -> None:
        """A table the attacker cannot rule out."""
        np.minimum.at(self.below, cells, point)
        np.maximum.at(self.above, cells, point)

    def fix(self, known: np.ndarray) -> None:
        """Take cells that are known exactly out of what can move and of what is asked."""
        self.low[known], self.high[known] = 0.0, 0.0
        self.asked &= ~known

    def open(self) -> np.ndarray:
        """Primaries of which some demand is not known to be met."""
        return np.flatnonzero(self.asked & ~self.met(slice(None)))

    def met(self, which: int | slice) -> np.ndarray:
        """Whether all demands on a cell, or on every cell, are known to be met."""
        above, below, slack = self.above[which], self.below[which], self.slack[which]
        return (
            (above >= self.up[which] - slack)
            & (-below >= self.down[which] - slack)
            & (above - below >= self.width[which] - slack)
        )

    def wants(self, cell: int, rng: np.random.Generator) -> tuple[float, float]:
        """Direction (1 or -1) to try next for an open cell, and the deviation that would settle that side.

        A level fixes the direction; a width only is met on either side, which is drawn where both have room.
        """
        above, below = self.above[cell], -self.below[cell]
        sides = [sign for sign, have, level in ((1.0, above, self.up), (-1.0, below, self.down)) if have < level[cell]]
        if not sides:
            sides = [sign for sign, room in ((1.0, self.high), (-1.0, self.low)) if room[cell] != 0.0] or [1.0]
        sign = sides[int(rng.integers(len(sides)))]
        have, level = (below, self.up[cell]) if sign > 0 else (above, self.down[cell])
        return sign, max(level, self.width[cell] - have)


def _slabs(hidden: int, turn: int) -> list[np.ndarray]:
    """Hidden cells in one block, or for large systems in slabs of neighbouring ids, shifted from turn to
    turn.

    Ids run along the first dimension, so that a slab holds whole sub-tables of the others.
    """
    if hidden <= WHOLE:
        return [np.arange(hidden)]
    size = WHOLE // 2
    order = np.roll(np.arange(hidden), -(turn * size) // 3)
    return [np.sort(order[start : start + size]) for start in range(0, hidden, size)]


def _sweep(
    levels: _Levels, near: _Neighbourhoods, blocks: list[np.ndarray], rng: np.random.Generator, until: float
) -> int:
    """One linear program per block that moves as many open cells as it can; returns how many were settled."""
    before = levels.open()
    waiting = np.zeros(levels.low.size, dtype=bool)
    waiting[before] = True
    for cells in blocks:
        if time.monotonic() > until:
            break
        mine = np.flatnonzero(waiting[cells])
        if mine.size == 0:
            continue
        cost = np.zeros(cells.size)
        low, high = levels.low[cells].copy(), levels.high[cells].copy()
        for place in mine:
            sign, target = levels.wants(int(cells[place]), rng)
            cost[place] = -sign / target
            if sign > 0:
                high[place] = min(high[place], target)
            else:
                low[place] = max(low[place], -target)
        cap = 4.0 * (np.abs(high[np.isfinite(high)]).max(initial=1.0) + np.abs(low[np.isfinite(low)]).max(initial=1.0))
        point = near.inside(cells, cost, np.maximum(low, -cap), np.minimum(high, cap))
        if point is not None:
            levels.note(cells, point)
    return before.size - levels.open().size


def _pinned(levels: _Levels, near: _Neighbourhoods, until: float) -> np.ndarray:
    """Cells with room on one side only that no table moves: equalities implied by bounds.

    The deviation of such a cell has one sign, so where the largest sum of the deviations of some of them is
    nothing, none of them moves in any table. Cells that moved in a solution are left out of the next sum."""
    one_sided = (levels.low == 0.0) != (levels.high == 0.0)
    still = one_sided & (levels.below == 0.0) & (levels.above == 0.0)
    everything = np.arange(levels.low.size)
    low, high = np.maximum(levels.low, -50.0), np.minimum(levels.high, 50.0)
    while still.any() and time.monotonic() < until:
        sign = np.where(levels.high > 0.0, 1.0, -1.0)
        point = near.inside(
            everything,
            np.where(still, -sign, 0.0),
            np.where(still, np.maximum(low, -1.0), low),
            np.where(still, np.minimum(high, 1.0), high),
        )
        if point is None:
            break
        moved = still & (np.abs(point) > TOLERANCE)
        if not moved.any():
            return still
        levels.note(everything, point)
        still &= ~moved
    return np.zeros(levels.low.size, dtype=bool)


def _settle(levels: _Levels, near: _Neighbourhoods, cell: int, until: float) -> str:
    """Decide one cell by neighbourhoods that grow: 'met', 'open' (proven) or 'undecided'."""
    cells = np.array([cell])
    most = 60
    while time.monotonic() < until:
        grown = near.grow(cells, most)
        whole = grown.size == cells.size and most >= 4 * levels.low.size
        cells = grown
        place = int(np.searchsorted(cells, cell))
        reach = 2.0 * (levels.up[cell] + levels.down[cell] + levels.width[cell] + 1.0)
        low, high = levels.low[cells].copy(), levels.high[cells].copy()
        low[place], high[place] = max(low[place], -reach), min(high[place], reach)
        cost = np.zeros(cells.size)
        for sign in (1.0, -1.0):
            cost[place] = -sign
            inner = near.inside(cells, cost, low, high)
            if inner is not None:
                levels.note(cells, inner)
        if levels.met(cell):
            return "met"
        widest = []
        for sign in (1.0, -1.0):
            cost[place] = -sign
            outer = near.outside(cells, cost, low, high)
            widest.append(np.inf if outer is None else sign * outer[place])
        proven = (
            widest[0] < levels.up[cell] - levels.slack[cell]
            or widest[1] < levels.down[cell] - levels.slack[cell]
            or widest[0] + widest[1] < levels.width[cell] - levels.slack[cell]
        )
        if proven:
            return "open"
        if whole:
            return "undecided"
        most *= 3
    return "undecided"


def _unions(view: View, hidden: np.ndarray, matrix: sp.csr_matrix) -> int:
    """Relations that give away a sum of several hidden counts below the threshold; 0 for magnitudes."""
    if not view.integer[hidden].all():
        return 0
    count, total = np.diff(matrix.indptr), matrix @ view.value[hidden]
    one_sided = np.abs(matrix).sum(axis=1) == np.abs(matrix.sum(axis=1))
    largest = view.value[hidden][view.primary[hidden]].max(initial=0.0)
    below = (count > 1) & (np.abs(total) > 0) & (np.abs(total) <= largest)
    return int((np.asarray(one_sided).ravel() & below).sum())


def _singletons(
    view: View, hidden: np.ndarray, reduced: elimination.Reduced, exact: np.ndarray, report: Report
) -> None:
    """Primaries of others that the sole contributor of a hidden cell computes: by one of its cells, and by
    all of them.
    """
    first, second = reduced.null_vector(101), reduced.null_vector(202)
    classes: dict[int, list[int]] = defaultdict(list)
    label = [-1] * hidden.size
    for place in range(hidden.size):
        if not exact[place]:
            label[place] = first[place] * pow(second[place], -1, PRIME) % PRIME
            classes[label[place]].append(place)
    owner = [view.contributor[cell] for cell in hidden]
    primary = view.primary[hidden]

    def harmed(members: list[int], contributor: object) -> set[int]:
        return {place for place in members if primary[place] and owner[place] != contributor}

    open_to_one: set[int] = set()
    owned: dict[object, list[int]] = defaultdict(list)
    for place, contributor in enumerate(owner):
        if contributor is not None and not exact[place]:
            owned[contributor].append(place)
            open_to_one |= harmed(classes[label[place]], contributor)
    report.singleton = len(open_to_one)

    # Contributors who know cells of several classes: null vectors that vanish on all of them leave what they
    # compute at zero.
    open_to_all = set(open_to_one)
    rest = [vector for vector in (first, second, *(reduced.null_vector(300 + extra) for extra in range(4)))]
    for contributor, places in owned.items():
        distinct = list({label[place]: place for place in places}.values())
        if not 1 < len(distinct) < len(rest):
            continue
        weights = _vanishing([[vector[place] for vector in rest[: len(distinct) + 1]] for place in distinct])
        for place in np.flatnonzero(primary & ~exact):
            if (
                owner[place] != contributor
                and sum(weight * vector[place] for weight, vector in zip(weights, rest, strict=False)) % PRIME == 0
            ):
                open_to_all.add(int(place))
    report.contributors = len(open_to_all)


def _vanishing(rows: list[list[int]]) -> list[int]:
    """A non-zero combination of k + 1 vectors that vanishes at k places (modulo the prime)."""
    matrix = [row[:] for row in rows]
    size = len(matrix[0])
    pivots: list[int] = []
    for column in range(size):
        top = len(pivots)
        source = next((place for place in range(top, len(matrix)) if matrix[place][column]), None)
        if source is None:
            continue
        matrix[top], matrix[source] = matrix[source], matrix[top]
        inverse = pow(matrix[top][column], -1, PRIME)
        matrix[top] = [entry * inverse % PRIME for entry in matrix[top]]
        for place in range(len(matrix)):
            factor = matrix[place][column]
            if place != top and factor:
                matrix[place] = [
                    (entry - factor * lead) % PRIME for entry, lead in zip(matrix[place], matrix[top], strict=True)
                ]
        pivots.append(column)
    weights = [0 if column in pivots else 1 + 7919 * column for column in range(size)]
    for row, pivot in zip(matrix, pivots, strict=False):
        weights[pivot] = -sum(row[column] * weights[column] for column in range(size) if column not in pivots) % PRIME
    return weights


def examine(
    cells: pa.Table, relations: pa.Table, pattern: pa.Table, seconds: float = 600.0, insiders: bool = True
) -> Report:
    """Audit a pattern (cell_id, status) for at most about ``seconds`` of level programs; deterministic but
    for that limit.
    """
    started = time.monotonic()
    view = View.from_arrow(cells, relations, pattern)
    secondary = view.hidden & ~view.primary
    report = Report(int(view.primary.sum()), int(secondary.sum()), float(view.value[secondary].sum()))
    hidden = np.flatnonzero(view.hidden)
    if hidden.size == 0:
        return report
    matrix = view.relations[:, hidden]
    matrix = matrix[np.diff(matrix.indptr) > 0]
    reduced = elimination.Reduced.of(matrix)
    exact = np.array([entry == 0 for entry in reduced.null_vector(1)], dtype=bool)

    # Cells known exactly are out of the level programs: fixed, and counted as exact rather than as
    # under-protected.
    levels = _Levels(view, hidden)
    near = _Neighbourhoods(matrix, levels.low, levels.high)
    until = started + seconds
    levels.fix(exact)
    rng = np.random.default_rng(7)
    for turn in range(40):
        waiting = levels.open().size
        if waiting == 0 or time.monotonic() > until:
            break
        if _sweep(levels, near, _slabs(hidden.size, turn), rng, until) <= waiting // 100:
            break
    if levels.open().size and hidden.size <= WHOLE:
        # What the bounds pin down, the equations then determine more of: together all that is known exactly.
        pinned = _pinned(levels, near, until)
        reduced = elimination.Reduced.of(matrix @ sp.diags((~pinned).astype(float)))
        exact |= pinned | np.array([entry == 0 for entry in reduced.null_vector(2)], dtype=bool)
        levels.fix(exact)
    report.exact_primaries = int((exact & view.primary[hidden]).sum())
    report.exact_secondaries = int((exact & secondary[hidden]).sum())
    for cell in levels.open().tolist():
        if levels.met(cell):  # by a program solved for another cell meanwhile
            continue
        verdict = _settle(levels, near, cell, until)
        report.under_protected += verdict == "open"
        report.undecided += verdict == "undecided"
    if insiders:
        _singletons(view, hidden, reduced, exact, report)
    report.unions = _unions(view, hidden, matrix)
    report.seconds = time.monotonic() - started
    return report
