"""Linear programs on HiGHS: one thread, simplex, fixed seed, and a status that is never guessed."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import highspy
import numpy as np
import scipy.sparse as sp

OPTIMAL, UNBOUNDED, INFEASIBLE, FAILED = "optimal", "unbounded", "infeasible", "failed"
_STATUS = {
    highspy.HighsModelStatus.kOptimal: OPTIMAL,
    highspy.HighsModelStatus.kUnbounded: UNBOUNDED,
    highspy.HighsModelStatus.kInfeasible: INFEASIBLE,
}
# HiGHS presolve costs more than it saves below about this many columns: most optima are reached in few steps from zero.
PRESOLVE_FROM = 50_000
_thread = threading.local()


@dataclass(frozen=True)
class Solution:
    """`status` is one of the module's constants; `x` [columns] and `objective` are None unless it is OPTIMAL.

    `iterations` are those it took.
    """

    status: str
    x: np.ndarray | None = None
    objective: float | None = None
    iterations: int = 0


def _solver() -> highspy.Highs:
    """This thread's solver; passing a new model discards all state of the one before."""
    if not hasattr(_thread, "solver"):
        solver = highspy.Highs()
        solver.setOptionValue("output_flag", False)
        solver.setOptionValue("threads", 1)
        solver.setOptionValue("parallel", "off")
        solver.setOptionValue("solver", "simplex")
        solver.setOptionValue("random_seed", 0)
        # Steepest edge: Devex can be lost in large degenerate programs.
        solver.setOptionValue("simplex_dual_edge_weight_strategy", 2)
        _thread.solver = solver
    return _thread.solver


def minimise(
    cost: np.ndarray,
    matrix: sp.csr_matrix,
    lower: np.ndarray,
    upper: np.ndarray,
    *,
    row_lower: np.ndarray | None = None,
    row_upper: np.ndarray | None = None,
    iterations: int = 200_000,
    time_limit: float | None = None,
    presolve: bool = False,
) -> Solution:
    """Minimise cost @ x over {row_lower <= matrix @ x <= row_upper (0 where None), lower <= x <= upper}.

    `presolve` pays where the question is whether there is an x at all; large programs are presolved anyway.
    `iterations` bounds the simplex work in a way that does not depend on the machine; when it or `time_limit`
    (seconds) is reached the status is FAILED.
    """
    return Program(matrix, lower, upper, row_lower=row_lower, row_upper=row_upper).minimise(
        cost, iterations=iterations, time_limit=time_limit, presolve=presolve
    )


class Program:
    """A feasible set {row_lower <= matrix @ x <= row_upper (0 where None), lower <= x <= upper} for several costs.

    The next cost, or the next bounds, start from the optimum before, unless this thread has solved something else
    meanwhile.
    """

    def __init__(
        self,
        matrix: sp.csr_matrix,
        lower: np.ndarray,
        upper: np.ndarray,
        *,
        row_lower: np.ndarray | None = None,
        row_upper: np.ndarray | None = None,
    ) -> None:
        rows, columns = matrix.shape
        zero = np.zeros(rows)
        model = self._model = highspy.HighsLp()
        model.num_col_ = columns
        model.num_row_ = rows
        model.col_lower_ = lower
        model.col_upper_ = upper
        model.row_lower_ = zero if row_lower is None else row_lower
        model.row_upper_ = zero if row_upper is None else row_upper
        model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        model.a_matrix_.start_ = matrix.indptr.astype(np.int32, copy=False)
        model.a_matrix_.index_ = matrix.indices.astype(np.int32, copy=False)
        model.a_matrix_.value_ = matrix.data

    def bound(self, lower: np.ndarray, upper: np.ndarray) -> None:
        """Replace the bounds of the columns."""
        self._model.col_lower_, self._model.col_upper_ = lower, upper
        if getattr(_thread, "program", None) is self:
            columns = self._model.num_col_
            _solver().changeColsBounds(columns, np.arange(columns, dtype=np.int32), lower, upper)

    def minimise(
        self,
        cost: np.ndarray,
        *,
        iterations: int = 200_000,
        time_limit: float | None = None,
        presolve: bool = False,
    ) -> Solution:
        """Minimise cost @ x; as the function `minimise`."""
        solver, columns = _solver(), self._model.num_col_
        again = getattr(_thread, "program", None) is self
        presolve = (presolve or columns >= PRESOLVE_FROM) and not again
        solver.setOptionValue("presolve", "choose" if presolve else "off")
        solver.setOptionValue("simplex_iteration_limit", int(iterations))
        limit = float("inf") if time_limit is None else solver.getRunTime() + float(time_limit)
        solver.setOptionValue("time_limit", limit)
        if again:
            status = solver.changeColsCost(columns, np.arange(columns, dtype=np.int32), cost)
        else:
            self._model.col_cost_ = cost
            status = solver.passModel(self._model)
        _thread.program = None if status == highspy.HighsStatus.kError else self
        if status == highspy.HighsStatus.kError:
            return Solution(FAILED)
        solver.run()
        status = _STATUS.get(solver.getModelStatus(), FAILED)
        info = solver.getInfo()
        iterations = max(int(info.simplex_iteration_count), 0)
        if status != OPTIMAL:
            return Solution(status, iterations=iterations)
        return Solution(OPTIMAL, np.array(solver.getSolution().col_value), info.objective_function_value, iterations)
