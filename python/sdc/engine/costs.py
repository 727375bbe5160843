"""What it costs to suppress a cell: the quantity complementary suppression keeps small.

The functions are those of the usual tools (Handbook on Statistical Disclosure Control, 2nd ed., ch. 4):
suppressed value, suppressed contributors, number of suppressed cells, compromises between them, and the distance from
what is to be protected.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from sdc.engine import arrow
from sdc.engine.errors import EngineError, named

POWER = 0.5
# Cells suppressed before cost this share. Where the old pattern is still safe, another that has no cell in common with
# it is only cheaper if its true cost is less than this share of the old one's: figures that move by a few per
# cent keep their pattern, and a pattern that has become wasteful is given up all the same.
PREVIOUS = 0.5


@dataclass(frozen=True)
class Table:
    """What a cost can depend on: the cells with their `ids`, `value` and mask `primary` [n] in row order, and the
    relations as an m x n matrix of the same order."""

    cells: pa.Table
    ids: np.ndarray
    value: np.ndarray
    primary: np.ndarray
    relations: sp.csr_matrix

    def column(self, name: str, default: float | None = None, *, infinite: bool = False) -> np.ndarray:
        """A numeric column of the cells, float64[n]."""
        return arrow.numbers(self.cells, name, "cells", ids=self.ids, default=default, infinite=infinite)


def _value(table: Table) -> np.ndarray:
    """Absolute cell value: totals last."""
    return np.abs(table.value)


def _count(table: Table) -> np.ndarray:
    """Column `count` (contributors of the cell); unity where the table has none."""
    return table.column("count", 1.0)


def _unity(table: Table) -> np.ndarray:
    """One per cell: fewest suppressed cells."""
    return np.ones(len(table.value))


def _log(table: Table) -> np.ndarray:
    """log(1 + |value|): between number and value."""
    return np.log1p(np.abs(table.value))


def _power(table: Table) -> np.ndarray:
    """Square root of |value|: between number and value."""
    return np.abs(table.value) ** POWER


def _distance(table: Table) -> np.ndarray:
    """Relations on a shortest way to a primary, and a fraction of a step by value: near cells, totals last.

    A cell in one relation with a primary (its siblings and their total) is 1 away, a cell in one relation with such a
    cell 2, and so on: up, down and across hierarchies alike. Cells without any way are one step further than all
    others. Of cells equally far the smaller is cheaper: |value| over the largest |value| is added. The idea is that of
    tau-Argus's distance function; as the engine knows relations and not codes, a step is a relation, not a code.
    """
    steps = distances(table.relations, table.primary)
    steps[steps < 0] = steps.max(initial=0) + 1
    size = np.abs(table.value)
    return np.where(table.primary, 0.0, steps + size / max(1.0, size.max(initial=0.0)))


COSTS: dict[str, Callable[[Table], np.ndarray]] = {
    "value": _value,
    "count": _count,
    "unity": _unity,
    "log": _log,
    "power": _power,
    "distance": _distance,
}


def distances(relations: sp.csr_matrix, start: np.ndarray) -> np.ndarray:
    """Relations on a shortest way from the mask `start` [n] to each cell, int64[n]; -1 where there is none."""
    rows, columns = abs(relations).sign(), abs(relations).sign().T.tocsr()
    steps = np.where(start, 0, -1)
    reached, far = start.copy(), 0
    while True:
        touched = rows @ reached.astype(float) > 0
        reached = (columns @ touched.astype(float) > 0) & (steps < 0)
        if not reached.any():
            return steps
        far += 1
        steps[reached] = far


def evaluate(cost: str, table: Table) -> np.ndarray:
    """Cost of suppressing each cell, float64[n] in the row order of the cells, all finite and >= 0.

    `cost` is one of `COSTS` or `column:<name>`. A non-NULL entry of an optional column `cost` overrides it for
    its cell. Cells of the optional boolean column `previous` (suppressed in the release before) cost the share
    `PREVIOUS` of that. Raises EngineError for an unknown cost and for negative or non-finite costs.
    """
    cells, ids = table.cells, table.ids
    if not isinstance(cost, str):
        raise EngineError(f"cost: expected a name, got {type(cost).__name__}")
    if cost.startswith("column:"):
        out = table.column(cost.removeprefix("column:"))
    elif cost in COSTS:
        out = COSTS[cost](table)
    else:
        raise EngineError(f"cost: unknown {cost!r}; use one of {', '.join(COSTS)} or column:<name>")
    if "cost" in cells.column_names and cost != "column:cost":
        given = table.column("cost", 0.0, infinite=True)
        out = np.where(np.asarray(cells.column("cost").is_null()), out, given)
        if np.isinf(out).any():
            bad = ids[np.isinf(out)]
            raise EngineError(
                f"cells.cost: infinite; use `frozen` for cells that may not be suppressed (cells {named(bad)})",
                cells=bad,
            )
    if (out < 0).any():
        bad = ids[out < 0]
        raise EngineError(f"cells.cost: negative; costs are >= 0 (cells {named(bad)})", cells=bad)
    return np.where(arrow.flags(cells, "previous", "cells"), PREVIOUS * out, out)
