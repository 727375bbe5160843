"""A suppression pattern with what is proven about it: feasible displacements of the suppressed cells.

A displacement d of suppressed cells with `A d = 0` and `lower <= x + d <= upper` is another table the attacker cannot
rule out, so every cell's interval reaches from its least to its greatest known displacement (the set is convex).
Displacements stay valid when more cells are suppressed and fail only when one of their cells is published.
"""

from __future__ import annotations

import copy

import numpy as np
import scipy.sparse as sp

from sdc.engine.needs import V_SAFE, Needs
from sdc.engine.system import System
from sdc.engine.view import Space, gather

# Entries of a solver's point below this part of its largest entry are rounding.
NOISE = 1e-9
# Relations may miss zero by this part of the sum of their absolute terms: the rounding of doubles, no more.
RESIDUAL = 1e-9
ROUNDING = 1e-14
# Denominators tried when a solver's point is cleaned: vertices of table polytopes have small ones.
DENOMINATORS = (1.0, 2.0, 6.0, 60.0)
# Points checked at a time, which bounds the memory.
TOGETHER = 4000


class Pattern:
    """Mutable state of suppression and audit.

    `suppressed` bool[n]; `up`, `down` float64[n] the proven displacements of each cell above and below its value;
    `points` the displacements that prove them, each (cells ascending, displacement).
    """

    def __init__(self, system: System, suppressed: np.ndarray | None = None) -> None:
        self.system = system
        self.needs = Needs.of(system)
        self.by_relation = system.A
        self.by_cell = system.A.tocsc()
        self.suppressed = (system.suppressed if suppressed is None else suppressed).copy()
        self.room_up = np.maximum(system.upper - system.value, 0.0)
        self.room_down = np.maximum(system.value - system.lower, 0.0)
        self.up = np.zeros(system.n)
        self.down = np.zeros(system.n)
        self.points: list[tuple[np.ndarray, np.ndarray]] = []
        self._space: tuple[np.ndarray, Space] | None = None
        self._unrelated = np.flatnonzero(np.diff(self.by_cell.indptr) == 0)
        self.recredit()

    def space(self) -> Space:
        """What the relations leave open of the pattern as it stands; kept until the pattern changes."""
        if not self.has_space:
            self._space = self.suppressed.copy(), Space.of(self.system, self.suppressed)
        return self._space[1]

    @property
    def has_space(self) -> bool:
        """Is `space` known already?"""
        return self._space is not None and np.array_equal(self._space[0], self.suppressed)

    def unmet(self, cells: np.ndarray | None = None) -> np.ndarray:
        """Suppressed cells (among `cells`), ascending, whose needs are not proven yet."""
        cells = np.flatnonzero(self.suppressed) if cells is None else cells
        return cells[~self.met(cells)]

    def met(self, cells: np.ndarray) -> np.ndarray:
        """Mask: the needs of these cells, as suppressed cells, are proven."""
        return self.needs.verdict(self.up[cells], self.down[cells], cells) == V_SAFE

    def add_point(self, cells: np.ndarray, displacement: np.ndarray) -> bool:
        """Record a displacement and its opposite, each as far as the bounds allow; False if it is not a proof.

        The point is first cleaned of the solver's rounding, then checked against every relation it touches.
        """
        largest = np.abs(displacement).max(initial=0.0)
        if largest == 0.0 or not np.isfinite(largest):
            return False
        moved = np.abs(displacement) > NOISE * largest
        cells, displacement = cells[moved], displacement[moved]
        owner, relation, coefficient = gather(self.by_cell, cells)
        relations, row = np.unique(relation, return_inverse=True)
        matrix = sp.csr_matrix((coefficient, (row, owner)), shape=(len(relations), len(cells)))
        displacement = _clean(matrix, displacement)
        if displacement is None:
            return False
        order = np.argsort(cells)
        cells, displacement = cells[order], displacement[order]
        if not self.suppressed[cells].all():
            return False
        self.record([(cells, displacement)])
        return True

    def add_points(self, points: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """Record many displacements (cells ascending, displacement), but those that are not a proof; mask of proofs."""
        proofs = [np.zeros(0, dtype=bool)]
        for begin in range(0, len(points), TOGETHER):
            some = points[begin : begin + TOGETHER]
            good = self._hold(some)
            self.record([point for point, holds in zip(some, good.tolist(), strict=True) if holds])
            proofs.append(good)
        return np.concatenate(proofs)

    def record(self, points: list[tuple[np.ndarray, np.ndarray]]) -> None:
        """Take over points that are proofs: `add_point` of a shadow of this pattern has checked them, say."""
        self.points += points
        self._credit(points)

    def _hold(self, points: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """Mask of points that move suppressed cells only and keep every relation."""
        cells, displacement, owner, _ = _stacked(points)
        entry, relation, coefficient = gather(self.by_cell, cells)
        terms = coefficient * displacement[entry]
        where = owner[entry] * self.system.m + relation
        order = np.argsort(where, kind="stable")
        where, terms = where[order], terms[order]
        first = np.flatnonzero(np.append(True, np.diff(where) != 0)[: len(where)])
        missed = np.zeros(len(points), dtype=bool)
        if len(first):
            gap = np.abs(np.add.reduceat(terms, first)) > RESIDUAL * np.add.reduceat(np.abs(terms), first)
            missed[where[first[gap]] // self.system.m] = True
        open_ = np.bincount(owner[~self.suppressed[cells]], minlength=len(points)) > 0
        return ~open_ & ~missed & (np.bincount(owner, minlength=len(points)) > 0)

    def shadow(self) -> Pattern:
        """A copy that shares the suppressed cells and collects points of its own, for a thread to look ahead with."""
        ahead = copy.copy(self)
        ahead.up, ahead.down, ahead.points = self.up.copy(), self.down.copy(), []
        return ahead

    def bare(self) -> Pattern:
        """A pattern of the same cells of which nothing is proven yet."""
        fresh = Pattern(self.system, self.suppressed)
        fresh._space = self._space
        return fresh

    def _credit(self, points: list[tuple[np.ndarray, np.ndarray]]) -> None:
        """Widen the proven intervals by checked displacements, each in both directions."""
        if not points:
            return
        cells, displacement, owner, starts = _stacked(points)
        forth, back = scales(cells, displacement, starts, self.room_up, self.room_down)
        for reach in (displacement * forth[owner], -displacement * back[owner]):
            np.maximum.at(self.up, cells, reach)
            np.maximum.at(self.down, cells, -reach)

    def suppress(self, cells: np.ndarray) -> None:
        """Add cells to the pattern; everything proven stays proven."""
        self.suppressed[cells] = True

    def forget(self) -> None:
        """Drop what was proven with the help of cells that have been published since."""
        if not self.points:
            return
        cells, _, owner, _ = _stacked(self.points)
        gone = np.bincount(owner[~self.suppressed[cells]], minlength=len(self.points)) > 0
        kept = [point for point, lost in zip(self.points, gone.tolist(), strict=True) if not lost]
        if len(kept) < len(self.points):
            self.points = kept
            self.recredit()

    def publish_idle(self) -> None:
        """Publish secondaries that are unproven and that no recorded displacement moves: nothing depends on them."""
        unmet = self.unmet()
        used = np.zeros(self.system.n, dtype=bool)
        for cells, _ in self.points:
            used[cells] = True
        self.suppressed[unmet[~self.system.primary[unmet] & ~used[unmet]]] = False

    def publish_exact(self) -> None:
        """Publish secondaries that follow from the relations anyway."""
        space = self.space()
        if space.basis is not None:
            self.suppressed[space.determined & ~self.system.primary] = False

    def recredit(self) -> None:
        """Recompute the proven intervals from the recorded points."""
        self.up[:] = 0.0
        self.down[:] = 0.0
        # A cell in no relation is bounded by nothing but what the attacker knew before.
        self.up[self._unrelated] = self.room_up[self._unrelated]
        self.down[self._unrelated] = self.room_down[self._unrelated]
        self._credit(self.points)


def scales(
    cells: np.ndarray, displacement: np.ndarray, starts: np.ndarray, room_up: np.ndarray, room_down: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How often each displacement, and its opposite, can be added before a cell meets the attacker's bounds.

    Displacements stand end to end, each from its place in `starts` on; none is empty. What is said of cells goes for
    columns of a view, with their rooms.
    """
    size = np.abs(displacement)
    both = []
    for direction in (displacement, -displacement):
        room = np.where(direction > 0, room_up[cells], room_down[cells])
        both.append(np.clip(np.minimum.reduceat(room / size, starts), 0.0, 1e9))
    return tuple(both)


def _stacked(points: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Points end to end: (cells, displacement, number of the point, where each begins)."""
    lengths = np.fromiter((len(cells) for cells, _ in points), np.int64, len(points))
    owner = np.repeat(np.arange(len(points)), lengths)
    cells = np.concatenate([cells for cells, _ in points])
    return cells, np.concatenate([moves for _, moves in points]), owner, np.cumsum(lengths) - lengths


def _clean(matrix: sp.csr_matrix, displacement: np.ndarray) -> np.ndarray | None:
    """The displacement without solver rounding, or None where relations are not kept."""
    magnitude = abs(matrix)
    largest = np.abs(displacement).max()
    smallest = np.abs(displacement).min()
    for unit in (1.0, smallest, largest):
        for denominator in DENOMINATORS:
            snapped = np.round(displacement / unit * denominator) * (unit / denominator)
            if np.abs(snapped - displacement).max() > 1e-6 * largest or not snapped.all():
                continue
            if (np.abs(matrix @ snapped) <= ROUNDING * (magnitude @ np.abs(snapped))).all():
                return snapped
    residual = np.abs(matrix @ displacement)
    if (residual > RESIDUAL * (magnitude @ np.abs(displacement))).any():
        return None
    return displacement
