"""Mixed-integer rounding inequalities from the tableau of the master's linear program.

Method: Gomory (1960) in the form of Marchand, H. and Wolsey, L.A. (2001), "Aggregation and mixed integer
rounding to solve MIPs", Operations Research 49(3), 363-371: rows are combined with the multipliers of a basic
fractional variable, variables near their upper bound are complemented, and the combination is divided by
several numbers and rounded.
"""

from __future__ import annotations

import numpy as np

from sdc.engine.cutting.master import Master, Row

MOST_TABLEAU_ROWS = 100
DIVISORS = 12
LEAST_EFFICACY = 1e-3
# Two inequalities of one round whose normals agree more than this say nearly the same.
PARALLEL = 0.5
LEAST_FRACTION, MOST_FRACTION = 0.01, 0.9999
# Coefficients this small against the largest are moved into the right-hand side, which keeps the row valid.
NEGLIGIBLE = 1e-6
SAFETY = 1e-9


def rounding_rows(master: Master) -> list[Row]:
    """Rows that cut off the master's last solution (without branching), strongest first, none parallel."""
    x = master.x
    matrix, bounds = master.matrix()
    matrix = matrix[:, master.open].toarray()
    x = x[master.open]
    usable = master.limits[1][master.open] > 0
    basic = np.asarray(master.highs.getBasicVariables()[1])
    fractional = [r for r in range(len(basic)) if basic[r] >= 0 and 1e-3 < x[basic[r]] < 1 - 1e-3]
    fractional.sort(key=lambda r: (abs(x[basic[r]] - 0.5), int(basic[r])))
    whole = np.array([row.whole for row in master.rows])
    found = []
    for r in fractional[:MOST_TABLEAU_ROWS]:
        multipliers = np.asarray(master.highs.getBasisInverseRow(int(r))[1])
        multipliers[np.abs(multipliers) < 1e-9] = 0.0
        best = None
        for sign in (1.0, -1.0):
            candidate = _round(sign * multipliers, matrix, bounds, whole, x, usable)
            if candidate is not None and (best is None or candidate[0] > best[0]):
                best = candidate
        if best is not None:
            found.append(best)
    found.sort(key=lambda item: -item[0])
    chosen, normals = [], []
    for _, coefficients, bound in found:
        normal = np.where(x > 1e-9, coefficients, 0.0)
        normal = normal / np.linalg.norm(normal)
        if all(normal @ other < PARALLEL for other in normals):
            normals.append(normal)
            columns = np.flatnonzero(coefficients)
            chosen.append(Row(master.open[columns], coefficients[columns], bound, False))
    return chosen


def _round(multipliers, matrix, bounds, whole, x, usable) -> tuple[float, np.ndarray, float] | None:
    """Efficacy, coefficients and bound of the best rounding of one combination of rows; None if none cuts off
    x.

    The combination reads `a @ x - multipliers @ s = multipliers @ bounds` with row slacks s >= 0. Divisors
    are compared on the few columns where x is not zero; only the winner is worked out in full.
    """
    a = np.where(usable, multipliers @ matrix, 0.0)
    complemented = (x > 0.5) & usable
    right = multipliers @ bounds - a[complemented].sum()
    a = np.where(complemented, -a, a)
    support = np.flatnonzero(x > 1e-9)
    rows = np.flatnonzero(multipliers)
    multipliers, whole, bounds, matrix = multipliers[rows], whole[rows], bounds[rows], matrix[rows]
    inner = np.abs(a[support])[x[support] < 1 - 1e-6]
    sizes = np.unique(np.round(inner, 9))
    divisors = np.unique(np.concatenate([[1.0], sizes[sizes > 1e-3][::-1][:DIVISORS]]))
    scaled = right / divisors
    fraction = scaled - np.floor(scaled)
    divisors = divisors[(fraction > LEAST_FRACTION) & (fraction < MOST_FRACTION)]
    best, winner = LEAST_EFFICACY, None
    part, flipped, at, few = a[support], complemented[support], x[support], matrix[:, support]
    for divisor in divisors:
        coefficients, bound = _rounded(part, flipped, multipliers, few, bounds, whole, right, divisor)
        length = np.linalg.norm(coefficients)
        efficacy = (bound - coefficients @ at) / max(length, 1e-12)
        if length > 0 and efficacy > best:
            best, winner = efficacy, divisor
    if winner is None:
        return None
    coefficients, bound = _rounded(a, complemented, multipliers, matrix, bounds, whole, right, winner)
    coefficients = np.where(usable, coefficients, 0.0)
    largest = np.abs(coefficients).max(initial=0.0)
    small = np.abs(coefficients) < NEGLIGIBLE * largest
    bound -= np.maximum(coefficients[small], 0.0).sum()
    coefficients = np.where(small, 0.0, coefficients) / largest
    bound = bound / largest - SAFETY
    length = np.linalg.norm(coefficients[support])
    if length == 0 or bound - coefficients @ x < LEAST_EFFICACY * length:
        return None
    return best, coefficients, float(bound)


def _rounded(a, complemented, multipliers, matrix, bounds, whole, right, divisor) -> tuple[np.ndarray, float]:
    """Coefficients and bound over the given columns after dividing the combination and rounding it."""
    scaled = right / divisor
    fraction = scaled - np.floor(scaled)
    coefficients = _lift(a / divisor, fraction)
    slack = -multipliers / divisor
    slack = np.where(whole, _lift(slack, fraction), np.maximum(slack, 0.0) / fraction)
    # Complemented columns all have x > 0.5, so they are among any support.
    bound = float(np.ceil(scaled) - coefficients[complemented].sum() + slack @ bounds)
    return np.where(complemented, -coefficients, coefficients) + slack @ matrix, bound


def _lift(values: np.ndarray, fraction: float) -> np.ndarray:
    """The rounding function `floor(v) + min(1, frac(v) / fraction)` of whole variables."""
    floors = np.floor(values + 1e-10)
    return floors + np.minimum(1.0, np.maximum(values - floors, 0.0) / fraction)
