"""People of the census teaching file: the real persons end to end, recounted from the raw file and attacked."""

from __future__ import annotations

import csv
import itertools
import json
from collections import Counter
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import ROOT, Project, shared_data
from oracle import csv_attack
from sdc import functions, restricted, sources
from sdc.demo import build_seeds, census
from sdc.demo.calibration import read_records
from test_products import copy_of_the_project

# one worker builds the real product and has all tests of it
pytestmark = pytest.mark.xdist_group("real people")

DIMENSIONS = ["region", "sex", "age", "religion", "ethnic_group", "health", "occupation"]
SPECIAL = ["religion", "ethnic_group", "health"]
TABLES = {
    "by-religion": ["region", "religion", "age"],
    "by-ethnic-group": ["region", "ethnic_group", "sex"],
    "by-health": ["region", "health", "age"],
    "by-occupation": ["occupation", "ethnic_group", "sex"],
}
# What is published in less detail by region than for England and Wales: codes of the least detail.
COARSE = {
    "religion": {"1", "2", "6", "9", "Further", "Total"},
    "health": {"3", "Good", "Bad", "Total"},
    "age": {"1", "16-64", "65+", "Total"},
}
THRESHOLD = 10


def real(name: str = "ew_2011_persons_59k.parquet") -> Path:
    return shared_data("uk_census_teaching", name)


def hierarchies() -> dict[str, Path]:
    return {name: ROOT / "seeds" / "classifications" / f"census_{name}_hierarchy.csv" for name in DIMENSIONS}


# --- an independent count: the raw file and the groups in words, none of the project's SQL or seeds


def headings(variable: str, code: str) -> list[str]:
    """The headings a person with this code is counted under."""
    groups = {
        "region": {"E92000001": code.startswith("E")},
        "age": {"16-64": code in "23456", "65+": code in "78"},
        "religion": {"Further": code in "34578"},
        "health": {"Good": code in "12", "Bad": code in "45"},
        "occupation": {"Stated": code != "-9"},
    }.get(variable, {})
    return [code, *(group for group, belongs in groups.items() if belongs), "Total"]


def recount(persons: str) -> tuple[dict[tuple, int], set[tuple]]:
    """Persons in every cell of the tables, by all dimensions, and which cells are unsafe; `persons` is SQL."""
    columns = ", ".join(f"{name}::varchar" for name in DIMENSIONS)
    with duckdb.connect() as connection:
        people = connection.execute(f"select {columns}, count(*) from ({persons}) group by all").fetchall()
    cells: Counter[tuple] = Counter()
    for dimensions in TABLES.values():
        table: Counter[tuple] = Counter()
        for *codes, number in people:
            of_person = dict(zip(DIMENSIONS, codes, strict=True))
            for cell in itertools.product(
                *(headings(name, of_person[name]) if name in dimensions else ["Total"] for name in DIMENSIONS)
            ):
                table[cell] += number
        cells |= Counter({cell: number for cell, number in table.items() if is_published(cell)})
    unsafe = {cell for cell, number in cells.items() if number < THRESHOLD or tells_of_a_group(cell, cells)}
    return dict(cells), unsafe


def is_published(cell: tuple) -> bool:
    """By region, religion, health and age have their least detail."""
    at = dict(zip(DIMENSIONS, cell, strict=True))
    return at["region"] == "Total" or all(at[name] in codes for name, codes in COARSE.items())


def tells_of_a_group(cell: tuple, cells: dict[tuple, int]) -> bool:
    """All of a group, or all but one, fall in one category of a special one."""
    for name in SPECIAL:
        place = DIMENSIONS.index(name)
        group = (*cell[:place], "Total", *cell[place + 1 :])
        if cell[place] != "Total" and cells[group] - cells[cell] <= 1:
            return True
    return False


def counted(path: Path) -> str:
    """SQL of the persons the product is about: usual residents who were asked about all special categories."""
    return (
        f"select * from read_parquet('{path}') where population_base = 1 "
        "and religion <> -9 and ethnic_group <> -9 and health <> -9"
    )


# --- the real file


@pytest.fixture(scope="module")
def real_people(tmp_path_factory) -> Project:
    project = copy_of_the_project(tmp_path_factory.mktemp("people"))
    outcome = project.dbt(
        "build",
        "--select",
        *(f"+rel_census_teaching_people_{name.replace('-', '_')}" for name in TABLES),
        "--resource-type",
        "seed",
        "--resource-type",
        "model",
        "--vars",
        json.dumps({"sdc_census_path": str(real())}),
    )
    assert outcome, outcome.text[-4000:]
    return project


@pytest.fixture(scope="module")
def published(real_people: Project) -> dict[tuple, int | None]:
    """What the CSV files say of each cell, by all dimensions: its number, or None where [c]."""
    cells: dict[tuple, int | None] = {}
    for name, dimensions in TABLES.items():
        path = real_people.folder / "publication" / f"census-teaching-people-{name}.csv"
        with open(path, encoding="utf-8", newline="") as handle:
            for row in csv.DictReader(handle):
                assert (row["persons"] == "") == (row["persons_marker"] == "[c]")
                cell = tuple(row[each] if each in dimensions else "Total" for each in DIMENSIONS)
                number = int(row["persons"]) if row["persons"] else None
                assert cells.setdefault(cell, number) == number
    return cells


def test_real_people_are_all_counted_and_no_other_number_is_published(published):
    """Every cell that is not empty is there; every number is that of the raw file."""
    truth, _ = recount(counted(real()))
    assert published.keys() == truth.keys()
    assert {cell: number for cell, number in published.items() if number is not None and number != truth[cell]} == {}


def test_every_unsafe_cell_of_the_recount_is_suppressed(published):
    """Too few people, or all but one of a group in one category: the file has both."""
    truth, unsafe = recount(counted(real()))
    assert {cell for cell in unsafe if published[cell] is not None} == set()
    assert len(unsafe) > 50
    assert any(truth[cell] >= THRESHOLD for cell in unsafe)


def test_no_real_person_is_recoverable(real_people):
    """By someone who also knows that a suppressed number is whole, and not zero because zeros are visible."""
    files = csv_attack.release_of(real_people.folder / "publication")
    assert len(files) == len(TABLES)
    found = csv_attack.attack(files, hierarchies(), whole=["persons"], least={"persons": 1})
    assert found.hidden > 100 and found.relations > 100, str(found)
    assert not found.contradictions and not found.leaks, str(found)


def test_most_of_every_table_is_published(published):
    for dimensions in TABLES.values():
        table = [
            number
            for cell, number in published.items()
            if all(code == "Total" or name in dimensions for name, code in zip(DIMENSIONS, cell, strict=True))
        ]
        assert sum(number is not None for number in table) > 0.7 * len(table), dimensions


def test_no_code_required_is_no_category(real_people, published):
    """-9 is a code of occupation, whose number follows by subtraction; of nothing else."""
    without = {cell for cell in published if "-9" in cell}
    assert without and all(cell[DIMENSIONS.index("occupation")] == "-9" for cell in without)
    everybody = ("Total",) * len(DIMENSIONS)
    left_out = duckdb.sql(
        f"select count(*) from read_parquet('{real()}') where population_base <> 1 or religion = -9"
    ).fetchall()[0][0]
    assert left_out > 500
    assert published[everybody] == pq.read_metadata(real()).num_rows - left_out


def test_a_group_that_is_all_in_one_category_is_caught(real_people):
    """The SQL of the build, on the real contributions with three groups changed: all, all but one, all but two."""
    compiled = real_people.folder / "target" / "compiled" / "sdc" / "models" / "intermediate" / "census_teaching_people"
    sql = {name: (compiled / f"int_census_teaching_people__{name}.sql").read_text() for name in ("cells", "protected")}
    relation = '"restricted"."intermediate"."int_census_teaching_people__{}"'
    connection = duckdb.connect(":memory:")
    try:
        restricted.load_crypto(connection)
        restricted.attach(connection, real_people.folder / "restricted.duckdb", real_people.key)
        functions.register(connection)
        # women of two regions and men of one are of one ethnic group, but for so many
        others = {("E12000001", "2"): 0, ("E12000009", "2"): 1, ("E12000009", "1"): 2}
        connection.execute(
            "create table contributions as select * replace (case "
            + " ".join(
                f"when region = '{region}' and sex = '{sex}' then if(place <= {number}, '4', '1')"
                for (region, sex), number in others.items()
            )
            + " else ethnic_group end as ethnic_group) from (select *, row_number() over "
            f"(partition by region, sex order by person_id) as place from {relation.format('contributions')})"
        )
        connection.execute(
            "create table cells as " + sql["cells"].replace(relation.format("contributions"), "contributions")
        )
        rows = connection.execute(
            f"select {', '.join(DIMENSIONS)}, persons_status, persons_reason from "
            f"({sql['protected'].replace(relation.format('cells'), 'memory.main.cells')})"
        ).fetchall()
        found = {tuple(row[:-2]): row[-2:] for row in rows}
        path = real_people.folder / "changed.parquet"
        connection.execute(f"copy (select {', '.join(DIMENSIONS)} from contributions) to '{path}'")
    finally:
        connection.close()
    truth, unsafe = recount(f"from '{path}'")
    primary = {cell for cell, (status, _) in found.items() if status == "primary"}
    assert found.keys() == truth.keys() and primary == unsafe

    reasons = []
    for region, sex in others:
        at = {"region": region, "sex": sex, "ethnic_group": "1"}
        reasons.append(found[tuple(at.get(name, "Total") for name in DIMENSIONS)][1])
    assert [reason == "group_disclosure" for reason in reasons] == [True, True, False]


# --- the synthetic file and the reader


@pytest.fixture(scope="module")
def synthetic() -> pa.Table:
    return census.generate(20_000, seed=5)


def test_synthetic_persons_are_reproducible_and_shaped_like_the_real_file(synthetic):
    assert synthetic.equals(census.generate(20_000, seed=5)) and not synthetic.equals(census.generate(20_000, seed=6))
    schema = pq.read_schema(real())
    assert synthetic.column_names == schema.names
    for field in schema:
        kind = pa.string() if pa.types.is_large_string(field.type) else field.type
        assert synthetic.schema.field(field.name).type == kind, field.name
    codebook: dict[str, set[str]] = {}
    with open(real("ew_2011_codebook.csv"), encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            codebook.setdefault(row["variable"], set()).add(row["code"])
    for name, codes in codebook.items():
        assert {str(code) for code in synthetic[name].unique().to_pylist()} == codes, name
    first = duckdb.sql(f"select min(person_id) from read_parquet('{real()}')").fetchall()[0][0]
    assert max(synthetic["person_id"].to_pylist()) < first


def test_synthetic_persons_follow_the_published_pairs(synthetic):
    """Every cell of every pair lies within five standard errors of the representative sample's share."""
    pairs: dict[tuple[str, str], dict[tuple[str, str], int]] = {}
    for row in read_records("calibration/census_2011_persons_by_pairs"):
        pairs.setdefault((row["given"], row["variable"]), {})[row["given_code"], row["code"]] = int(row["persons"])
    assert list(pairs) == list(build_seeds.CENSUS_PAIRS)
    with duckdb.connect() as connection:
        connection.register("synthetic", synthetic)
        for (given, variable), persons in pairs.items():
            drawn = connection.execute(
                f"select {given}::varchar, {variable}::varchar, count(*) from synthetic "
                "where population_base = 1 and ethnic_group <> -9 group by all"
            ).fetchall()
            everybody, sample = sum(n for *_, n in drawn), sum(persons.values())
            for code, other, n in drawn:
                share = persons.get((code, other), 0) / sample
                error = (share * (1 - share) * (1 / everybody + 1 / sample)) ** 0.5
                assert abs(n / everybody - share) <= 5 * error + 5 / sample, (given, code, variable, other)


def test_no_code_is_required_where_the_real_file_has_none(synthetic):
    broken = """
        select count(*) from persons where
            (age = 1 and (economic_activity <> -9 or occupation <> -9))
            or (occupation = -9) <> (industry = -9)
            or (population_base = 2 and greatest(religion, ethnic_group, health, occupation, family_composition) <> -9)
            or (population_base = 3 and family_composition <> -9)
            or (population_base = 3 and religion = -9)
    """
    with duckdb.connect() as connection:
        for persons in (synthetic, pq.read_table(real())):
            connection.register("persons", persons)
            assert connection.execute(broken).fetchall() == [(0,)]


@pytest.mark.parametrize("persons", [0, -1, 10**9])
def test_the_number_of_persons_is_checked(persons):
    with pytest.raises(ValueError, match="persons must be between 1 and 1,000,000"):
        census.generate(persons)
    assert census.generate(1).num_rows == 1


def test_the_reader_takes_the_codes_of_the_codebook_and_no_others(synthetic, tmp_path):
    path = tmp_path / "persons.parquet"
    pq.write_table(synthetic, path)
    rows = sources.read(path, sources.CENSUS_TEACHING).read_all()
    assert rows["religion"].to_pylist() == [str(code) for code in synthetic["religion"].to_pylist()]
    assert "marital_status" not in rows.column_names
    place = synthetic.column_names.index("religion")
    codes = synthetic["religion"].to_pylist()
    for wrong, says in ((77, "row 3 is not a code, or -9, of the census codebook"), (None, "row 3 has no value")):
        changed = synthetic.set_column(place, "religion", pa.array([*codes[:2], wrong, *codes[3:]], pa.int64()))
        pq.write_table(changed, path)
        with pytest.raises(sources.SourceError, match=f"column religion, {says}") as refused:
            sources.read(path, sources.CENSUS_TEACHING)
        assert "77" not in str(refused.value)
