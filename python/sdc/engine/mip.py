"""Mixed-integer programs on HiGHS: whole where they are small, by neighbourhoods where they are large.

In a two-way table the linear relaxation is integral at every vertex (a network), and that is the answer. Elsewhere a
small program goes to branch and bound, and a large one to large neighbourhood search (Shaw 1998; Danna, Rothberg & Le
Pape 2005): first all rows are made to hold, by programs over some hundred columns that make the rows' total violation
smaller, then the cost is made smaller in the same way. Effort is bounded in nodes and sweeps, not in time, so that
the same program has the same answer on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np
import scipy.sparse as sp

from sdc.engine import deadlines
from sdc.engine.lp import INFEASIBLE, OPTIMAL, Solution, minimise

FEASIBLE, UNDECIDED = "feasible", "undecided"
# Up to so many columns the relaxation is solved (it gives the bound, and often the answer) ...
RELAXED = 8_000
# ... up to so many branch and bound has the whole program, for at most so many nodes.
WHOLE = 1_500
WHOLE_NODES = 500
# Columns of a neighbourhood, and its nodes: when rows must be made to hold, and when the cost is made smaller.
REPAIR_SIZE, REPAIR_NODES = 400, 5
POLISH_SIZE, POLISH_NODES = 300, 20
# Neighbourhoods tried around violated rows before the program is called undecided.
REPAIRS = 200
# Up to so many columns a given solution is made cheaper.
POLISHED = 4_000
WHOLE_TO = 1e-6


@dataclass(frozen=True)
class Integral:
    """`status`: OPTIMAL (proven), FEASIBLE (a solution, `bound` <= optimum <= `objective`), INFEASIBLE (proven) or
    UNDECIDED. `x` [n] is None without a solution; then `columns` are those of the rows that do not hold, None for
    all."""

    status: str
    x: np.ndarray | None = None
    objective: float = np.inf
    bound: float = -np.inf
    columns: np.ndarray | None = None


@dataclass(frozen=True)
class Program:
    """Minimise cost @ x over {row_lower <= matrix @ x <= row_upper, lower <= x <= upper, x[integer] whole}.

    Shapes: `cost`, `lower`, `upper` (finite where `integer`), `integer` [n]; `row_lower`, `row_upper` [m]; `matrix` m
        x n.
    """

    cost: np.ndarray
    matrix: sp.csr_matrix
    lower: np.ndarray
    upper: np.ndarray
    row_lower: np.ndarray
    row_upper: np.ndarray
    integer: np.ndarray


def minimise_integral(program: Program, start: np.ndarray, time_limit: float | None = None) -> Integral:
    """Solve a program; `start` [n] is within the bounds and whole where it must be, but rows need not hold.

    When `time_limit` (seconds) ends, the best solution so far is returned, or UNDECIDED.
    """
    search = _Search(program, deadlines.after(time_limit))
    bound = _least(program)
    # Where no column is in more than two rows, as in a two-way table, the relaxation is a network of any size.
    if len(program.cost) <= RELAXED or np.diff(search.by_column.indptr).max(initial=0) <= 2:
        relaxed = _relaxed(program, time_limit)
        if relaxed.status == INFEASIBLE:
            return Integral(INFEASIBLE)
        if relaxed.status == OPTIMAL:
            bound = relaxed.objective
            x = _whole(relaxed.x, program.integer)
            if (x == np.round(x))[program.integer].all():
                return Integral(OPTIMAL, x, float(program.cost @ x), bound)
    everything = np.ones(len(program.cost), dtype=bool)
    if len(program.cost) <= WHOLE:
        whole = search.solve(everything, start, WHOLE_NODES)
        if whole.status in (OPTIMAL, INFEASIBLE):
            return whole
        x = whole.x if whole.x is not None else search.repaired(start)
    else:
        x = search.repaired(start)
    if search.violation(x).any():
        rows = np.flatnonzero(search.violation(x))
        return Integral(UNDECIDED, columns=np.unique(program.matrix[rows].indices))
    x = search.polished(x)
    return Integral(FEASIBLE, x, float(program.cost @ x), bound)


def polished(program: Program, x: np.ndarray, time_limit: float | None = None) -> Integral:
    """A solution no dearer than the solution `x`, with a bound: by the relaxation and neighbourhoods where it is not
    large."""
    bound = _least(program)
    if len(program.cost) <= POLISHED:
        relaxed = _relaxed(program, time_limit)
        bound = relaxed.objective if relaxed.status == OPTIMAL else bound
        x = _Search(program, deadlines.after(time_limit)).polished(x)
    return Integral(FEASIBLE, x, float(program.cost @ x), bound)


def _relaxed(program: Program, time_limit: float | None) -> Solution:
    """The solution of the program where no column need be whole."""
    return minimise(
        program.cost,
        program.matrix,
        program.lower,
        program.upper,
        row_lower=program.row_lower,
        row_upper=program.row_upper,
        iterations=1_000_000,
        time_limit=time_limit,
    )


def _least(program: Program) -> float:
    """What the cost is at least, whatever the rows say."""
    return float(np.minimum(program.cost * program.lower, program.cost * program.upper).sum())


class _Search:
    """Neighbourhood search over one program, deterministic."""

    def __init__(self, program: Program, ends: float | None) -> None:
        self.program = program
        self.ends = ends
        self.by_column = program.matrix.tocsc()

    def over(self) -> bool:
        return deadlines.passed(self.ends)

    def violation(self, x: np.ndarray) -> np.ndarray:
        """How far each row is from holding [m]; 0 where it holds up to rounding."""
        sums = self.program.matrix @ x
        off = np.maximum(np.maximum(self.program.row_lower - sums, sums - self.program.row_upper), 0.0)
        return np.where(off > WHOLE_TO, off, 0.0)

    def repaired(self, x: np.ndarray) -> np.ndarray:
        """From `x`, columns whose rows hold, or the nearest found: sweep over all columns, then violated rows only."""
        for group in self.cover(REPAIR_SIZE):
            if self.over():
                return x
            x = self.improve(group, x, REPAIR_NODES, elastic=True)
        best = self.violation(x).sum()
        turn = 0
        for attempt in range(REPAIRS):
            violated = np.flatnonzero(self.violation(x))
            if len(violated) == 0 or self.over():
                return x
            # A violated row in turn, in a neighbourhood that grows while nothing gets better.
            row = violated[attempt % len(violated)]
            size = int(REPAIR_SIZE * (1.0 + min(turn, 12) / 4.0))
            x = self.improve(self.around(self.program.matrix[[row]].indices, size), x, REPAIR_NODES, elastic=True)
            now = self.violation(x).sum()
            turn = 0 if now < best - WHOLE_TO else turn + 1
            best = min(best, now)
        return x

    def polished(self, x: np.ndarray) -> np.ndarray:
        """From `x`, whose rows hold, columns of smaller cost whose rows hold."""
        for group in self.cover(POLISH_SIZE):
            if self.over():
                return x
            x = self.improve(group, x, POLISH_NODES, elastic=False)
        return x

    def cover(self, size: int):
        """Neighbourhoods [n masks] that together hold every column, each around the first column not yet held."""
        held = np.zeros(len(self.program.cost), dtype=bool)
        while not held.all():
            group = self.around(np.array([int(np.argmin(held))]), size, avoid=held)
            yield group
            held |= group

    def around(self, columns: np.ndarray, size: int, avoid: np.ndarray | None = None) -> np.ndarray:
        """Mask [n] of about `size` columns nearest to `columns`, in steps from column to row to column."""
        group = np.zeros(len(self.program.cost), dtype=bool)
        group[columns] = True
        count, front = len(columns), columns
        while len(front) and count < size:
            rows = np.unique(self.by_column[:, front].indices)
            near = np.unique(self.program.matrix[rows].indices)
            near = near[~group[near]]
            fresh = near if avoid is None else near[~avoid[near]]
            fresh = fresh[: size - count]
            group[fresh] = True
            count, front = count + len(fresh), fresh
        return group

    def improve(self, group: np.ndarray, x: np.ndarray, nodes: int, *, elastic: bool) -> np.ndarray:
        """`x` with the columns of `group` chosen anew, if that is better; with `elastic` less violation is better."""
        found = self.solve(group, x, nodes, elastic=elastic).x
        if found is None:
            return x
        if elastic:
            return found if self.violation(found).sum() <= self.violation(x).sum() + WHOLE_TO else x
        better = self.program.cost @ found < self.program.cost @ x - WHOLE_TO and not self.violation(found).any()
        return found if better else x

    def solve(self, group: np.ndarray, x: np.ndarray, nodes: int, *, elastic: bool = False) -> Integral:
        """The program in the columns of `group`, the others fixed at `x`.

        With `elastic`, rows may be violated and their violation is what is minimised (the cost decides between equals).
        """
        p = self.program
        free = np.flatnonzero(group)
        part = self.by_column[:, free].tocsr()
        rows = np.flatnonzero(np.diff(part.indptr))
        part = part[rows]
        known = p.matrix[rows] @ np.where(group, 0.0, x)
        cost, lower, upper = p.cost[free], p.lower[free], p.upper[free]
        integer = p.integer[free]
        if elastic:
            slack = sp.identity(len(rows), format="csr")
            part = sp.hstack([part, slack, -slack], format="csr")
            scale = max(1.0, float(np.abs(cost).sum()))
            cost = np.concatenate([cost / (10.0 * scale), np.ones(2 * len(rows))])
            lower = np.concatenate([lower, np.zeros(2 * len(rows))])
            upper = np.concatenate([upper, np.full(2 * len(rows), np.inf)])
            integer = np.concatenate([integer, np.zeros(2 * len(rows), dtype=bool)])
        part.sort_indices()
        seconds = deadlines.left(self.ends)
        program = Program(cost, part, lower, upper, p.row_lower[rows] - known, p.row_upper[rows] - known, integer)
        answer = branch(program, nodes, seconds=seconds, relative_gap=0.02 if elastic else 0.0)
        if answer.x is None:
            return Integral(answer.status, columns=free)
        found = x.copy()
        found[free] = answer.x[: len(free)]
        objective = float(p.cost @ found)
        proven = answer.status == OPTIMAL and not elastic
        return Integral(OPTIMAL if proven else FEASIBLE, found, objective, objective if proven else -np.inf)


def branch(
    program: Program, nodes: int, *, gap: float = 1e-7, relative_gap: float = 0.0, seconds: float | None = None
) -> Integral:
    """Branch and bound on a program with at most `nodes` nodes.

    OPTIMAL is up to the gaps (absolute, relative), INFEASIBLE proven; whole columns are exactly whole, rows hold up to
    the solver's tolerance.
    """
    solver = quiet_solver()
    for option, value in {"mip_rel_gap": relative_gap, "mip_abs_gap": gap, "mip_max_nodes": nodes}.items():
        solver.setOptionValue(option, value)
    if seconds is not None:
        solver.setOptionValue("time_limit", max(0.01, float(seconds)))
    solver.passModel(highs_model(program))
    solver.run()
    status = solver.getModelStatus()
    if status == highspy.HighsModelStatus.kInfeasible:
        return Integral(INFEASIBLE)
    info = solver.getInfo()
    if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return Integral(UNDECIDED)
    x = _whole(np.array(solver.getSolution().col_value), program.integer)
    if not np.isfinite(info.objective_function_value) or (x != np.round(x))[program.integer].any():
        return Integral(UNDECIDED)
    proven = status == highspy.HighsModelStatus.kOptimal
    return Integral(OPTIMAL if proven else FEASIBLE, x, float(program.cost @ x))


def quiet_solver() -> highspy.Highs:
    """HiGHS in one thread and without output, so that results do not depend on the machine."""
    solver = highspy.Highs()
    for option, value in {"output_flag": False, "threads": 1, "parallel": "off", "random_seed": 0}.items():
        solver.setOptionValue(option, value)
    return solver


def highs_model(program: Program) -> highspy.HighsLp:
    """The program as HiGHS takes it; a linear program where nothing must be whole."""
    matrix = program.matrix
    model = highspy.HighsLp()
    model.num_row_, model.num_col_ = matrix.shape
    model.col_cost_, model.col_lower_, model.col_upper_ = program.cost, program.lower, program.upper
    model.row_lower_, model.row_upper_ = program.row_lower, program.row_upper
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.start_ = matrix.indptr.astype(np.int32)
    model.a_matrix_.index_ = matrix.indices.astype(np.int32)
    model.a_matrix_.value_ = matrix.data.astype(float)
    kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
    if program.integer.any():
        model.integrality_ = [kinds[int(i)] for i in program.integer]
    return model


def _whole(x: np.ndarray, integer: np.ndarray) -> np.ndarray:
    """`x` with integer columns that are whole up to the solver's tolerance made exactly so."""
    near = integer & (np.abs(x - np.round(x)) <= WHOLE_TO)
    return np.where(near, np.round(x), x)
