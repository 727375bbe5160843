"""How this package sets HiGHS up: silent and on one thread, so that results do not depend on the machine."""

from __future__ import annotations

import highspy
import numpy as np
import scipy.sparse as sp

INFINITY = highspy.kHighsInf
OPTIMAL = highspy.HighsModelStatus.kOptimal
INFEASIBLE = highspy.HighsModelStatus.kInfeasible
UNBOUNDED = highspy.HighsModelStatus.kUnbounded
UNBOUNDED_OR_INFEASIBLE = highspy.HighsModelStatus.kUnboundedOrInfeasible
BOUND_REACHED = highspy.HighsModelStatus.kObjectiveBound


# Options of integer programs. HiGHS's own searches for good solutions take most of its time and find what the attackers
# break; what is wanted of it is bounds, and the optimum. Strong branching does not pay where programs are short-lived.
INTEGER = {"mip_pscost_minreliable": 0} | {
    f"mip_heuristic_run_{name}": False
    for name in ("rins", "rens", "root_reduced_cost", "zi_round", "shifting", "feasibility_jump")
}


class SolverError(RuntimeError):
    """HiGHS ended with something other than an optimal solution; nothing may be concluded from it."""


def new(**options: object) -> highspy.Highs:
    """A silent, single-threaded solver with the given HiGHS options."""
    highs = highspy.Highs()
    for name, value in {"output_flag": False, "threads": 1, "random_seed": 0, **options}.items():
        highs.setOptionValue(name, value)
    return highs


def model(
    cost: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    matrix: sp.spmatrix,
    row_lower: np.ndarray,
    row_upper: np.ndarray,
    *,
    whole: np.ndarray | None = None,
) -> highspy.HighsLp:
    """min cost @ x with row_lower <= matrix @ x <= row_upper, lower <= x <= upper (whole numbers where `whole`)."""
    columns = sp.csc_matrix(matrix)
    lp = highspy.HighsLp()
    lp.num_row_, lp.num_col_ = columns.shape
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = cost, lower, upper
    lp.row_lower_, lp.row_upper_ = row_lower, row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = (
        columns.indptr,
        columns.indices,
        columns.data,
    )
    if whole is not None:
        kinds = highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger
        lp.integrality_ = [kinds[each] for each in whole.astype(int)]
    return lp
