"""What it costs to suppress a cell: the quantity complementary suppression keeps small.

The functions are those of the usual tools (Handbook on Statistical Disclosure Control, 2nd ed., ch. 4):
suppressed value, suppressed contributors, number of suppressed cells, and compromises between them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from sdc.engine import arrow
from sdc.engine.errors import EngineError, named

POWER = 0.5


def _value(cells: pa.Table, value: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Absolute cell value: totals last."""
    return np.abs(value)


def _count(cells: pa.Table, value: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Column `count` (contributors of the cell); unity where the table has none."""
    return arrow.numbers(cells, "count", "cells", ids=ids, default=1.0)


def _unity(cells: pa.Table, value: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """One per cell: fewest suppressed cells."""
    return np.ones(len(value))


def _log(cells: pa.Table, value: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """log(1 + |value|): between number and value."""
    return np.log1p(np.abs(value))


def _power(cells: pa.Table, value: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Square root of |value|: between number and value."""
    return np.abs(value) ** POWER


COSTS: dict[str, Callable[[pa.Table, np.ndarray, np.ndarray], np.ndarray]] = {
    "value": _value,
    "count": _count,
    "unity": _unity,
    "log": _log,
    "power": _power,
}


def evaluate(cost: str, cells: pa.Table, value: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Cost of suppressing each cell, float64[n] in the row order of `cells`, all finite and >= 0.

    `cost` is one of `COSTS` or `column:<name>`. A non-NULL entry of an optional column `cost` overrides it for
    its cell. Raises EngineError for an unknown cost and for negative or non-finite costs.
    """
    if not isinstance(cost, str):
        raise EngineError(f"cost: expected a name, got {type(cost).__name__}")
    if cost.startswith("column:"):
        out = arrow.numbers(cells, cost.removeprefix("column:"), "cells", ids=ids)
    elif cost in COSTS:
        out = COSTS[cost](cells, value, ids)
    else:
        raise EngineError(f"cost: unknown {cost!r}; use one of {', '.join(COSTS)} or column:<name>")
    if "cost" in cells.column_names and cost != "column:cost":
        given = arrow.numbers(cells, "cost", "cells", ids=ids, default=0.0, infinite=True)
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
    return out
