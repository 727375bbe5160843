"""The master problem's linear program: which cells to suppress, given the inequalities found so far."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import highspy
import numpy as np
import scipy.sparse as sp

from sdc.engine.cutting import solver
from sdc.engine.cutting.block import Block, Target
from sdc.engine.cutting.flows import movements

DROP_AT_LEAST = 40
ZERO = 1e-9
# A whole solution that misses a row by this much violates it; less is the integer solver's own tolerance.
VIOLATED = 1e-5
# An integer program counts for at least so many entries of its matrix as one node.
ENTRIES_A_NODE = 50
# Where nodes are limited HiGHS keeps about so many of its own cuts: thousands at the root can take most of the time.
POOL = 100


@dataclass(frozen=True)
class Row:
    """`coefficients @ x[columns] >= bound` over the free cells; `whole`: whole x has a whole slack."""

    columns: np.ndarray
    coefficients: np.ndarray
    bound: float
    whole: bool

    @cached_property
    def key(self) -> tuple[bytes, bytes]:
        """Equal for rows that say the same."""
        return self.columns.tobytes(), np.round(self.coefficients, 8).tobytes()


class Master:
    """min cost of the suppressed free cells subject to the rows, relaxed to 0 <= x <= 1.

    Free cells are those that are not primary: `free` [f] maps them to the block. `fixed` [f] marks cells that
    no pattern better than the best known one suppresses. `limits` are the lower and upper bounds [f] now in
    force. After `relax`: `x`, `reduced` [f] and `objective`; `slack` per row. `programs` and `nodes` count linear
    programs and the nodes of integer ones.
    """

    def __init__(self, block: Block) -> None:
        self.block = block
        self.free = np.flatnonzero(~block.primary)
        self.column = np.full(block.n, -1)
        self.column[self.free] = np.arange(len(self.free))
        self.cost = block.cost[self.free]
        # Costs run up to the grand total; the program sees them in units of a usual cell.
        self.scale = float(np.median(self.cost[self.cost > 0])) if (self.cost > 0).any() else 1.0
        self.fixed = np.zeros(len(self.free), bool)
        self.limits = np.zeros(len(self.free)), np.ones(len(self.free))
        self.rows: list[Row] = []
        self.pool: dict[tuple[bytes, bytes], Row] = {}
        self._seen: set[tuple[bytes, bytes]] = set()
        self._idle: list[int] = []
        self.x = np.zeros(len(self.free))
        self.reduced = np.zeros(len(self.free))
        self.slack = np.zeros(0)
        self.objective = 0.0
        self.programs = self.nodes = 0
        self._build()

    def _build(self) -> None:
        """Pass the program, with the columns that are not fixed, to a new solver."""
        self.open = np.flatnonzero(~self.fixed)
        self.local = np.full(len(self.free), -1, dtype=np.int32)
        self.local[self.open] = np.arange(len(self.open), dtype=np.int32)
        matrix, bounds = self.matrix()
        self.highs = solver.new(presolve="off", solver="simplex", simplex_strategy=1)
        self.highs.passModel(
            solver.model(
                self.cost[self.open] / self.scale,
                self.limits[0][self.open],
                self.limits[1][self.open],
                matrix[:, self.open],
                bounds,
                np.full(len(bounds), solver.INFINITY),
            )
        )

    def matrix(self, rows: list[Row] | None = None) -> tuple[sp.csr_matrix, np.ndarray]:
        """Rows (default: those in the program) as a matrix over the free cells, and their bounds."""
        rows = self.rows if rows is None else rows
        if not rows:
            return sp.csr_matrix((0, len(self.free))), np.zeros(0)
        starts = np.cumsum([0] + [len(row.columns) for row in rows])
        columns = np.concatenate([row.columns for row in rows])
        values = np.concatenate([row.coefficients for row in rows])
        return sp.csr_matrix((values, columns, starts), (len(rows), len(self.free))), np.array([r.bound for r in rows])

    def add(self, inequalities: Iterable[np.ndarray], bound: float = 1.0) -> int:
        """Add inequalities `c @ x >= bound` over the block, 1 or 0; returns how many were new."""
        return self.add_rows([self.row(c, bound) for c in inequalities])

    def row(self, c: np.ndarray, bound: float = 1.0) -> Row:
        """The inequality `c @ x >= bound` over the block, 1 or 0, as a row."""
        columns = np.flatnonzero(c)
        values = c[columns]
        return Row(self.column[columns], values, bound, bool(np.all(np.abs(values) > 1 - ZERO)))

    def add_rows(self, rows: list[Row]) -> int:
        """Add rows over the free cells; returns how many were new."""
        new = []
        for row in rows:
            if row.key not in self._seen:
                self._seen.add(row.key)
                new.append(row)
        if not new:
            return 0
        starts, columns, values = [0], [], []
        for row in new:
            local = self.local[row.columns]
            columns.append(local[local >= 0])
            values.append(row.coefficients[local >= 0])
            starts.append(starts[-1] + len(columns[-1]))
        self.highs.addRows(
            len(new),
            np.array([row.bound for row in new]),
            np.full(len(new), solver.INFINITY),
            starts[-1],
            np.array(starts[:-1], dtype=np.int32),
            np.concatenate(columns),
            np.concatenate(values),
        )
        self.rows += new
        # Rows made by rounding have no bound of exactly 0 or 1; they are of use to the linear program only.
        self.pool.update({row.key: row for row in new if row.bound in (0.0, 1.0)})
        self._idle += [0] * len(new)
        return len(new)

    def limit(self, lower: np.ndarray, upper: np.ndarray) -> None:
        """Put bounds [f] in force; fixed cells stay at zero."""
        self.limits = lower, np.where(self.fixed, 0.0, upper)
        columns = np.arange(len(self.open), dtype=np.int32)
        self.highs.changeColsBounds(len(self.open), columns, self.limits[0][self.open], self.limits[1][self.open])

    def relax(self, cutoff: float = np.inf) -> bool:
        """Solve the program; False if nothing costs less than `cutoff`. Raises SolverError if unclear."""
        self.programs += 1
        self.highs.setOptionValue("objective_bound", min(cutoff / self.scale, solver.INFINITY))
        self.highs.run()
        status = self.highs.getModelStatus()
        if status not in (solver.OPTIMAL, solver.INFEASIBLE, solver.BOUND_REACHED):
            self.highs.clearSolver()
            self.highs.run()
            status = self.highs.getModelStatus()
        if status in (solver.INFEASIBLE, solver.BOUND_REACHED):
            return False
        if status != solver.OPTIMAL:
            raise solver.SolverError(f"master linear program: {self.highs.modelStatusToString(status)}")
        self.objective = self.highs.getInfo().objective_function_value * self.scale
        solution = self.highs.getSolution()
        self.x = np.zeros(len(self.free))
        self.x[self.open] = np.clip(solution.col_value, 0.0, 1.0)
        self.reduced = np.zeros(len(self.free))
        self.reduced[self.open] = np.asarray(solution.col_dual) * self.scale
        self.slack = np.asarray(solution.row_value) - np.array([row.bound for row in self.rows])
        return self.objective < cutoff

    def weights(self) -> np.ndarray:
        """The last solution over the block [n], primaries 1."""
        out = np.ones(self.block.n)
        out[self.free] = self.x
        return out

    def fix(self, cutoff: float) -> None:
        """Exclude cells whose suppression would cost `cutoff` or more.

        Uses the reduced costs of the last `relax`, which must have been without branching.
        """
        hopeless = ~self.fixed & (self.x < ZERO) & (self.objective + self.reduced >= cutoff)
        if not hopeless.any():
            return
        self.fixed |= hopeless
        lower, upper = self.limits
        self.limit(lower, upper)

    def drop_idle(self, rounds: int) -> None:
        """Drop rows that were slack `rounds` times in a row (they can be found again); call after `relax`."""
        self._idle = [idle + 1 if s > 1e-6 else 0 for idle, s in zip(self._idle, self.slack, strict=True)]
        idle = [i for i, waited in enumerate(self._idle) if waited >= rounds]
        if len(idle) < DROP_AT_LEAST:
            return
        self.highs.deleteRows(len(idle), np.array(idle, dtype=np.int32))
        self._seen -= {self.rows[i].key for i in idle}
        gone = set(idle)
        keep = [i for i in range(len(self.rows)) if i not in gone]
        self.rows = [self.rows[i] for i in keep]
        self._idle = [self._idle[i] for i in keep]
        self.slack = self.slack[keep]

    def nearly_tight(self, slack: float) -> list[Row]:
        """Rows of the pool that the last solution satisfies with at most this slack."""
        matrix, bounds = self.matrix(list(self.pool.values()))
        near = matrix @ self.x - bounds <= slack
        return [row for row, keep in zip(self.pool.values(), near, strict=True) if keep]

    def violated(self, pattern: np.ndarray) -> list[Row]:
        """Rows of the pool that a pattern [n] violates."""
        matrix, bounds = self.matrix(list(self.pool.values()))
        wrong = matrix @ pattern[self.free].astype(float) < bounds - VIOLATED
        return [row for row, bad in zip(self.pool.values(), wrong, strict=True) if bad]

    def least_nodes(self, rows: list[Row]) -> int:
        """What the integer program of these rows counts for at least: its root is most of the effort."""
        return 1 + sum(len(row.columns) for row in rows) // ENTRIES_A_NODE

    def solve_integer(
        self,
        rows: list[Row],
        gap: float,
        deadline: float,
        nodes: int | None = None,
        among: np.ndarray | None = None,
        targets: Sequence[Target] = (),
        cutoff: float = np.inf,
    ) -> tuple[np.ndarray | None, float]:
        """Solve the integer program of the given rows over the cells that are not fixed, to a relative gap.

        At most so many `nodes` are visited; `among` [f] masks the cells that may be chosen (the bound then holds for
        these only). The pattern lets `targets` move as `flows.movements` has it. Patterns of `cutoff` or more are not
        looked for, and a bound of `cutoff` or more says that there is no other. Returns the best pattern [n] found
        (None: none, or none within the limits) and a lower bound (infinite: infeasible). `nodes` counts the nodes
        visited so far, and roots by their size.
        """
        open_ = np.flatnonzero(~self.fixed if among is None else among & ~self.fixed)
        matrix, bounds = self.matrix(rows)
        matrix, cost, upper = matrix[:, open_], self.cost[open_], np.ones(len(open_))
        whole, most = np.ones(len(open_), bool), np.full(len(bounds), solver.INFINITY)
        if targets:
            flow = movements(self.block, self.free[open_], targets)
            matrix = sp.bmat([[matrix, sp.csr_matrix((len(bounds), len(flow.upper)))], [flow.choice, flow.moves]])
            cost, whole = np.append(cost, np.zeros(len(flow.upper))), np.append(whole, flow.whole)
            bounds, most = np.append(bounds, flow.least), np.append(most, flow.most)
            upper = np.append(upper, flow.upper)
        seconds = min(1e9, max(0.05, deadline - time.monotonic()))
        highs = solver.new(mip_rel_gap=gap, time_limit=seconds, **solver.INTEGER)
        if np.isfinite(cutoff):
            highs.setOptionValue("objective_bound", cutoff)
        if nodes is not None:
            highs.setOptionValue("mip_max_nodes", max(1, nodes))
            highs.setOptionValue("mip_pool_soft_limit", POOL)
        highs.passModel(solver.model(cost, np.zeros(len(cost)), upper, matrix, bounds, most, whole=whole))
        highs.run()
        status, info = highs.getModelStatus(), highs.getInfo()
        root = self.least_nodes(rows) + (flow.moves.nnz // ENTRIES_A_NODE if targets else 0)
        self.nodes += max(root, int(info.mip_node_count))
        if status in (solver.INFEASIBLE, solver.BOUND_REACHED):
            return None, np.inf
        if info.primal_solution_status != int(highspy.SolutionStatus.kSolutionStatusFeasible):
            return None, float(info.mip_dual_bound)
        pattern = self.block.primary.copy()
        pattern[self.free[open_]] = np.asarray(highs.getSolution().col_value)[: len(open_)] > 0.5
        return pattern, float(info.mip_dual_bound)
