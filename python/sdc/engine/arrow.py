"""Columns of an Arrow table as NumPy arrays, refusing what cannot be read without a guess."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sdc.engine.errors import EngineError, named


def require_columns(table: pa.Table, names: tuple[str, ...], what: str) -> None:
    """Raise unless `table` is an Arrow table with every column of `names` exactly once."""
    if not isinstance(table, pa.Table):
        raise EngineError(f"{what}: expected a pyarrow.Table, got {type(table).__name__}")
    present = table.column_names
    missing = [name for name in names if name not in present]
    if missing:
        raise EngineError(
            f"{what}: missing column {', '.join(missing)}; the table has {', '.join(present) or 'no columns'}"
        )
    twice = sorted({name for name in present if present.count(name) > 1})
    if twice:
        raise EngineError(f"{what}: column {', '.join(twice)} appears more than once")


def _ids_where(mask: np.ndarray, ids: np.ndarray | None) -> list[int]:
    return [] if ids is None else ids[mask].tolist()


def _refuse(what: str, name: str, problem: str, mask: np.ndarray, ids: np.ndarray | None) -> None:
    """Raise for the rows in `mask`; `ids` are the cell ids of the rows, None where rows are not cells."""
    cells = _ids_where(mask, ids)
    where = f"cells {named(cells)}" if cells else f"{int(mask.sum())} rows"
    raise EngineError(f"{what}.{name}: {problem} ({where})", cells=cells)


def integers(table: pa.Table, name: str, what: str) -> np.ndarray:
    """Required int64 column without NULLs."""
    column = table.column(name)
    if not pa.types.is_integer(column.type):
        raise EngineError(f"{what}.{name}: expected integers (int64), got {column.type}")
    if column.null_count:
        raise EngineError(f"{what}.{name}: {column.null_count} NULLs; every row needs an id")
    try:
        return pc.cast(column, pa.int64()).to_numpy()
    except pa.ArrowInvalid as error:
        raise EngineError(f"{what}.{name}: ids do not fit int64") from error


def numbers(
    table: pa.Table,
    name: str,
    what: str,
    *,
    ids: np.ndarray | None,
    default: float | None = None,
    infinite: bool = False,
    nan: bool = False,
) -> np.ndarray:
    """Numeric column as float64.

    A missing column or NULL takes `default`; with `default=None` both are refused. NaN is refused unless `nan` (then
    NULL comes as NaN too), an infinity unless `infinite`.
    """
    if name not in table.column_names:
        if default is None:
            raise EngineError(f"{what}: missing column {name}")
        return np.full(table.num_rows, default)
    column = table.column(name)
    kind = column.type
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if not numeric and not (pa.types.is_null(kind) and default is not None):
        raise EngineError(f"{what}.{name}: expected numbers (float64), got {kind}")
    if column.null_count:
        if default is None and not nan:
            mask = pc.is_null(column).to_numpy()
            _refuse(what, name, "NULL; every row needs a number", mask, ids)
        if pa.types.is_null(kind):
            return np.full(table.num_rows, default)
    array = np.array(pc.cast(column, pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    if column.null_count and default is not None:
        array[pc.is_null(column).to_numpy()] = default
    if not nan and np.isnan(array).any():
        _refuse(what, name, "NaN; give a number", np.isnan(array), ids)
    if not infinite and np.isinf(array).any():
        _refuse(what, name, "infinite; give a finite number", np.isinf(array), ids)
    return array


def flags(table: pa.Table, name: str, what: str) -> np.ndarray:
    """Optional boolean column; missing and NULL are False."""
    if name not in table.column_names:
        return np.zeros(table.num_rows, dtype=bool)
    column = table.column(name)
    if pa.types.is_null(column.type):
        return np.zeros(table.num_rows, dtype=bool)
    if not pa.types.is_boolean(column.type):
        raise EngineError(f"{what}.{name}: expected booleans, got {column.type}")
    return np.array(pc.fill_null(column, False).to_numpy(), dtype=bool)


def codes(table: pa.Table, name: str) -> np.ndarray:
    """Dense codes 0, 1, ... of an optional column's values in ascending order; missing and NULL are -1."""
    out = np.full(table.num_rows, -1, dtype=np.int64)
    if name not in table.column_names or pa.types.is_null(table.column(name).type):
        return out
    column = table.column(name).combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    known = pc.is_valid(column).to_numpy(zero_copy_only=False)
    if known.any():
        values = column.filter(pc.is_valid(column)).to_numpy(zero_copy_only=False)
        out[known] = np.unique(values, return_inverse=True)[1]
    return out


def texts(table: pa.Table, name: str, what: str) -> np.ndarray:
    """Required column of strings as an object array, NULL as None."""
    column = table.column(name)
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise EngineError(f"{what}.{name}: expected strings, got {column.type}")
    return pc.cast(column, pa.string()).to_numpy()
