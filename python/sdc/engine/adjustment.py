"""Controlled tabular adjustment: unsafe cells are moved by their level, other cells as little as possible, and tables
add.

Dandekar & Cox (2002), *Synthetic tabular data: an alternative to complementary cell suppression*; Castro (2006),
*Minimum-distance controlled perturbation methods for large-scale tabular data protection*. For each unsafe cell one
of two things is chosen: at least `upl` up or at least `lpl` down. Among all adjusted tables that add and respect the
capacities, the weighted sum of absolute adjustments is as small as possible; where that cannot be proven, as small as
was found (the metadata says how far from a lower bound).

Up to some hundred cells, movements and directions are one mixed-integer program, solved by branch and bound. Larger
tables get their directions from a sequence of linear programs (`directions`). Where every value must be whole, or a
multiple of `base`, what the linear programs leave between multiples is brought there by controlled rounding, which
keeps levels and bounds that are multiples themselves.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from sdc.engine.controlled_rounding import adjacent_multiples
from sdc.engine.directions import move
from sdc.engine.errors import EngineError, named
from sdc.engine.mip import FEASIBLE, INFEASIBLE, OPTIMAL, UNDECIDED, WHOLE, Integral, Program, minimise_integral
from sdc.engine.system import System

# The adjusted table adds, and stays within levels and bounds, up to this share of the largest value concerned.
TOLERANCE = 1e-9
# Linear programs leave whole numbers (and multiples of a base) this far off, relative.
WHOLE_TO = 1e-7


def adjust(
    cells: pa.Table, relations: pa.Table, *, base: float | None = None, time_limit: float | None = None
) -> pa.Table:
    """Move every primary cell by its level and the others as little as possible; one row a cell, ascending.

    Args:
        cells: cell_id, value, status ('primary' is unsafe; any other may move); optional `upl` and `lpl`, the least
            move up or down of an unsafe cell; `lower` (default 0) and `upper` (default none), between which the
            adjusted value must be; `cost` per unit of movement (default 1 / max(1, |value|)); `frozen` (may not
            move); `integer` (stays whole).
        relations: relation_id, cell_id, coefficient; each relation sums to zero.
        base: adjusted values are multiples of it (0.01 for money), by controlled rounding; bounds should be multiples
            too.
        time_limit: seconds; when it ends without a solution an EngineError is raised.

    Returns cell_id, value, adjusted, deviation. The schema's metadata has the weighted deviation (`deviation`), a lower
    bound on the least possible (`bound`) and whether they meet (`proven`). The result was verified before it is
    returned.
    Raises EngineError, naming cells, for malformed input, for an unsafe cell without a level or without room to move
    by it, and where no adjusted table adds.
    """
    system = _system(cells, relations)
    up, down = _levels(system, base)
    up, down = _with_room(system, up, down)
    answer = _solved(system, up, down, time_limit)
    if answer.status not in (OPTIMAL, FEASIBLE):
        bad = system.cell_id[system.primary]
        if answer.columns is not None:
            bad = system.cell_id[np.unique(answer.columns[answer.columns < 2 * system.n] % system.n)]
        reason = "adds up" if answer.status == INFEASIBLE else "adds up was found within the limits"
        raise EngineError(
            f"controlled tabular adjustment: no adjusted table that {reason} (cells {named(bad)}); widen `lower` and "
            "`upper`, lower the levels, or use another method",
            cells=bad,
        )
    adjusted = system.value + answer.x[: system.n] - answer.x[system.n : 2 * system.n]
    if base is None and system.integer.all():
        base = 1.0
    if base is not None:
        adjusted = base * adjacent_multiples(system, adjusted / base, WHOLE_TO, time_limit)[0]
    else:
        adjusted[system.integer] = np.round(adjusted[system.integer])
    _verify(system, adjusted, up, down)
    deviation = adjusted - system.value
    facts = {
        "deviation": math.fsum(system.cost * np.abs(deviation)),
        "bound": max(0.0, answer.bound),
        "proven": answer.status == OPTIMAL and (base is None or system.integer.all()),
    }
    return pa.table(
        {"cell_id": system.cell_id, "value": system.value, "adjusted": adjusted, "deviation": deviation}
    ).replace_schema_metadata({name: str(value) for name, value in facts.items()})


def _system(cells: pa.Table, relations: pa.Table) -> System:
    """The validated system; where no costs are given, a cell's movement counts relative to its value."""
    system = System.from_arrow(cells, relations, "unity")
    if "cost" in cells.column_names:
        return system
    return replace(system, cost=1.0 / np.maximum(1.0, np.abs(system.value)))


def _solved(system: System, up: np.ndarray, down: np.ndarray, time_limit: float | None) -> Integral:
    """Movements up and down [2n] and directions: by branch and bound where that is small enough, else by linear
    programs."""
    program, start = _program(system, up, down)
    answer = Integral(UNDECIDED)
    if len(program.cost) <= WHOLE:
        answer = minimise_integral(program, start, time_limit)
    if answer.status != UNDECIDED:
        return answer
    n = system.n
    moved = move(system, (up, down), (program.upper[:n], program.upper[n : 2 * n]), start[2 * n :], time_limit)
    if moved is None or len(moved.missed):
        return Integral(UNDECIDED, columns=None if moved is None else moved.missed)
    least = float((system.cost * np.minimum(up, down))[system.primary].sum())
    x = np.concatenate([np.maximum(moved.movement, 0.0), np.maximum(-moved.movement, 0.0)])
    return Integral(FEASIBLE, x, moved.cost, least)


def _levels(system: System, base: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Least move up and down of each unsafe cell [n], 0 for others; whole where the cell is, else a multiple of
    `base`."""
    up = np.where(system.primary, np.maximum(system.upl, 0.0), 0.0)
    down = np.where(system.primary, np.maximum(system.lpl, 0.0), 0.0)
    up[system.integer], down[system.integer] = np.ceil(up[system.integer]), np.ceil(down[system.integer])
    if base is not None:
        up, down = (np.ceil(level / base - TOLERANCE) * base for level in (up, down))
    still = system.primary & ((up == 0) | (down == 0))
    if still.any():
        bad = system.cell_id[still]
        raise EngineError(
            f"cells.upl: an unsafe cell needs levels above 0, by which it is moved (cells {named(bad)})", cells=bad
        )
    return up, down


def _with_room(system: System, up: np.ndarray, down: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Levels with infinity where the bounds leave no room for the move; raise where there is room for neither."""
    slack = TOLERANCE * np.maximum(1.0, np.abs(system.value))
    no_up = system.primary & (system.value + up > system.upper + slack)
    no_down = system.primary & (system.value - down < system.lower - slack)
    stuck = no_up & no_down
    if stuck.any():
        bad = system.cell_id[stuck]
        raise EngineError(
            f"cells: `lower` and `upper` leave no room to move by the level (cells {named(bad)}); widen them", cells=bad
        )
    return np.where(no_up, np.inf, up), np.where(no_down, np.inf, down)


def _program(system: System, up: np.ndarray, down: np.ndarray) -> tuple[Program, np.ndarray]:
    """Columns: movement up [n], movement down [n], and for each unsafe cell 1 for up, 0 for down. And a start."""
    n, unsafe = system.n, np.flatnonzero(system.primary)
    reach = _reach(system, up, down)
    most_up = np.where(system.frozen, 0.0, np.minimum(system.upper - system.value, reach))
    most_down = np.where(system.frozen, 0.0, np.minimum(system.value - system.lower, reach))
    k = len(unsafe)
    pick = sp.csr_matrix((np.ones(k), (np.arange(k), unsafe)), shape=(k, n))
    none = sp.csr_matrix((k, n))
    can_up, can_down = np.isfinite(up[unsafe]), np.isfinite(down[unsafe])
    least_up, least_down = np.where(can_up, up[unsafe], 0.0), np.where(can_down, down[unsafe], 0.0)
    matrix = sp.vstack(
        [
            sp.hstack([system.A, -system.A, sp.csr_matrix((system.m, k))]),
            sp.hstack([pick, none, -sp.diags(least_up)]),  # up - level * y >= 0
            sp.hstack([pick, none, -sp.diags(most_up[unsafe])]),  # up - most * y <= 0
            sp.hstack([none, pick, sp.diags(least_down)]),  # down >= level * (1 - y)
            sp.hstack([none, pick, sp.diags(most_down[unsafe])]),  # down <= most * (1 - y)
        ],
        format="csr",
    )
    matrix.eliminate_zeros()
    zero, inf = np.zeros(k), np.full(k, np.inf)
    direction = np.where(can_up & can_down, _balanced(system, unsafe, least_up, least_down), can_up).astype(float)
    integer = np.concatenate([system.integer, system.integer, np.ones(k, dtype=bool)])
    start = np.zeros(2 * n + k)
    start[unsafe] = direction * least_up
    start[n + unsafe] = (1.0 - direction) * least_down
    start[2 * n :] = direction
    program = Program(
        cost=np.concatenate([system.cost, system.cost, zero]),
        matrix=matrix,
        lower=np.concatenate([np.zeros(2 * n), np.where(can_down, 0.0, 1.0)]),
        upper=np.concatenate([most_up, most_down, np.where(can_up, 1.0, 0.0)]),
        row_lower=np.concatenate([np.zeros(system.m), zero, -inf, least_down, -inf]),
        row_upper=np.concatenate([np.zeros(system.m), inf, zero, inf, most_down[unsafe]]),
        integer=integer,
    )
    return program, start


def _reach(system: System, up: np.ndarray, down: np.ndarray) -> float:
    """A movement no cell needs to exceed: all unsafe cells moved the same way, through every relation."""
    level = np.maximum(np.where(np.isfinite(up), up, 0.0), np.where(np.isfinite(down), down, 0.0))
    return float(max(1.0, level.sum() * max(1.0, float(np.abs(system.A.data).max(initial=1.0)))))


def _balanced(system: System, unsafe: np.ndarray, up: np.ndarray, down: np.ndarray) -> np.ndarray:
    """1 (up) or 0 (down) for each unsafe cell [k]: largest first, each so that its relations stay nearer to balance."""
    columns = system.A.tocsc()
    net = np.zeros(system.m)
    chosen = np.zeros(len(unsafe))
    for place in np.lexsort((unsafe, -np.maximum(up, down))):
        span = slice(columns.indptr[unsafe[place]], columns.indptr[unsafe[place] + 1])
        rows, coefficient = columns.indices[span], columns.data[span]
        raised = np.abs(net[rows] + coefficient * up[place]).sum()
        lowered = np.abs(net[rows] - coefficient * down[place]).sum()
        chosen[place] = float(raised < lowered)
        net[rows] += coefficient * (up[place] if raised < lowered else -down[place])
    return chosen


def _verify(system: System, adjusted: np.ndarray, up: np.ndarray, down: np.ndarray) -> None:
    """Raise unless the adjusted table adds, is within bounds, and every unsafe cell is at least its level away."""
    size = 1.0 + np.abs(system.value) + np.abs(adjusted)
    slack = TOLERANCE * size
    moved = adjusted - system.value
    near = system.primary & ~((moved >= up - slack) | (-moved >= down - slack))
    outside = (adjusted < system.lower - slack) | (adjusted > system.upper + slack) | (system.frozen & (moved != 0))
    sums = np.abs(system.A @ adjusted) > 10 * TOLERANCE * (1.0 + abs(system.A) @ size)
    if near.any() or outside.any() or sums.any():
        bad = system.cell_id[near | outside]
        raise EngineError(
            f"controlled tabular adjustment: the result failed its verification (cells {named(bad)}, relations "
            f"{named(system.relation_id[sums])}); nothing is returned. This is a fault of the program: report it",
            cells=bad,
            relations=system.relation_id[sums],
        )
