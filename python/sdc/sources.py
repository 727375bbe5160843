"""Checked readers of the confidential inputs: a good file becomes a relation, any other file one clear error.

A dbt source that names the plugin ``sdc`` is read by :func:`load`.  Its ``config.meta`` says what and where::

    meta:
      plugin: sdc
      sdc_input: business_register     # one of INPUTS
      path: data/business_register.parquet

Files are Parquet or CSV (told apart by content, not by name).  Everything is checked before a row is handed
over: columns present, values of their type, nothing missing where a value is needed, no negative amounts, no
duplicate keys, at least one row.  What fails is reported in one :class:`SourceError` that names file, column
and row and **never a value**: neither the message nor the exceptions chained to it quote the data, because
dbt writes both to its logs.  Rows are numbered from 1 and do not count a CSV file's header.

Only the columns listed here are read; names, addresses and whatever else a file may hold never enter the
database. DuckDB does the work, in memory and without temporary files; 3 million rows take a few seconds.
"""

from __future__ import annotations

import csv
import datetime
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

SHOWN_PROBLEMS = 10
"""How many problems of one file an error lists."""


class SourceError(ValueError):
    """An input is missing or malformed.  The message names file, column and row, never a value."""


@dataclass(frozen=True)
class Column:
    """A column of an input.

    ``type`` is a DuckDB type.  ``required``: no row may lack a value.  ``minimum``: the smallest value
    allowed. ``pattern``: a regular expression that text must match as a whole, ``described`` in words.
    """

    name: str
    type: str = "VARCHAR"
    required: bool = False
    minimum: int | None = None
    pattern: str | None = None
    described: str = ""


@dataclass(frozen=True)
class Layout:
    """A way in which files carry the columns of an input.

    ``headers`` maps a column to its header in the file (default: the column's own name; ``None``: the layout
    lacks it and the column is empty).  ``recognised_by``: a header that only this layout has.  ``extract``
    maps a column to a SQL expression over ``{text}`` that takes the value out of the file's text.  ``dates``
    is the format of dates in text.
    """

    name: str
    recognised_by: str
    headers: Mapping[str, str | None] = field(default_factory=dict)
    extract: Mapping[str, str] = field(default_factory=dict)
    dates: str = "%Y-%m-%d"


@dataclass(frozen=True)
class GroupRule:
    """A rule on the rows that share ``columns``; ``violation`` is SQL over the group, true where broken."""

    columns: tuple[str, ...]
    violation: str
    column: str
    described: str


@dataclass(frozen=True)
class Input:
    """What an input must look like: columns, a key that no two rows share, rules on groups, known layouts."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    layouts: tuple[Layout, ...]
    group_rules: tuple[GroupRule, ...] = ()


_SIC_CLASS = {"pattern": "[0-9]{4}", "described": "four digits of a SIC 2007 class"}

BUSINESS_REGISTER = Input(
    name="business_register",
    columns=(
        Column("period", required=True),
        Column("local_unit_reference", required=True),
        Column("enterprise_reference", required=True),
        Column("enterprise_group_reference", required=True),
        Column("sic2007_class", required=True, **_SIC_CLASS),
        Column("enterprise_sic2007_class", required=True, **_SIC_CLASS),
        Column("itl3_code", required=True),
        Column("is_headquarters", "BOOLEAN", required=True),
        Column("employment", "INTEGER", required=True, minimum=0),
        Column("turnover", "DECIMAL(15, 2)", required=True, minimum=0),
    ),
    key=("period", "local_unit_reference"),
    layouts=(Layout("business register", recognised_by="local_unit_reference"),),
    group_rules=(
        GroupRule(
            ("period", "enterprise_reference"),
            "count(*) filter (where is_headquarters) <> 1",
            "is_headquarters",
            "an enterprise must have exactly one headquarters in a period",
        ),
        GroupRule(
            ("period", "enterprise_reference"),
            "min(enterprise_group_reference) <> max(enterprise_group_reference)",
            "enterprise_group_reference",
            "an enterprise must belong to one group in a period",
        ),
        GroupRule(
            ("period", "enterprise_reference"),
            "min(enterprise_sic2007_class) <> max(enterprise_sic2007_class)",
            "enterprise_sic2007_class",
            "an enterprise must have one class in a period",
        ),
    ),
)

_SIC_COLUMNS = ("sic5_1", "sic5_2", "sic5_3", "sic5_4")

COMPANY_REGISTER = Input(
    name="company_register",
    columns=(
        Column("company_number", required=True),
        Column("postcode"),
        Column("category"),
        Column("status"),
        Column("incorporation_date", "DATE"),
        Column("lad_code"),
        *(Column(name) for name in _SIC_COLUMNS),
    ),
    key=("company_number",),
    layouts=(
        Layout("company extract", recognised_by="company_number"),
        Layout(
            "free company data product",
            recognised_by="CompanyNumber",
            headers={
                "company_number": "CompanyNumber",
                "postcode": "RegAddress.PostCode",
                "category": "CompanyCategory",
                "status": "CompanyStatus",
                "incorporation_date": "IncorporationDate",
                "lad_code": None,
                **{name: f"SICCode.SicText_{name[-1]}" for name in _SIC_COLUMNS},
            },
            # "62012 - Business and domestic software development"; "None Supplied" has no digits.
            extract={name: "nullif(regexp_extract({text}, '^[0-9]+'), '')" for name in _SIC_COLUMNS},
            dates="%d/%m/%Y",
        ),
    ),
)


def _code(name: str, codes: str, described: str) -> Column:
    return Column(name, required=True, pattern=codes, described=f"{described} of the census codebook")


_CODE, _CODE_OR_NONE = "a code", "a code, or -9,"

CENSUS_TEACHING = Input(
    name="census_teaching",
    columns=(
        Column("person_id", required=True),
        _code("region", "E1200000[1-9]|W92000004", _CODE),
        _code("population_base", "[1-3]", _CODE),
        _code("sex", "[12]", _CODE),
        _code("age", "[1-8]", _CODE),
        _code("health", "-9|[1-5]", _CODE_OR_NONE),
        _code("ethnic_group", "-9|[1-5]", _CODE_OR_NONE),
        _code("religion", "-9|[1-9]", _CODE_OR_NONE),
        _code("occupation", "-9|[1-9]", _CODE_OR_NONE),
    ),
    key=("person_id",),
    layouts=(Layout("census microdata teaching file", recognised_by="person_id"),),
)

TECHNOLOGY_SURVEY = Input(
    name="technology_survey",
    columns=(
        Column("period", required=True),
        Column("enterprise_reference", required=True),
        Column("enterprise_group_reference", required=True),
        Column("sic2007_class", required=True, **_SIC_CLASS),
        Column("itl3_code", required=True),
        Column("employment", "INTEGER", required=True, minimum=0),
        Column("weight", "DECIMAL(18, 6)", required=True, minimum=0),
        Column("uses_artificial_intelligence", "BOOLEAN"),
        Column("uses_cloud_computing", "BOOLEAN"),
        Column("uses_data_analytics", "BOOLEAN"),
        Column("uses_internet_of_things", "BOOLEAN"),
        Column("uses_robotics", "BOOLEAN"),
    ),
    key=("period", "enterprise_reference"),
    layouts=(Layout("technology survey", recognised_by="uses_artificial_intelligence"),),
)

INPUTS: dict[str, Input] = {
    each.name: each for each in (BUSINESS_REGISTER, COMPANY_REGISTER, CENSUS_TEACHING, TECHNOLOGY_SURVEY)
}
"""The inputs of the project by name.  A new input is one more entry."""


def load(source_config: Any) -> pa.RecordBatchReader:
    """Read the file of a dbt source (the ``load`` of a dbt-duckdb plugin); see the module for its ``meta``.

    Returns the checked rows as a stream, see :func:`read`.  Raises :class:`SourceError`.
    """
    return read(source_config.get("path"), _input(source_config))


def empty(source_config: Any) -> pa.Table:
    """A table without rows and with the columns that :func:`load` gives: for compiling and linting without
    data."""
    columns = [f"cast(null as {column.type}) as {column.name}" for column in _input(source_config).columns]
    with _connect() as connection:
        query = f"select {', '.join(columns)}, cast(null as timestamp) as loaded_at limit 0"
        return connection.execute(query).to_arrow_table()


def _input(source_config: Any) -> Input:
    name = source_config.get("sdc_input")
    if name not in INPUTS:
        raise SourceError(
            f"source {source_config.identifier}: meta.sdc_input must be one of {', '.join(sorted(INPUTS))}, got {name}"
        )
    return INPUTS[name]


def read(path: str | os.PathLike[str] | None, wanted: Input) -> pa.RecordBatchReader:
    """Check the file at ``path`` and return its rows as a stream of the columns of ``wanted`` plus
    ``loaded_at``.

    ``loaded_at`` is the file's time of modification (UTC), for dbt's source freshness.  Relative paths start
    at the working directory.  Raises :class:`SourceError` when the file is missing, empty, not readable or
    breaks a rule of ``wanted``.
    """
    if not path:
        raise SourceError(f"{wanted.name}: no path is given; set meta.path of the source (see its variable)")
    file = Path(path)
    _check_file(file, wanted)
    try:
        return _checked(_connect(), file, wanted)
    except duckdb.Error as error:
        problem = _explain(file, wanted, error)
    # Raised outside the handler, so that DuckDB's message, which quotes the data, is not chained to it.
    raise SourceError(problem)


def _checked(connection: duckdb.DuckDBPyConnection, file: Path, wanted: Input) -> pa.RecordBatchReader:
    modified = datetime.datetime.fromtimestamp(file.stat().st_mtime, datetime.UTC)
    scan = _parquet_scan(connection, file, wanted) if _is_parquet(file) else _csv_scan(file, wanted)
    # One pass over the file; the table keeps the file's order, so `rowid` counts its rows.
    connection.execute(f"create temp table checked as {scan}")
    _check_rows(connection, file, wanted)
    names = ", ".join(column.name for column in wanted.columns)
    return connection.execute(
        f"select {names}, timestamp '{modified:%Y-%m-%d %H:%M:%S}' as loaded_at from checked"
    ).to_arrow_reader()


def _connect() -> duckdb.DuckDBPyConnection:
    # No temporary directory: confidential rows must not be spilled to disk unencrypted.
    return duckdb.connect(":memory:", config={"temp_directory": "", "autoinstall_known_extensions": "false"})


def _error(file: Path, wanted: Input, problem: str) -> SourceError:
    return SourceError(f"{wanted.name}: {file}: {problem} Nothing was loaded.")


def _check_file(file: Path, wanted: Input) -> None:
    if not file.exists():
        raise _error(file, wanted, f"there is no such file (looked for {file.absolute()}).")
    if not file.is_file():
        raise _error(file, wanted, "this is not a file; give the path of one Parquet or CSV file.")
    if not os.access(file, os.R_OK):
        raise _error(file, wanted, "the file may not be read by this user.")
    with file.open("rb") as stream:
        start = stream.read(4)
    if not start:
        raise _error(file, wanted, "the file is empty.")
    if start.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        raise _error(file, wanted, "the file is compressed; unpack it and give the path of the Parquet or CSV file.")


def _is_parquet(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(4) == b"PAR1"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _parquet_scan(connection: duckdb.DuckDBPyConnection, file: Path, wanted: Input) -> str:
    described = connection.execute(f"describe select * from read_parquet({_literal(str(file))})").fetchall()
    headers = {row[0].strip(): (_identifier(row[0]), row[1]) for row in described}
    return _typed_scan(file, wanted, headers, f"read_parquet({_literal(str(file))})")


def _csv_scan(file: Path, wanted: Input) -> str:
    header, delimiter = _csv_header(file, wanted)
    # A header that stands twice only matters where the input wants it: which one is meant would be a guess.
    headers = {name: (f"c{position}", "VARCHAR") for position, name in enumerate(header)}
    repeated = [name for name in _headers(wanted) if header.count(name) > 1]
    if repeated:
        raise _error(file, wanted, f"the header names {_listed('column', repeated)} more than once.")
    columns = ", ".join(f"'c{position}': 'VARCHAR'" for position in range(len(header)))
    table = (
        f"read_csv({_literal(str(file))}, header = true, auto_detect = false, columns = {{{columns}}}, "
        f"delim = {_literal(delimiter)}, quote = '\"', escape = '\"', nullstr = '')"
    )
    return _typed_scan(file, wanted, headers, table)


def _csv_header(file: Path, wanted: Input) -> tuple[list[str], str]:
    """The header's names without surrounding blanks, and the delimiter (comma, semicolon, tab or bar)."""
    with file.open("rb") as stream:
        first = stream.readline(1_000_000)
    try:
        text = first.decode("utf-8-sig")
        delimiter = max(",;\t|", key=text.count)
        names = next(csv.reader([text], delimiter=delimiter))
    except (UnicodeDecodeError, StopIteration, csv.Error):
        names = []
    if not names:
        raise _error(file, wanted, "the first line is not the header of a CSV file in UTF-8.")
    return [name.strip() for name in names], delimiter


def _headers(wanted: Input) -> list[str]:
    """The headers by which any layout of ``wanted`` knows a column."""
    carried = [layout.headers.get(column.name, column.name) for layout in wanted.layouts for column in wanted.columns]
    return list(dict.fromkeys(header for header in carried if header is not None))


def _listed(thing: str, names: list[str]) -> str:
    return f"{thing}{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _typed_scan(file: Path, wanted: Input, headers: Mapping[str, tuple[str, str]], table: str) -> str:
    """SQL that reads ``table``: each column in its type, and as ``bad_<column>`` if the file has another.

    ``headers`` maps the file's headers to the identifier and type of the column in ``table``.
    """
    layout = next((each for each in wanted.layouts if each.recognised_by in headers), wanted.layouts[0])
    carried = {column.name: layout.headers.get(column.name, column.name) for column in wanted.columns}
    missing = [header for header in carried.values() if header is not None and header not in headers]
    if missing:
        # The file's own headers are not quoted: without a header line they would be data.
        raise _error(file, wanted, f"{_listed('column', missing)} not found in the header ({layout.name}).")
    expressions = []
    for column in wanted.columns:
        header = carried[column.name]
        if header is None:
            expressions += [f"cast(null as {column.type}) as {column.name}", f"false as bad_{column.name}"]
            continue
        identifier, stored_type = headers[header]
        value, present = _value(column, layout, identifier, stored_type)
        bad = f"({present}) is not null and ({value}) is null"
        expressions += [f"{value} as {column.name}", f"{bad} as bad_{column.name}"]
    return f"select {', '.join(expressions)} from {table}"


def _value(column: Column, layout: Layout, identifier: str, stored_type: str) -> tuple[str, str]:
    """SQL of a column's value in its type (NULL where it is of another) and of what the file has there."""
    if column.type == "INTEGER" and stored_type in _WHOLE_NUMBERS:
        return f"try_cast({identifier} as integer)", identifier
    if column.type == "DATE" and (stored_type == "DATE" or stored_type.startswith("TIMESTAMP")):
        return f"try_cast({identifier} as date)", identifier
    if column.type == stored_type == "BOOLEAN":
        return identifier, identifier
    if column.type.startswith("DECIMAL") and stored_type != "VARCHAR":
        return f"try_cast({identifier} as {column.type})", identifier
    text = f"nullif(trim(cast({identifier} as varchar)), '')"
    if column.type == "VARCHAR":
        value = layout.extract.get(column.name, "{text}").replace("{text}", text)
        return value, value
    if column.type == "INTEGER":
        # A cast alone would round 3.7 to 4.
        whole = f"regexp_full_match({text}, '[+-]?[0-9]+([.]0+)?')"
        return f"case when {whole} then try_cast({text} as integer) end", text
    if column.type == "DATE":
        return f"cast(try_strptime({text}, {_literal(layout.dates)}) as date)", text
    return f"try_cast({text} as {column.type})", text


_WHOLE_NUMBERS = {f"{sign}{size}" for sign in ("", "U") for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")}
_TYPE_IN_WORDS = {"INTEGER": "a whole number", "BOOLEAN": "true or false", "DATE": "a date"}


def _column_rules(wanted: Input) -> list[tuple[str, str, str]]:
    """Column, SQL condition of a bad row, and the problem in words."""
    rules = []
    for column in wanted.columns:
        name, bad = column.name, f"bad_{column.name}"
        rules.append((name, bad, f"is not {_TYPE_IN_WORDS.get(column.type, f'a number ({column.type})')}"))
        if column.required:
            rules.append((name, f"{name} is null and not {bad}", "has no value"))
        if column.minimum is not None:
            rules.append((name, f"{name} < {column.minimum}", f"is less than {column.minimum}"))
        if column.type == "DATE":
            rules.append((name, f"{name} > current_date", "is in the future"))
        if column.pattern is not None:
            matches = f"regexp_full_match({name}, {_literal(column.pattern)})"
            rules.append((name, f"not {matches}", f"is not {column.described}"))
    return rules


def _check_rows(connection: duckdb.DuckDBPyConnection, file: Path, wanted: Input) -> None:
    """Check the table ``checked``; raise one error that lists the problems in order of their first rows."""
    rules = _column_rules(wanted)
    measures = ["count(*)"]
    for _, condition, _ in rules:
        measures += [f"count(*) filter (where {condition})", f"min(rowid + 1) filter (where {condition})"]
    rows, *found = connection.execute(f"select {', '.join(measures)} from checked").fetchone()
    if rows == 0:
        raise _error(file, wanted, "the file has no rows.")
    problems = [
        (first, f"column {column}, row {first} {problem}{_others(number, 'rows')}")
        for (column, _, problem), number, first in zip(rules, found[::2], found[1::2], strict=True)
        if number
    ]
    problems = problems or _duplicates(connection, wanted) or _broken_groups(connection, wanted)
    if problems:
        raise SourceError(_listing(file, wanted, [text for _, text in sorted(problems)]))


def _others(number: int, things: str) -> str:
    return f" ({number:,} such {things})" if number > 1 else ""


def _listing(file: Path, wanted: Input, problems: list[str]) -> str:
    shown = "; ".join(problems[:SHOWN_PROBLEMS])
    more = f"; and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
    return f"{wanted.name}: {file}: {shown}{more}. Rows count from 1 below the header. Nothing was loaded."


def _duplicates(connection: duckdb.DuckDBPyConnection, wanted: Input) -> list[tuple[int, str]]:
    number, first, last = connection.execute(
        f"""
        select count(*), min(first_row), arg_min(last_row, first_row)
        from (
            select min(rowid + 1) as first_row, max(rowid + 1) as last_row
            from checked group by {", ".join(wanted.key)} having count(*) > 1
        )
        """
    ).fetchone()
    if not number:
        return []
    columns = _listed("column", list(wanted.key))
    return [(first, f"{columns}, rows {first} and {last} have the same key{_others(number, 'keys')}")]


def _broken_groups(connection: duckdb.DuckDBPyConnection, wanted: Input) -> list[tuple[int, str]]:
    problems = []
    for columns in sorted({rule.columns for rule in wanted.group_rules}):
        rules = [rule for rule in wanted.group_rules if rule.columns == columns]
        flags = ", ".join(f"{rule.violation} as broken_{position}" for position, rule in enumerate(rules))
        measures = ", ".join(
            f"count(*) filter (where broken_{position}), min(first_row) filter (where broken_{position})"
            for position in range(len(rules))
        )
        grouped = f"select min(rowid + 1) as first_row, {flags} from checked group by {', '.join(columns)}"
        found = connection.execute(f"select {measures} from ({grouped})").fetchone()
        for rule, number, first in zip(rules, found[::2], found[1::2], strict=True):
            if number:
                text = f"column {rule.column}, row {first}: {rule.described}{_others(number, 'groups')}"
                problems.append((first, text))
    return problems


def _explain(file: Path, wanted: Input, error: duckdb.Error) -> str:
    """DuckDB's reason without the data that its messages quote."""
    message = str(error)
    line = re.search(r"\bLine: (\d+)", message)
    place = f"line {line[1]}" if line else "the file"
    if columns := re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", message):
        problem = f"{place} has {columns[2]} columns where the header has {columns[1]}."
    elif "utf-8" in message.lower() or "unicode" in message.lower():
        problem = f"{place} is not in UTF-8."
    elif "quote" in message.lower():
        problem = f"{place} has a quotation mark that is not closed, or text after one."
    elif isinstance(error, duckdb.OutOfMemoryException):
        problem = "there is not enough memory to check the file."
    else:
        problem = f"{place} cannot be read as {'Parquet' if _is_parquet(file) else 'CSV'} ({type(error).__name__})."
    return str(_error(file, wanted, problem))
