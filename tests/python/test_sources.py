"""The checked readers: both formats and layouts, and one clear message, without any value, if one is bad."""

from __future__ import annotations

import csv
import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sdc import sources
from sdc.demo import companies, register, technology_survey
from sdc.demo.files import write_table

SECRET = "SECRET FIRM LTD"
REAL_COMPANIES = Path(__file__).parents[3] / "shared/data/uk_companies_south_yorkshire/companies.parquet"

REGISTER = sources.BUSINESS_REGISTER
COMPANIES = sources.COMPANY_REGISTER


@dataclass
class SourceConfig:
    """What dbt-duckdb hands to a plugin, as far as the readers use it."""

    identifier: str = "local_units"
    meta: dict[str, Any] = field(default_factory=dict)

    def get(self, key: str, default: Any = None) -> Any:
        return self.meta.get(key, default)


@pytest.fixture(scope="module")
def local_units() -> pa.Table:
    return register.generate(300, seed=1)


@pytest.fixture(scope="module")
def lines(local_units: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """The register as CSV records, header first."""
    path = tmp_path_factory.mktemp("register") / "register.csv"
    write_table(local_units, path)
    with path.open(newline="") as stream:
        return list(csv.reader(stream))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write_csv(records: list[list[str]], name: str = "register.csv", **dialect: Any) -> Path:
        path = tmp_path / name
        with path.open("w", newline="", encoding=dialect.pop("encoding", "utf-8")) as stream:
            csv.writer(stream, **dialect).writerows(records)
        return path

    return write_csv


def changed(lines: list[list[str]], column: str, row: int, value: str) -> list[list[str]]:
    """``lines`` with one value replaced; rows count from 1 below the header."""
    copy = [list(line) for line in lines]
    copy[row][copy[0].index(column)] = value
    return copy


def refusal(path: Path | str | None, wanted: sources.Input) -> str:
    """The message of the one error that reading ``path`` raises, once nothing of the data was found in it."""
    with pytest.raises(sources.SourceError) as refused:
        sources.read(path, wanted)
    everything = "".join(traceback.format_exception(refused.value, chain=True))
    assert refused.value.__context__ is None
    assert SECRET not in everything
    message = str(refused.value)
    assert message.startswith(f"{wanted.name}: ")
    assert "\n" not in message
    return message


# --- what is read


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_parquet_and_csv_give_the_same_typed_rows(local_units: pa.Table, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"register.{suffix}"
    write_table(local_units, path)
    table = sources.read(path, REGISTER).read_all()
    names = [column.name for column in REGISTER.columns]
    assert table.column_names == [*names, "loaded_at"]
    assert table.select(names).to_pylist() == local_units.select(names).to_pylist()
    assert table.schema.field("turnover").type == pa.decimal128(15, 2)


def test_the_format_is_told_by_content_and_odd_names_are_fine(local_units: pa.Table, tmp_path: Path) -> None:
    for suffix, name in (("parquet", "it's [1].csv"), ("csv", "register *.parquet")):
        path = tmp_path / f"register.{suffix}"
        write_table(local_units, path)
        renamed = path.rename(tmp_path / name)
        assert sources.read(renamed, REGISTER).read_all().num_rows == 300


@pytest.mark.parametrize(
    "dialect",
    [
        {"delimiter": ";"},
        {"delimiter": "\t"},
        {"lineterminator": "\n"},
        {"quoting": csv.QUOTE_ALL},
        {"encoding": "utf-8-sig"},
    ],
)
def test_csv_dialects(lines: list[list[str]], write: Callable[..., Path], dialect: dict) -> None:
    assert sources.read(write(lines, **dialect), REGISTER).read_all().num_rows == 300


def test_only_known_columns_are_read_in_whatever_order(lines: list[list[str]], write: Callable[..., Path]) -> None:
    reordered = [line[::-1] + [SECRET] for line in lines]
    table = sources.read(write(reordered), REGISTER).read_all()
    assert table.column_names == [*(column.name for column in REGISTER.columns), "loaded_at"]
    assert "local_unit_name" not in table.column_names


def test_loaded_at_is_when_the_file_was_modified(lines: list[list[str]], write: Callable[..., Path]) -> None:
    path = write(lines)
    moment = datetime(2024, 11, 5, 12, 30, tzinfo=UTC)
    os.utime(path, (moment.timestamp(), moment.timestamp()))
    loaded_at = sources.read(path, REGISTER).read_all()["loaded_at"].unique().to_pylist()
    assert loaded_at == [moment.replace(tzinfo=None)]


def test_free_company_data_product_is_read_as_downloaded(write: Callable[..., Path]) -> None:
    header = [
        "CompanyName", " CompanyNumber", "RegAddress.CareOf", "RegAddress.PostCode", "CompanyCategory",
        "CompanyStatus", "IncorporationDate", "SICCode.SicText_1", "SICCode.SicText_2", "SICCode.SicText_3",
        "SICCode.SicText_4", "URI", " ConfStmtLastMadeUpDate",
    ]  # fmt: skip
    record = [
        SECRET, "01234567", "", "S1 2BJ", "Private Limited Company", "Active", "05/11/2019",
        "62012 - Business and domestic software development",
        "1110 - Growing of cereals", "", "", "http://", "",
    ]  # fmt: skip
    without = [
        SECRET,
        "SC000001",
        "",
        "",
        "Other company type",
        "Active",
        "",
        "None Supplied",
        "",
        "",
        "",
        "",
        "",
    ]
    path = write([header, record, without], quoting=csv.QUOTE_ALL)
    first, second = sources.read(path, COMPANIES).read_all().drop_columns(["loaded_at"]).to_pylist()
    assert first == {
        "company_number": "01234567",
        "postcode": "S1 2BJ",
        "category": "Private Limited Company",
        "status": "Active",
        "incorporation_date": date(2019, 11, 5),
        "lad_code": None,
        "sic5_1": "62012",
        "sic5_2": "1110",
        "sic5_3": None,
        "sic5_4": None,
    }
    assert second["sic5_1"] is None
    assert second["incorporation_date"] is None
    assert second["postcode"] is None


def test_real_company_extract_is_read_whole() -> None:
    if not REAL_COMPANIES.exists() and os.environ.get("CI") != "true":
        pytest.skip(f"{REAL_COMPANIES} is not here")
    assert sources.read(REAL_COMPANIES, COMPANIES).read_all().num_rows == 75_740


def test_load_takes_input_and_path_from_the_source(lines: list[list[str]], write: Callable[..., Path]) -> None:
    config = SourceConfig(meta={"sdc_input": "business_register", "path": str(write(lines))})
    with duckdb.connect() as connection:
        connection.register("loaded", sources.load(config))
        assert connection.execute("select count(*) from loaded").fetchone() == (300,)
    assert sources.empty(config).schema == sources.load(config).schema
    assert sources.empty(config).num_rows == 0
    with pytest.raises(sources.SourceError, match=r"local_units: meta\.sdc_input must be one of .* got turnover"):
        sources.load(SourceConfig(meta={"sdc_input": "turnover"}))


# --- what is refused


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("employment", SECRET, "is not a whole number"),
        ("employment", "3.7", "is not a whole number"),
        ("employment", "99999999999", "is not a whole number"),
        ("employment", "-1", "is less than 0"),
        ("employment", "", "has no value"),
        ("turnover", SECRET, "is not a number (DECIMAL(15, 2))"),
        ("turnover", "nan", "is not a number (DECIMAL(15, 2))"),
        ("turnover", "-0.01", "is less than 0"),
        ("is_headquarters", SECRET, "is not true or false"),
        ("sic2007_class", SECRET, "is not four digits of a SIC 2007 class"),
        ("enterprise_sic2007_class", "62.01", "is not four digits of a SIC 2007 class"),
        ("local_unit_reference", "  ", "has no value"),
        ("enterprise_group_reference", "", "has no value"),
    ],
)
def test_bad_value_is_located(
    lines: list[list[str]], write: Callable[..., Path], column: str, value: str, problem: str
) -> None:
    path = write(changed(lines, column, 7, value))
    assert f"{path}: column {column}, row 7 {problem}. " in refusal(path, REGISTER)


def test_all_problems_are_listed_first_row_first(lines: list[list[str]], write: Callable[..., Path]) -> None:
    bad = changed(changed(changed(lines, "employment", 9, "x"), "employment", 12, "y"), "turnover", 4, "-1")
    message = refusal(write(bad), REGISTER)
    assert (
        "column turnover, row 4 is less than 0; column employment, row 9 is not a whole number (2 such rows)" in message
    )


@pytest.mark.parametrize(
    "values",
    [[1.5] * 300, [float("nan")] * 300, ["x"] * 300, [[1]] * 300, [2**40] * 300],
    ids=["fraction", "nan", "text", "list", "too large"],
)
def test_parquet_values_of_another_type_are_located(local_units: pa.Table, tmp_path: Path, values: list) -> None:
    position = local_units.column_names.index("employment")
    path = tmp_path / "register.parquet"
    pq.write_table(local_units.set_column(position, "employment", pa.array(values)), path)
    assert "column employment, row 1 is not a whole number (300 such rows)" in refusal(path, REGISTER)


def test_duplicate_key_is_located(lines: list[list[str]], write: Callable[..., Path]) -> None:
    path = write([*lines[:20], lines[3], *lines[20:]])
    assert "columns period, local_unit_reference, rows 3 and 20 have the same key" in refusal(path, REGISTER)


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("is_headquarters", "false", "an enterprise must have exactly one headquarters in a period"),
        ("enterprise_group_reference", "EG99999999", "an enterprise must belong to one group in a period"),
        ("enterprise_sic2007_class", "6201", "an enterprise must have one class in a period"),
    ],
)
def test_inconsistent_enterprise_is_located(
    lines: list[list[str]], write: Callable[..., Path], column: str, value: str, problem: str
) -> None:
    owner = lines[0].index("enterprise_reference")
    headquarters = lines[0].index("is_headquarters")
    owners = [line[owner] for line in lines]
    row = next(row for row in range(1, 301) if owners.count(owners[row]) > 1 and lines[row][headquarters] == "true")
    first = owners.index(owners[row])
    path = write(changed(lines, column, row, value))
    assert f"column {column}, row {first}: {problem}" in refusal(path, REGISTER)


def test_missing_column_is_named_and_the_header_is_not_quoted(
    lines: list[list[str]], write: Callable[..., Path]
) -> None:
    position = lines[0].index("turnover")
    path = write([[*line[:position], *line[position + 1 :], SECRET] for line in lines])
    assert "column turnover not found in the header" in refusal(path, REGISTER)
    headless = write([[SECRET] * 12, *lines[1:]])
    assert "columns period, local_unit_reference, " in refusal(headless, REGISTER)


def test_repeated_header_is_named(lines: list[list[str]], write: Callable[..., Path]) -> None:
    path = write([[*line, line[lines[0].index("employment")]] for line in lines])
    assert "the header names column employment more than once" in refusal(path, REGISTER)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda line: line.rsplit(",", 1)[0], "line 6 has 11 columns where the header has 12"),
        (lambda line: line + f",{SECRET}", "line 6 has 13 columns where the header has 12"),
        (
            lambda line: f'"{SECRET}"x' + line,
            "line 6 has a quotation mark that is not closed, or text after one",
        ),
        (lambda line: line.replace("LU", "L\xdc"), "line 6 is not in UTF-8"),
    ],
    ids=["short", "long", "quote", "encoding"],
)
def test_malformed_line_is_located(
    lines: list[list[str]], tmp_path: Path, spoil: Callable[[str], str], problem: str
) -> None:
    text = [",".join(line) for line in lines]
    text[5] = spoil(text[5])
    path = tmp_path / "register.csv"
    path.write_text("\n".join(text), encoding="latin-1")
    assert problem in refusal(path, REGISTER)


def test_files_that_are_no_input(tmp_path: Path, local_units: pa.Table, lines: list[list[str]]) -> None:
    assert "there is no such file (looked for " in refusal(tmp_path / "missing.parquet", REGISTER)
    assert "this is not a file" in refusal(tmp_path, REGISTER)
    assert "no path is given" in refusal(None, REGISTER)
    file = tmp_path / "file"
    for content, problem in (
        (b"", "the file is empty"),
        (b"PK\x03\x04" + SECRET.encode(), "the file is compressed"),
        (b"PAR1" + SECRET.encode(), "the file cannot be read as Parquet"),
        (b"\xff\xfe" + SECRET.encode("utf-16"), "the first line is not the header of a CSV file in UTF-8"),
        (",".join(lines[0]).encode(), "the file has no rows"),
    ):
        file.write_bytes(content)
        assert problem in refusal(file, REGISTER)
    pq.write_table(local_units.slice(0, 0), file)
    assert "the file has no rows" in refusal(file, REGISTER)


@pytest.mark.parametrize(
    ("value", "problem"),
    [("31/12/2019", "is not a date"), ("2019-02-30", "is not a date"), ("2999-01-01", "is in the future")],
)
def test_bad_date_is_located(tmp_path: Path, write: Callable[..., Path], value: str, problem: str) -> None:
    path = tmp_path / "companies.csv"
    write_table(companies.generate(20, seed=1), path)
    with path.open(newline="") as stream:
        records = list(csv.reader(stream))
    path = write(changed(records, "incorporation_date", 2, value), name="companies.csv")
    assert f"column incorporation_date, row 2 {problem}" in refusal(path, COMPANIES)


def test_company_without_number_or_twice_is_located(write: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / "companies.csv"
    write_table(companies.generate(20, seed=1), path)
    with path.open(newline="") as stream:
        records = list(csv.reader(stream))
    assert "column company_number, row 5 has no value" in refusal(
        write(changed(records, "company_number", 5, "")), COMPANIES
    )
    twice = changed(records, "company_number", 5, records[2][0])
    assert "column company_number, rows 2 and 5 have the same key" in refusal(write(twice), COMPANIES)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_survey_is_read_with_answers_left_open(local_units: pa.Table, tmp_path: Path, suffix: str) -> None:
    table = technology_survey.generate(local_units, 300, seed=1)
    path = tmp_path / f"survey.{suffix}"
    write_table(table, path)
    read = sources.read(path, sources.TECHNOLOGY_SURVEY).read_all()
    assert read.column_names == [*(column.name for column in sources.TECHNOLOGY_SURVEY.columns), "loaded_at"]
    for name in ("weight", "employment", *(each.name for each in technology_survey.TECHNOLOGIES)):
        assert read[name].to_pylist() == table[name].to_pylist(), name
    assert read["uses_cloud_computing"].null_count > 0


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("weight", "", "has no value"),
        ("weight", "-1", "is less than 0"),
        ("uses_robotics", SECRET, "is not true or false"),
        ("enterprise_group_reference", "", "has no value"),
    ],
)
def test_survey_problems_are_named(
    local_units: pa.Table, tmp_path: Path, write, column: str, value: str, problem: str
) -> None:
    write_table(technology_survey.generate(local_units, 300, seed=1), tmp_path / "survey.csv")
    with (tmp_path / "survey.csv").open(newline="") as stream:
        records = list(csv.reader(stream))
    message = refusal(write(changed(records, column, 2, value)), sources.TECHNOLOGY_SURVEY)
    assert f"column {column}, row 2 {problem}" in message
