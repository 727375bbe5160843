"""Which unsafe cells of an adjustment go up and which down, where there are too many for branch and bound.

With the directions given, the least adjustment is a linear program. Levels may be missed there at a price; a cell that
misses its level turns, and its price rises, so that where several cells contradict each other another one gives way
(as in breakout search, Morris 1993). When all levels are kept, cells whose direction costs most by its dual price turn
in ever smaller sets, as long as the whole becomes cheaper. The number of linear programs is bounded, not their time;
each starts from the basis of the one before.
"""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np
import scipy.sparse as sp

from sdc.engine import deadlines
from sdc.engine.mip import Program, highs_model, quiet_solver
from sdc.engine.system import System

# Linear programs until all levels must be kept, and to make what is found cheaper.
SETTLE, IMPROVE = 60, 30
# The price of missing a level, in the dearest cost of a movement, and what it rises by.
PRICE, RISE = 100.0, 2.0
# First share of the cells with a gain that turn together.
TOGETHER = 0.25
NEAR = 1e-7


@dataclass(frozen=True)
class Moved:
    """`movement` [n] of the cells, its cost, and the unsafe cells (positions) that miss their level."""

    movement: np.ndarray
    cost: float
    missed: np.ndarray


def move(
    system: System,
    levels: tuple[np.ndarray, np.ndarray],
    most: tuple[np.ndarray, np.ndarray],
    start: np.ndarray,
    time_limit: float | None = None,
) -> Moved | None:
    """Movements of small cost of all cells, so that relations hold; None where no solution of the relations was found.

    Args:
        levels: least move up and down [n] of an unsafe cell, infinite where there is no room.
        most: room up and down [n].
        start: directions [k] of the unsafe cells, ascending, to begin with: true for up.

    Where `missed` is not empty, it is what was not settled.
    """
    search = _Search(system, levels, most, deadlines.after(time_limit))
    up, found = search.settled(start.astype(bool))
    if found is None or len(found.missed):
        return found
    return search.improved(up, found)


class _Search:
    def __init__(self, system: System, levels, most, ends: float | None) -> None:
        self.system, self.ends = system, ends
        self.unsafe = np.flatnonzero(system.primary)
        self.up, self.down = (level[self.unsafe] for level in levels)
        self.columns = system.A.tocsc()
        n, k = system.n, len(self.unsafe)
        pick = sp.csr_matrix((np.ones(k), (np.arange(k), self.unsafe)), shape=(k, n))
        short = sp.identity(k, format="csr")
        matrix = sp.vstack(
            [
                sp.hstack([system.A, -system.A, sp.csr_matrix((system.m, 2 * k))]),
                sp.hstack([pick, -pick, short, -short]),  # movement + missed up - missed down
            ],
            format="csr",
        )
        matrix.sort_indices()
        self.price = np.full(k, PRICE * float(system.cost.max()))
        zero = np.zeros(system.m)
        program = Program(
            cost=np.concatenate([system.cost, system.cost, self.price, self.price]),
            matrix=matrix,
            lower=np.zeros(2 * n + 2 * k),
            upper=np.concatenate([*most, np.full(2 * k, np.inf)]),
            row_lower=np.concatenate([zero, np.full(k, -np.inf)]),
            row_upper=np.concatenate([zero, np.full(k, np.inf)]),
            integer=np.zeros(2 * n + 2 * k, dtype=bool),
        )
        self.solver = quiet_solver()
        self.solver.passModel(highs_model(program))

    def over(self) -> bool:
        return deadlines.passed(self.ends)

    def solve(self, up: np.ndarray) -> tuple[Moved | None, np.ndarray]:
        """The least movement with directions `up` [k], and what a direction costs by its dual price [k]."""
        n, m, k = self.system.n, self.system.m, len(up)
        rows = np.arange(m, m + k, dtype=np.int32)
        least, most = np.where(up, self.up, -np.inf), np.where(up, np.inf, -self.down)
        self.solver.changeRowsBounds(k, rows, least, most)
        columns = np.arange(2 * n, 2 * n + 2 * k, dtype=np.int32)
        self.solver.changeColsCost(2 * k, columns, np.concatenate([self.price, self.price]))
        left = deadlines.left(self.ends, 0.01)
        if left is not None:
            self.solver.setOptionValue("time_limit", self.solver.getRunTime() + left)
        self.solver.run()
        if self.solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None, np.zeros(k)
        solution = self.solver.getSolution()
        x, dual = np.array(solution.col_value), np.abs(np.array(solution.row_dual)[m:])
        movement = x[:n] - x[n : 2 * n]
        here, cost = movement[self.unsafe], self.system.cost[self.unsafe]
        size = NEAR * (1.0 + np.abs(self.system.value[self.unsafe]))
        missed = ~((here >= self.up - size) | (-here >= self.down - size))
        own, other = np.where(up, self.up, self.down), np.where(up, self.down, self.up)
        gain = np.where(np.isfinite(other), (dual - cost) * (own + other) + cost * (own - other), -np.inf)
        total = float(self.system.cost @ np.abs(movement))
        return Moved(movement, total, self.unsafe[missed]), gain

    def settled(self, up: np.ndarray) -> tuple[np.ndarray, Moved | None]:
        """Directions in which no level is missed, or the last ones tried."""
        for attempt in range(SETTLE):
            found, _ = self.solve(up)
            if found is None or not len(found.missed) or self.over():
                break
            missed = np.isin(self.unsafe, found.missed)
            self.price[missed] *= RISE
            turn = self.apart(np.flatnonzero(missed & np.isfinite(np.where(up, self.down, self.up))), attempt)
            up = up.copy()
            up[turn] = ~up[turn]
        return up, found

    def apart(self, cells: np.ndarray, attempt: int) -> list[int]:
        """Some of `cells` (numbers among the unsafe) no two of which share a relation: both turning would change
        nothing between them. Another one comes first in each attempt."""
        taken: set[int] = set()
        chosen = []
        for cell in np.roll(cells, attempt):
            rows = set(self.columns[:, self.unsafe[cell]].indices.tolist())
            if not rows & taken:
                taken |= rows
                chosen.append(int(cell))
        return chosen

    def improved(self, up: np.ndarray, best: Moved) -> Moved:
        """What is found when cells turn as long as it is cheaper and no level is missed."""
        found, gain = self.solve(up)
        if found is not None and not len(found.missed) and found.cost < best.cost:
            best = found
        share = TOGETHER
        for _ in range(IMPROVE):
            gaining = np.flatnonzero(gain > NEAR * max(1.0, best.cost))
            if not len(gaining) or self.over():
                break
            order = gaining[np.lexsort((gaining, -gain[gaining]))]
            turned = up.copy()
            chosen = order[: max(1, int(share * len(order)))]
            turned[chosen] = ~turned[chosen]
            found, next_gain = self.solve(turned)
            if found is not None and not len(found.missed) and found.cost < best.cost * (1.0 - NEAR):
                up, best, gain = turned, found, next_gain
            elif len(chosen) == 1:
                gain[chosen] = -np.inf
            else:
                share /= 2.0
        return best
