"""The engine as DuckDB SQL functions, registered on every connection of a dbt run (and by the tests).

- ``sdc_suppress(cells, relations, options)``, ``sdc_audit(cells, relations, options)`` and ``sdc_explain(cells,
  relations, options)``, the audit with explanations, take one whole system as lists of structs
  (``list(struct_pack(...))``) and return a list of structs, one per cell, to be unnested. ``options`` is a JSON object
  of keyword arguments for `sdc.engine`; its key ``where`` names model and measure in errors.
- ``sdc_round(cells, relations, options)`` and ``sdc_adjust(cells, relations, options)`` do the same for controlled
  rounding and controlled tabular adjustment.
- ``sdc_pseudonym(value)`` is a keyed pseudonym (HMAC-SHA-256), so that identifiers end in staging.
- ``sdc_promote(plan)`` promotes the working copy of the publication (see `sdc.publication`).

The cells' struct may carry ``name``, the cell in words (``area = TLC, size_band = 0-4``): engine errors name cells by
it, never by value.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from sdc import engine, publication
from sdc.once import once
from sdc.restricted import KEY_VARIABLE

CELLS = (
    "struct(cell_id bigint, name varchar, value double, status varchar, cost double, lower double, upper double, "
    "upl double, lpl double, spl double, frozen boolean, previous boolean, contributor bigint, contributors bigint, "
    'absolute double, largest struct(contributor varchar, amount double, waived boolean)[], "integer" boolean)[]'
)
VALUES = "struct(cell_id bigint, name varchar, value double)[]"
RELATIONS = "struct(relation_id bigint, cell_id bigint, coefficient double)[]"
SUPPRESSED = pa.struct([("cell_id", pa.int64()), ("status", pa.string()), ("reason", pa.string())])
AUDITED = pa.struct(
    [("cell_id", pa.int64()), ("lower", pa.float64()), ("upper", pa.float64()), ("verdict", pa.string())]
)
EXPLAINED = pa.struct(
    [
        *AUDITED,
        ("basis", pa.string()),
        ("protects", pa.list_(pa.int64())),
        ("relation_id", pa.int64()),
        ("margin", pa.float64()),
    ]
)
ROUNDED = pa.struct([("cell_id", pa.int64()), ("rounded", pa.float64())])
ADJUSTED = pa.struct([("cell_id", pa.int64()), ("adjusted", pa.float64())])

# Whom the build protects against beside the outsider: contributors, who know all the cells they make up alone, where
# the cells name them (holdings are these: the contributor of cells() is the unit that decides); and where there are
# rules, readers who add up suppressed cells. Suppression, gate and tests on marts ask for the same.
INSIDERS = ("contributors",)
READERS = ("unions",)
# Linear programs that the explanations of one system may take in a build: some seconds. Beyond it the relations tell.
PROGRAMS = 2_000

audit_once = once(engine.audit)


class RefusedSystem(ValueError):
    """A system the engine refuses, with model, measure and cells named."""


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Register the functions that need no key. Idempotent: dbt-duckdb may call it again on reconnecting."""
    _create(connection, "sdc_suppress", _suppress, [CELLS, RELATIONS, "varchar"], _sql_type(SUPPRESSED))
    _create(connection, "sdc_audit", _audit, [CELLS, RELATIONS, "varchar"], _sql_type(AUDITED))
    _create(connection, "sdc_explain", _explain, [CELLS, RELATIONS, "varchar"], _sql_type(EXPLAINED))
    _create(connection, "sdc_round", _round, [VALUES, RELATIONS, "varchar"], _sql_type(ROUNDED))
    _create(connection, "sdc_adjust", _adjust, [CELLS, RELATIONS, "varchar"], _sql_type(ADJUSTED))


def register_keyed(connection: duckdb.DuckDBPyConnection, key: str, places: publication.Places) -> None:
    """Register the functions that belong to one project: its pseudonym key and its publication."""

    def pseudonym(values: pa.ChunkedArray | pa.Array) -> pa.Array:
        return pseudonyms(values, key)

    def promote(plans: pa.ChunkedArray | pa.Array) -> pa.Array:
        return pa.array([_promote(connection, places, json.loads(p.as_py())) for p in plans])

    _create(connection, "sdc_pseudonym", pseudonym, ["varchar"], "varchar")
    _create(connection, "sdc_promote", promote, ["varchar"], "varchar", side_effects=True)


def _promote(connection: duckdb.DuckDBPyConnection, places: publication.Places, plan: dict) -> str:
    """What was done, or ``refused: `` and why: the macro raises it without DuckDB's and Python's frames around it."""
    try:
        return publication.promote(connection, places, plan)
    except publication.PromotionRefused as refusal:
        return f"refused: {refusal}"


def pseudonyms(values: pa.ChunkedArray | pa.Array, key: str) -> pa.Array:
    """Keyed pseudonyms (HMAC-SHA-256, first 128 bits in hexadecimal) of a string column; NULL stays NULL.

    The key is derived from the project's secret, so a pseudonym can neither be reversed nor recomputed without it,
    and two departments' pseudonyms of the same person differ. Raises ValueError without a key.
    """
    if not key:
        raise ValueError(f"sdc_pseudonym: {KEY_VARIABLE} is not set, and without a key there is no pseudonym")
    derived = hmac.digest(key.encode(), b"sdc pseudonym 1", "sha256")
    return pa.array(
        [None if v is None else hmac.digest(derived, v.encode(), "sha256")[:16].hex() for v in values.to_pylist()],
        pa.string(),
    )


def _suppress(cells: pa.Array, relations: pa.Array, options: pa.Array) -> pa.Array:
    return _each(_with_attackers(engine.suppress), cells, relations, options, SUPPRESSED)


def _audit(cells: pa.Array, relations: pa.Array, options: pa.Array) -> pa.Array:
    return _each(_with_attackers(audit_once), cells, relations, options, AUDITED)


def _explain(cells: pa.Array, relations: pa.Array, options: pa.Array) -> pa.Array:
    return _each(_audit_and_explain, cells, relations, options, EXPLAINED)


def _audit_and_explain(cells: pa.Table, relations: pa.Table, **keywords: object) -> pa.Table:
    audited = _with_attackers(audit_once)(cells, relations, **keywords)
    return engine.explain(cells, relations, audited, attackers=_attackers(cells), programs=PROGRAMS)


def _round(cells: pa.Array, relations: pa.Array, options: pa.Array) -> pa.Array:
    return _each(engine.round_controlled, cells, relations, options, ROUNDED)


def _adjust(cells: pa.Array, relations: pa.Array, options: pa.Array) -> pa.Array:
    return _each(engine.adjust, cells, relations, options, ADJUSTED)


def _with_attackers(method: Callable[..., pa.Table]) -> Callable[..., pa.Table]:
    """The call against the attackers of the build; `pinning` among the options is protect()'s."""

    def call(
        cells: pa.Table, relations: pa.Table, rules: Mapping[str, object] | None = None, **keywords: object
    ) -> pa.Table:
        attackers = _attackers(cells) + (READERS if rules else ())
        return method(cells, relations, attackers=attackers, rules=rules or None, **keywords)

    return call


def _attackers(cells: pa.Table) -> tuple[str, ...]:
    """`INSIDERS` where the cells name sole contributors, else the outsider."""
    return INSIDERS if "contributor" in cells.column_names else (engine.OUTSIDER,)


def _each(method: Callable[..., pa.Table], cells, relations, options, shape: pa.StructType) -> pa.Array:
    """Apply an engine call to each row (one system a row) and return a list of structs for each."""
    rows, lengths = [], [0]
    for system, links, how in zip(cells, relations, options, strict=True):
        keywords = json.loads(how.as_py() or "{}")
        where = keywords.pop("where", "sdc")
        table = _table(system.values)
        try:
            result = method(_drop_empty(table), _table(links.values), **keywords)
        except engine.EngineError as error:
            raise RefusedSystem(f"{where}: {_in_words(error, table)}") from None
        rows.append(
            pa.StructArray.from_arrays(
                [result.column(f.name).combine_chunks().cast(f.type) for f in shape], fields=list(shape)
            )
        )
        lengths.append(lengths[-1] + len(result))
    values = pa.concat_arrays(rows) if rows else pa.array([], shape)
    return pa.ListArray.from_arrays(pa.array(lengths, pa.int32()), values)


def _table(structs: pa.StructArray | None) -> pa.Table:
    if structs is None:
        return pa.table(
            {
                "relation_id": pa.array([], pa.int64()),
                "cell_id": pa.array([], pa.int64()),
                "coefficient": pa.array([], pa.float64()),
            }
        )
    return pa.table(dict(zip([f.name for f in structs.type], structs.flatten(), strict=True)))


def _drop_empty(cells: pa.Table) -> pa.Table:
    """Columns the SQL left NULL throughout mean the engine's defaults; names are ours, not the engine's."""
    keep = [c for c in cells.column_names if c != "name" and cells.column(c).null_count < len(cells)]
    return cells.select(keep)


def _in_words(error: engine.EngineError, cells: pa.Table, at_most: int = 5) -> str:
    """The engine's message with the names of its cells in place of their ids."""
    ids = list(getattr(error, "cells", ()))[:at_most]
    if not ids:
        return str(error)
    named = cells.filter(pc.is_in(cells.column("cell_id"), pa.array(ids, pa.int64())))
    words = dict(zip(named.column("cell_id").to_pylist(), named.column("name").to_pylist(), strict=True))
    return f"{error} [{'; '.join(f'cell {i}: {words.get(i)}' for i in ids)}]"


def _sql_type(shape: pa.StructType) -> str:
    names = {
        pa.int64(): "bigint",
        pa.string(): "varchar",
        pa.float64(): "double",
        pa.list_(pa.int64()): "bigint[]",
    }
    return "struct(" + ", ".join(f"{f.name} {names[f.type]}" for f in shape) + ")[]"


def _create(connection, name: str, function: Callable, arguments: list[str], returns: str, **options) -> None:
    known = connection.execute("select 1 from duckdb_functions() where function_name = ?", [name]).fetchone()
    if known is None:
        connection.create_function(name, function, arguments, returns, type="arrow", **options)
