"""What each suppressed cell's interval must be, and whether known displacements meet it.

An attacker's interval of cell i is [x_i - down_i, x_i + up_i]. Required (Fischetti & Salazar-Gonzalez 2001): for
a primary `up >= upl`, `down >= lpl`, `up + down >= spl`; for every suppressed cell that it is not exact: a continuous
cell has a positive width, an integer cell at least two whole numbers in its interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdc.engine.system import System

# A level counts as reached, and a width as positive, within this part of the level or of the value.
TOLERANCE = 1e-6
# A continuous cell without a level is moved by this part of its value when a displacement is sought.
STEP = 1e-2

SAFE_VERDICT = "safe"
VERDICTS = (SAFE_VERDICT, "exact", "under_above", "under_below", "too_narrow", "not_examined")
(V_SAFE, V_EXACT, V_ABOVE, V_BELOW, V_NARROW, V_NOT_EXAMINED) = range(len(VERDICTS))


@dataclass(frozen=True)
class Needs:
    """Requirements per cell, float64[n] in the unit of `value`.

    `up`, `down`, `width` are the protection levels (0 for secondaries); `positive` is the width from which a
    continuous cell counts as not exact; `step` the displacement worth seeking where no level asks for more.
    """

    up: np.ndarray
    down: np.ndarray
    width: np.ndarray
    positive: np.ndarray
    step: np.ndarray
    integer: np.ndarray

    @classmethod
    def of(cls, system: System) -> Needs:
        """Requirements of every cell of the system, as if it were suppressed."""
        size = np.maximum(1.0, np.abs(system.value))
        return cls(
            up=np.where(system.primary, system.upl, 0.0),
            down=np.where(system.primary, system.lpl, 0.0),
            width=np.where(system.primary, system.spl, 0.0),
            positive=TOLERANCE * size,
            step=np.where(system.integer, 1.0, STEP * size),
            integer=system.integer,
        )

    @property
    def second(self) -> np.ndarray:
        """Displacement in one direction from which a cell has a second value: no attacker knows the one."""
        return np.where(self.integer, 1.0 - TOLERANCE, self.positive)

    def exact(self, up: np.ndarray, down: np.ndarray, cells: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Mask: an interval of these displacements discloses the cell exactly."""
        whole = np.floor(up + TOLERANCE) + np.floor(down + TOLERANCE) < 1
        return np.where(self.integer[cells], whole, up + down < self.positive[cells])

    def verdict(self, up: np.ndarray, down: np.ndarray, cells: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Verdict codes of intervals [x - down, x + up] of `cells`, taken as the whole truth."""
        part = 1 - TOLERANCE
        out = np.full(len(up), V_SAFE, dtype=np.int8)
        out[up + down < part * self.width[cells]] = V_NARROW
        out[down < part * self.down[cells]] = V_BELOW
        out[up < part * self.up[cells]] = V_ABOVE
        out[self.exact(up, down, cells)] = V_EXACT
        return out

    def open_sides(
        self, up: np.ndarray, down: np.ndarray, cells: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Still wanted displacements (above, below, either) of `cells`, 0 where nothing is wanted.

        `either` is a displacement that helps in whichever direction: the cell has no level left to reach but is
        exact or too narrow.
        """
        part = 1 - TOLERANCE
        above = np.where(up < part * self.up[cells], self.up[cells], 0.0)
        below = np.where(down < part * self.down[cells], self.down[cells], 0.0)
        narrow = np.maximum(self.width[cells] - np.minimum(up, down), 0.0)
        either = np.where(up + down < part * self.width[cells], narrow, 0.0)
        either = np.where(self.exact(up, down, cells), np.maximum(either, self.step[cells]), either)
        either[(above > 0) | (below > 0)] = 0.0
        return above, below, either
