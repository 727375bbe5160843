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
from sdc.engine.view import gather

# Entries of a solver's point below this part of its largest entry are rounding.
NOISE = 1e-9
# Relations may miss zero by this part of the sum of their absolute terms: the rounding of doubles, no more.
RESIDUAL = 1e-9
ROUNDING = 1e-14
# Denominators tried when a solver's point is cleaned: vertices of table polytopes have small ones.
DENOMINATORS = (1.0, 2.0, 6.0, 60.0)


class Pattern:
    """Mutable state of suppression and audit.

    `suppressed` bool[n]; `up`, `down` float64[n] the proven displacements of each cell above and below its value;
    `points` the displacements that prove them, each (cells ascending, displacement, scale up, scale down).
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
        self._unrelated = np.flatnonzero(np.diff(self.by_cell.indptr) == 0)
        self.recredit()

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
        self.record(cells, displacement)
        return True

    def record(self, cells: np.ndarray, displacement: np.ndarray) -> None:
        """Take over a point that `add_point` of a shadow of this pattern has checked."""
        self.points.append((cells, displacement))
        self._credit(cells, displacement)

    def shadow(self) -> Pattern:
        """A copy that shares the suppressed cells and collects points of its own, for a thread to look ahead with."""
        ahead = copy.copy(self)
        ahead.up, ahead.down, ahead.points = self.up.copy(), self.down.copy(), []
        return ahead

    def _credit(self, cells: np.ndarray, displacement: np.ndarray) -> None:
        """Widen the proven intervals by a checked displacement, in both directions."""
        for direction in (displacement, -displacement):
            room = np.where(direction > 0, self.room_up[cells], self.room_down[cells])
            scale = (room / np.abs(direction)).min()
            if scale <= 0:
                continue
            reach = direction * min(scale, 1e9)
            self.up[cells] = np.maximum(self.up[cells], reach)
            self.down[cells] = np.maximum(self.down[cells], -reach)

    def suppress(self, cells: np.ndarray) -> None:
        """Add cells to the pattern; everything proven stays proven."""
        self.suppressed[cells] = True

    def forget(self) -> None:
        """Drop what was proven with the help of cells that have been published since."""
        kept = [point for point in self.points if self.suppressed[point[0]].all()]
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

    def recredit(self) -> None:
        """Recompute the proven intervals from the recorded points."""
        self.up[:] = 0.0
        self.down[:] = 0.0
        # A cell in no relation is bounded by nothing but what the attacker knew before.
        self.up[self._unrelated] = self.room_up[self._unrelated]
        self.down[self._unrelated] = self.room_down[self._unrelated]
        for cells, displacement in self.points:
            self._credit(cells, displacement)


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
