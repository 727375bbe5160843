"""The attacker's linear program: how far can one cell move under a (possibly fractional) pattern?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdc.engine.cutting import solver
from sdc.engine.cutting.block import Block, Kind, Target

# Part of a level that may be missing; far below what a release could show, far above simplex tolerances.
TOLERANCE = 1e-7
# A cell that may move this many levels is not what limits an attacker; such bounds would only harm the
# simplex method.
UNLIMITED = 1e6
# Entries of a program's matrix, zeros included, that count as one unit of work.
ENTRIES = 100_000
# Movements and prices below this are rounding.
STILL = 1e-9


@dataclass(frozen=True)
class Attack:
    """Answer for one direction `sense` of one `cell`, in units of the target's level.

    `reach` is how far the cell moves (at most 1); `column_moves` and `row_duals` are the solution of the
    program.
    """

    attacker: Attacker
    cell: int
    sense: int
    reach: float
    column_moves: np.ndarray
    row_duals: np.ndarray

    def moves(self) -> tuple[np.ndarray, np.ndarray]:
        """Cells that move and how far, signed."""
        moving = np.flatnonzero(np.abs(self.column_moves) > STILL)
        return self.attacker.inside[moving], self.column_moves[moving]

    def gains(self) -> np.ndarray:
        """Dual prices [n]: `sum(gains * moves)` is the cell's own move for all moves the relations allow."""
        gains = self.attacker.block.A.T @ self.row_duals
        gains[self.cell] += self.sense
        gains[np.abs(gains) < STILL] = 0.0
        return gains


class Attacker:
    """Linear programs over the cells of a block that are at least partly suppressed.

    With weights 0..1 [n] per cell the program is max `sense * z_t` subject to `A z = 0` and `-down_i *
    weight_i <= z_i <= up_i * weight_i`, in units of the target's level and with the target's own movement
    limited to 1. With `capped=True` every slack is first limited to the level: the program whose dual yields
    the strengthened capacity inequalities (exact in two-way tables); `capped=False` is the true attack. `work` is
    what one program counts for: 1 in two-way tables of some thousand cells, more where relations are many.
    """

    def __init__(self, block: Block, weight: np.ndarray, *, capped: bool) -> None:
        self.block = block
        self.inside = np.flatnonzero(weight > 0)
        self.weight = weight[self.inside]
        self.up, self.down = block.up[self.inside], block.down[self.inside]
        self.capped = capped
        self.position = np.full(block.n, -1)
        self.position[self.inside] = np.arange(len(self.inside))
        self.columns = np.arange(len(self.inside), dtype=np.int32)
        zero = np.zeros(len(self.inside))
        columns = block.A[:, self.inside]
        self.rows = np.unique(columns.indices)
        columns = columns.tocsr()[self.rows]
        rows = np.zeros(len(self.rows))
        self.work = 1 + len(self.rows) * len(self.inside) // ENTRIES
        # Warm starts from one target to the next suit the primal simplex method.
        self.highs = solver.new(presolve="off", solver="simplex", simplex_strategy=4)
        self.highs.passModel(solver.model(zero, zero, zero, columns, rows, rows))

    def attack(self, target: Target, sense: int, known: np.ndarray | None = None) -> Attack:
        """Move the target in direction `sense` as far as its level, without moving the cells `known` besides.

        Raises SolverError unless optimal.
        """
        up, down = self._room(target)
        if known is not None:
            still = self.position[known]
            up[still[still >= 0]] = down[still[still >= 0]] = 0.0
        own = int(self.position[target.cell])
        up[own] = min(up[own], 1.0) if sense > 0 else 0.0
        down[own] = min(down[own], 1.0) if sense < 0 else 0.0
        self.highs.changeColsBounds(len(self.inside), self.columns, -down, up)
        self.highs.changeColCost(own, -float(sense))
        self.highs.run()
        if self.highs.getModelStatus() != solver.OPTIMAL:
            # A cold start settles the rare numerical trouble of a stale basis.
            self.highs.clearSolver()
            self.highs.run()
        status = self.highs.getModelStatus()
        self.highs.changeColCost(own, 0.0)
        if status != solver.OPTIMAL:
            raise solver.SolverError(f"attacker's linear program: {self.highs.modelStatusToString(status)}")
        solution = self.highs.getSolution()
        moves = np.asarray(solution.col_value)
        # Relations between published cells only have no price.
        duals = np.zeros(self.block.A.shape[0])
        duals[self.rows] = solution.row_dual
        return Attack(self, target.cell, sense, sense * float(moves[own]), moves, duals)

    def _room(self, target: Target) -> tuple[np.ndarray, np.ndarray]:
        """Slacks of the columns in units of the target's level, times their weights."""
        out = []
        for room in self.block.room(target):
            room = room[self.inside]
            room = np.minimum(room, 1.0) if self.capped else np.where(room > UNLIMITED, np.inf, room)
            out.append(self._weighted(room))
        return out[0], out[1]

    def _weighted(self, room: np.ndarray) -> np.ndarray:
        """`room` times the weights; nothing where the weight is zero, also where the room is infinite."""
        return np.multiply(room, self.weight, where=self.weight > 0, out=np.zeros(len(room)))

    def reach(self, cell: int, sense: int) -> float:
        """How far a suppressed cell can move in direction `sense`, in its own unit; may be infinite."""
        own = int(self.position[cell])
        down, up = self._weighted(self.down), self._weighted(self.up)
        self.highs.changeColsBounds(len(self.inside), self.columns, -down, up)
        self.highs.changeColCost(own, -float(sense))
        self.highs.run()
        status = self.highs.getModelStatus()
        reached = self.highs.getInfo().objective_function_value
        self.highs.changeColCost(own, 0.0)
        if status in (solver.UNBOUNDED, solver.UNBOUNDED_OR_INFEASIBLE):
            # Standing still is always feasible, so it is unbounded.
            self.highs.clearSolver()
            return np.inf
        if status != solver.OPTIMAL:
            raise solver.SolverError(f"attacker's linear program: {self.highs.modelStatusToString(status)}")
        return max(0.0, -float(reached))

    def publish(self, cell: int) -> None:
        """Take one cell out of the pattern."""
        self.weight[self.position[cell]] = 0.0

    def suppress(self, cell: int) -> None:
        """Put a cell that was taken out back into the pattern."""
        self.weight[self.position[cell]] = 1.0

    def attacks(self, target: Target, known: np.ndarray | None = None) -> list[Attack]:
        """The attacks that settle a target; the second direction is left out where the first is enough."""
        out = []
        for sense in target.senses:
            out.append(self.attack(target, sense, known))
            if reached(target, out):
                break
        return out


def reached(target: Target, attacks: list[Attack], tolerance: float = TOLERANCE) -> bool:
    """Whether the attacks show that the target is protected."""
    reaches = [max(attack.reach, 0.0) for attack in attacks]
    total = sum(reaches) if target.kind is Kind.WIDTH else max(reaches)
    return total >= 1.0 - tolerance
