"""Controlled rounding: every cell to an adjacent multiple of the base, and the table still adds.

Zero-restricted controlled rounding (Cox & Ernst 1982; Salazar-Gonzalez 2005; Handbook on Statistical Disclosure
Control, 2nd ed., section 5.4): a multiple of the base stays what it is, any other value goes to the multiple below or
above, all relations hold among the rounded values, and the total deviation is as small as possible. In two-way tables a
solution always exists and the linear relaxation finds it; in three dimensions and more there are tables that have
none (Causey, Cox & Ernst 1985), and then this module says so: a value that moves by the base or more is never returned.

What a reader learns: a published r means a value in (r - base, r + base), and no more. The rounded table itself adds,
so any one of its lowest cells, together with all its totals, could be higher (or, above zero, lower) by the same
amount below the base.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from sdc.engine.errors import EngineError, named
from sdc.engine.mip import (
    FEASIBLE,
    INFEASIBLE,
    OPTIMAL,
    UNDECIDED,
    WHOLE,
    Integral,
    Program,
    minimise_integral,
    polished,
)
from sdc.engine.system import System
from sdc.engine.top_down import decide_top_down

# A value is a multiple of the base when their ratio is this close to a whole number (relative).
MULTIPLE_TO = 1e-9
LARGEST = 2**53


def round_controlled(cells: pa.Table, relations: pa.Table, base: float, *, time_limit: float | None = None) -> pa.Table:
    """Round every cell to an adjacent multiple of `base` so that all relations hold; one row a cell, ascending.

    Args:
        cells: cell_id (int64), value (a number); other columns are not looked at.
        relations: relation_id, cell_id, coefficient (a whole number); each relation sums to zero.
        base: a positive number, in the unit of `value`.
        time_limit: seconds; when it ends without a solution an EngineError is raised.

    Returns cell_id, value, rounded, deviation (`rounded - value`). The schema's metadata has the total absolute
    deviation (`deviation`), a lower bound on the least possible (`bound`) and whether they meet (`proven`). The result
    does not depend on the order of rows. It was verified before it is returned: multiples, relations, movements.
    Raises EngineError, naming cells, for malformed input, and where the table has no such rounding or none was found.
    """
    if isinstance(base, bool) or not isinstance(base, int | float) or not math.isfinite(base) or base <= 0:
        raise EngineError(f"base: must be a positive number, got {base!r}")
    system = _system(cells, relations)
    units = system.value / base
    if (np.abs(units) > LARGEST).any():
        far = system.cell_id[np.abs(units) > LARGEST]
        raise EngineError(f"base: too small beside the values of cells {named(far)}", cells=far)
    rounded_units, multiple, proven, bound = adjacent_multiples(system, units, MULTIPLE_TO, time_limit)
    rounded = rounded_units * base
    deviation = np.where(multiple, 0.0, rounded - system.value)
    facts = {"deviation": math.fsum(np.abs(deviation)), "bound": bound * base, "proven": proven}
    return pa.table(
        {"cell_id": system.cell_id, "value": system.value, "rounded": rounded, "deviation": deviation}
    ).replace_schema_metadata({name: str(value) for name, value in facts.items()})


def adjacent_multiples(
    system: System, units: np.ndarray, near: float, time_limit: float | None = None
) -> tuple[np.ndarray, np.ndarray, bool, float]:
    """Whole numbers (int64) adjacent to `units` [n] for which all relations hold, and which of `units` are whole.

    `near`: how far from a whole number (relative) one still is. Also whether the deviation is proven least, and a
    lower bound on it. Raises EngineError where there is no such rounding or none was found.
    """
    nearest = np.round(units)
    multiple = np.abs(units - nearest) <= near * np.maximum(1.0, np.abs(units))
    below = np.where(multiple, nearest, np.floor(units)).astype(np.int64)
    up, proven, bound = _directions(system, below, np.where(multiple, 0.0, units - below), ~multiple, time_limit)
    rounded = below + up
    _verify(system, rounded, units, multiple)
    return rounded, multiple, proven, bound


def _system(cells: pa.Table, relations: pa.Table) -> System:
    """The validated system with whole coefficients; rounding knows neither statuses nor an attacker's bounds."""
    if isinstance(cells, pa.Table):
        kept = [name for name in ("cell_id", "value") if name in cells.column_names]
        cells = cells.select(kept)
        cells = cells.append_column("status", pa.array(["safe"] * len(cells), pa.string()))
        cells = cells.append_column("lower", pa.array(np.full(len(cells), -np.inf)))
    system = System.from_arrow(cells, relations)
    broken = system.A.data != np.round(system.A.data)
    if broken.any():
        rows = np.repeat(np.arange(system.m), np.diff(system.A.indptr))[broken]
        bad = system.relation_id[np.unique(rows)]
        raise EngineError(
            f"relations.coefficient: must be whole numbers for rounded values to add (relations {named(bad)})",
            relations=bad,
        )
    return system


def _directions(
    system: System, below: np.ndarray, part: np.ndarray, free: np.ndarray, time_limit: float | None
) -> tuple[np.ndarray, bool, float]:
    """0 (down) or 1 (up) for each cell [n], whether the least deviation is proven, and a bound on it in bases.

    `below` [n]: the multiple below, in bases; `part` [n]: how far above it the value is, in [0, 1); `free` [n]: may
    move.
    """
    up = np.zeros(system.n, dtype=np.int64)
    if not free.any():
        return up, True, 0.0
    needed = -(system.A @ below.astype(float))
    whole = Program(
        cost=np.where(free, 1.0 - 2.0 * part, 0.0),
        matrix=system.A,
        lower=np.zeros(system.n),
        upper=free.astype(float),
        row_lower=needed,
        row_upper=needed,
        integer=np.ones(system.n, dtype=bool),
    )
    columns = np.flatnonzero(free)
    answer = _solved(whole, system, np.round(part[columns]), time_limit)
    if answer.status not in (OPTIMAL, FEASIBLE):
        group = columns if answer.columns is None else columns[answer.columns]
        bad = system.cell_id[group]
        if answer.status == INFEASIBLE:
            raise EngineError(
                "controlled rounding: no rounding to adjacent multiples of the base adds up among cells "
                f"{named(bad)}; take another base, publish fewer of these tables together, or use another method",
                cells=bad,
            )
        raise EngineError(
            f"controlled rounding: no rounding that adds up was found among cells {named(bad)} within the limits; "
            "allow more time, take another base, or publish fewer of these tables together",
            cells=bad,
        )
    up[columns] = answer.x.astype(np.int64)
    return up, answer.status == OPTIMAL, max(0.0, math.fsum(part[columns]) + answer.bound)


def _solved(program: Program, system: System, start: np.ndarray, time_limit: float | None) -> Integral:
    """The program of least deviation in its free columns: exactly where it is small or a network, else from the totals
    down."""
    columns = np.flatnonzero(program.upper)
    matrix = program.matrix[:, columns]
    rows = np.flatnonzero(np.diff(matrix.indptr))
    free = Program(
        cost=program.cost[columns],
        matrix=matrix[rows].tocsr(),
        lower=program.lower[columns],
        upper=program.upper[columns],
        row_lower=program.row_lower[rows],
        row_upper=program.row_upper[rows],
        integer=program.integer[columns],
    )
    if len(columns) <= WHOLE or np.diff(free.matrix.tocsc().indptr).max() <= 2:
        answer = minimise_integral(free, start, time_limit)
        if answer.status != UNDECIDED:
            return answer
    answer = decide_top_down(program, _totals(system.A), time_limit)
    if answer.status == UNDECIDED:
        return replace(answer, columns=np.searchsorted(columns, answer.columns))
    return polished(free, answer.x[columns], time_limit)


def _totals(relations: sp.csr_matrix) -> np.ndarray:
    """The cell that is the total of the others in each relation [m]: the only one of its sign; -1 without one."""
    row = np.repeat(np.arange(relations.shape[0]), np.diff(relations.indptr))
    total = np.full(relations.shape[0], -1)
    for sign in (-1, 1):  # where both signs are single, the cells are equal
        signed = np.sign(relations.data) == sign
        single = np.bincount(row[signed], minlength=len(total))[row] == 1
        total[row[signed & single]] = relations.indices[signed & single]
    return total


def _verify(system: System, rounded: np.ndarray, units: np.ndarray, multiple: np.ndarray) -> None:
    """Raise unless whole-number arithmetic confirms the result (all in bases): adjacent, and every relation holds."""
    moved = np.where(multiple, rounded != np.round(units), np.abs(rounded - units) >= 1.0)
    sums = system.A.astype(np.int64) @ rounded
    if moved.any() or sums.any():
        bad = system.cell_id[moved]
        raise EngineError(
            f"controlled rounding: the result failed its verification (cells {named(bad)}, relations "
            f"{named(system.relation_id[sums != 0])}); nothing is returned. This is a fault of the program: report it",
            cells=bad,
            relations=system.relation_id[sums != 0],
        )
