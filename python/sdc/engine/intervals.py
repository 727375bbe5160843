"""The attacker's interval of single cells, bracketed from inside and outside by linear programs.

Inside: every column but a neighbourhood is held fixed, so what moves is feasible in the whole table. Outside: every
relation but a neighbourhood is forgotten, so the attacker can only know more. When both agree the interval is exact;
when the inner one meets the cell's needs it is safe, and when the outer one does not it is disclosed. The neighbourhood
grows until one of these holds; at the whole component both programs are the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from sdc.engine import deadlines, lp
from sdc.engine.needs import TOLERANCE, V_EXACT, V_NOT_EXAMINED, V_SAFE
from sdc.engine.neighbourhood import grow
from sdc.engine.pattern import Pattern
from sdc.engine.view import View, gather

SIZES = (40, 200, 1000, 5000)
# Components beyond this size are solved whole only within a time limit of this many seconds per program.
LARGE = 20_000
SECONDS = 60.0


@dataclass(frozen=True)
class Interval:
    """Proven displacements of one cell: it can reach `inner_*`, and cannot pass `outer_*` (inf where unknown)."""

    inner_down: float
    inner_up: float
    outer_down: float
    outer_up: float
    verdict: int


def interval(
    pattern: Pattern, view: View, cell: int, *, exact: bool = False, deadline: float | None = None
) -> Interval:
    """Examine one suppressed cell; with `exact` until the interval itself is known, else until the verdict is.

    `view` holds the rigid classes of the pattern's suppressed cells; a cell in none of them follows exactly. Feasible
    points found are recorded in the pattern and serve other cells.
    """
    one = np.array([cell])
    column = int(view.column[cell])
    if column < 0:
        return Interval(0.0, 0.0, 0.0, 0.0, V_EXACT)
    ratio = float(view.ratio[cell])
    outer_up, outer_down = float(pattern.room_up[cell]), float(pattern.room_down[cell])
    if view.by_column.indptr[column] == view.by_column.indptr[column + 1]:
        up, down = _turned(view.room_up[column], view.room_down[column], ratio)
        verdict = int(pattern.needs.verdict(np.array([up]), np.array([down]), one)[0])
        return Interval(down, up, down, up, verdict)
    unbounded_up = unbounded_down = False
    slack = TOLERANCE * max(1.0, abs(float(pattern.system.value[cell])))
    for size in (*SIZES, None):
        if deadlines.passed(deadline):
            break
        limit = deadlines.left(deadline, 0.01)
        columns = grow(view, column, view.columns if size is None else size)
        whole = size is None or len(columns) < size
        if whole and len(columns) > LARGE:
            limit = SECONDS if limit is None else min(limit, SECONDS)
        relations, inner = view.local(columns)
        up, down = _extremes(pattern, view, columns, inner, cell, limit, record=True)
        unbounded_up |= up == np.inf
        unbounded_down |= down == np.inf
        if not whole:
            around = np.unique(gather(view.by_relation, relations)[1])
            outer = view.by_relation[relations][:, around].tocsr()
            up, down = _extremes(pattern, view, around, outer, cell, limit, record=False)
        outer_up = outer_up if up is None else min(outer_up, up)
        outer_down = outer_down if down is None else min(outer_down, down)
        inner_up = np.inf if unbounded_up else float(pattern.up[cell])
        inner_down = np.inf if unbounded_down else float(pattern.down[cell])
        outer_up, outer_down = max(outer_up, inner_up), max(outer_down, inner_down)
        proven = int(pattern.needs.verdict(np.array([inner_up]), np.array([inner_down]), one)[0])
        possible = int(pattern.needs.verdict(np.array([outer_up]), np.array([outer_down]), one)[0])
        tight = _agree(inner_up, outer_up, slack) and _agree(inner_down, outer_down, slack)
        if tight or (not exact and proven == V_SAFE):
            return Interval(inner_down, inner_up, outer_down, outer_up, proven)
        if not exact and possible != V_SAFE:
            return Interval(inner_down, inner_up, outer_down, outer_up, possible)
        if whole:
            break
    inner_up = np.inf if unbounded_up else float(pattern.up[cell])
    inner_down = np.inf if unbounded_down else float(pattern.down[cell])
    return Interval(inner_down, inner_up, outer_down, outer_up, V_NOT_EXAMINED)


def _turned(up: float, down: float, ratio: float) -> tuple[float, float]:
    """Displacements of a cell whose column can move by `up` and `down`."""
    return (float(up * ratio), float(down * ratio)) if ratio > 0 else (float(-down * ratio), float(-up * ratio))


def _agree(inner: float, outer: float, slack: float) -> bool:
    """Inner and outer bound are the same number (or both infinite)."""
    return inner == outer or outer - inner <= slack


def _extremes(
    pattern: Pattern,
    view: View,
    columns: np.ndarray,
    matrix: sp.csr_matrix,
    cell: int,
    limit: float | None,
    *,
    record: bool,
) -> tuple[float | None, float | None]:
    """Largest displacements of `cell` (above, below): inf if unbounded, None if the solver did not say."""
    column, ratio = int(view.column[cell]), float(view.ratio[cell])
    at = int(np.searchsorted(columns, column))
    scale = max(1.0, abs(float(pattern.system.value[cell]))) / abs(ratio)
    upper, lower = view.room_up[columns] / scale, -view.room_down[columns] / scale
    found: list[float | None] = []
    for sign in (1.0, -1.0):
        cost = np.zeros(len(columns))
        cost[at] = -sign * np.sign(ratio)
        solution = lp.minimise(cost, matrix, lower, upper, time_limit=limit)
        if solution.status == lp.UNBOUNDED:
            found.append(np.inf)
        elif solution.status != lp.OPTIMAL:
            found.append(None)
        else:
            if record:
                pattern.add_point(*view.expand(columns, solution.x * scale))
            found.append(max(0.0, -solution.objective) * scale * abs(ratio))
    return found[0], found[1]
