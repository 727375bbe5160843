"""protect() as SQL, on the toy register's cells: costs, the release before, released cells, explanations."""

from __future__ import annotations

import json
import re

import duckdb
import pyarrow as pa
import pytest

from conftest import Project
from sdc import engine, functions

KEYS = ["period", "area", "size_band"]


@pytest.fixture(scope="module")
def database(built_toy: Project) -> duckdb.DuckDBPyConnection:
    """A database in memory with the toy's cells where the compiled SQL looks for them, and the engine's functions."""
    connection = duckdb.connect(":memory:")
    functions.register(connection)
    connection.execute("attach ':memory:' as restricted")
    connection.execute("create schema restricted.intermediate")
    path = built_toy.folder / "cells.parquet"
    built_toy.restricted(f"copy intermediate.int_toy__cells to '{path}' (format parquet)")
    connection.execute(f"create table restricted.intermediate.int_toy__cells as from '{path}'")
    path.unlink()
    return connection


@pytest.fixture(scope="module")
def protect(compiled, database):
    """Run a call of protect() with further arguments, on other cells too; returns its rows by cell."""

    def run(arguments: str = "", cells: str = "int_toy__cells") -> dict[tuple, dict]:
        call = f"sdc.protect(ref('int_toy__cells'), rule_set='business_counts', method='heuristic'{arguments})"
        sql = compiled(f"{{{{ {call} }}}}").replace("int_toy__cells", cells)
        table = database.execute(sql).to_arrow_table()
        return {tuple(row[key] for key in KEYS): row for row in table.to_pylist()}

    return run


@pytest.fixture(scope="module")
def counted(protect) -> tuple[dict[tuple, dict], list[str]]:
    """The rows, and which calls of the engine made them."""
    calls: list[str] = []

    def counting(name: str):
        method = getattr(engine, name)

        def call(*arguments, **keywords):
            calls.append(name)
            return method(*arguments, **keywords)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in ("suppress", "explain"):
            patch.setattr(engine, name, counting(name))
        return protect(), calls


@pytest.fixture(scope="module")
def plain(counted) -> dict[tuple, dict]:
    return counted[0]


@pytest.fixture(scope="module")
def by_contributors(protect) -> dict[tuple, dict]:
    return protect(", cost='count'")


def suppressed(rows: dict[tuple, dict], status: str, measure: str = "turnover") -> set[tuple]:
    return {key for key, row in rows.items() if row[f"{measure}_status"] == status}


def assert_safe(rows: dict[tuple, dict], plain: dict[tuple, dict]) -> None:
    """The same cells, the same primaries, and every suppressed cell audited as safe."""
    assert rows.keys() == plain.keys()
    for measure in ("shops", "turnover"):
        assert suppressed(rows, "primary", measure) == suppressed(plain, "primary", measure)
        assert {row[f"{measure}_verdict"] for row in rows.values() if row[f"{measure}_status"] != "safe"} == {"safe"}


def test_the_engine_is_called_once_for_each_measure_and_period(counted):
    assert sorted(counted[1]) == ["explain"] * 4 + ["suppress"] * 4


def test_a_cost_chooses_other_cells_for_the_same_primaries(protect, plain, by_contributors):
    """By contributors, fewer of these are hidden and more of the value; a column of the cells model is a cost too."""
    by_column = protect(", cost='column:turnover_contributors', explain=false")
    assert_safe(by_contributors, plain)

    def total(rows: dict, column: str) -> float:
        return sum(plain[key][column] for key in suppressed(rows, "secondary"))

    assert suppressed(by_contributors, "secondary") == suppressed(by_column, "secondary")
    assert total(by_contributors, "turnover_contributors") < total(plain, "turnover_contributors")
    assert total(plain, "turnover") < total(by_contributors, "turnover")


def test_what_was_suppressed_before_stays(protect, plain, by_contributors, database):
    """The release before had another pattern, made by another cost; given it, the same data are nearer to it."""
    database.execute(
        "create table before (period varchar, area varchar, size_band varchar, "
        "shops_status varchar, turnover_status varchar)"
    )
    rows = [[*key, row["shops_status"], row["turnover_status"]] for key, row in by_contributors.items()]
    database.executemany("insert into before values (?, ?, ?, ?, ?)", rows + rows[:3])  # repeated rows change nothing
    after = protect(", previous='before', explain=false")
    assert_safe(after, plain)
    before, kept = suppressed(by_contributors, "secondary"), suppressed(after, "secondary")
    assert len(kept ^ before) < len(suppressed(plain, "secondary") ^ before)


def test_released_cells_are_not_suppressed(protect, plain, database):
    key = min(suppressed(plain, "secondary", "shops"))
    database.execute("create or replace table released as select ? as period, ? as area, ? as size_band", list(key))
    rows = protect(", frozen='released', explain=false")
    assert rows[key]["shops_status"] == rows[key]["turnover_status"] == "safe"
    assert_safe(rows, plain)


def calls_of(protect, arguments: str) -> list[tuple[pa.Table, dict]]:
    """The cells and keywords with which a call of protect() asks the engine to suppress and to audit."""
    asked = []

    def asking(name: str):
        method = getattr(functions.engine, name)

        def call(*tables, **keywords):
            asked.append((tables[0], keywords))
            return method(*tables, **keywords)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(functions.engine, "suppress", asking("suppress"))
        patch.setattr(functions, "audit_once", lambda *tables, **keywords: asking("audit")(*tables, **keywords))
        protect(arguments + ", explain=false")
    assert asked
    return asked


@pytest.mark.parametrize(("arguments", "rules"), [("", {"threshold": 3}), (", unions=false", None)])
def test_sums_are_held_to_the_threshold_unless_told_otherwise(protect, arguments, rules):
    """Suppression and audit are given the same rules and attackers."""
    asked = {(str(keywords["rules"]), keywords["attackers"]) for _, keywords in calls_of(protect, arguments)}
    assert asked == {(str(rules), ("contributors", "unions") if rules else ("contributors",))}


@pytest.mark.parametrize(("arguments", "asked"), [("", True), (", pinning=false", False)])
def test_what_insiders_pin_down_is_asked_unless_told_otherwise(protect, arguments, asked):
    """Suppression and audit are told the same."""
    assert {keywords["pinning"] for _, keywords in calls_of(protect, arguments)} == {asked}


def test_sums_of_magnitudes_are_held_to_the_rules_of_concentration(protect):
    """With the largest contributors of each cell; counts have none."""
    asked = calls_of(protect, ", rules={'p_percent': {'p': 10}}")
    magnitudes = [cells for cells, keywords in asked if "p_percent" in keywords["rules"]]
    counts = [cells for cells, keywords in asked if keywords["rules"] == {"threshold": 3}]
    assert len(magnitudes) == len(counts) == len(asked) / 2
    for cells in magnitudes:
        rows = cells.to_pylist()
        assert max(len(row["largest"]) for row in rows) == 5
        for row in rows:
            assert len(row["largest"]) == min(row["contributors"], 5)
            assert sum(one["amount"] for one in row["largest"]) <= row["absolute"] + 1e-6
            assert row["contributors"] > 5 or sum(one["amount"] for one in row["largest"]) >= row["absolute"] - 1e-6
    assert all("largest" not in cells.column_names for cells in counts)
    assert {str(keywords["rules"]) for _, keywords in asked if "p_percent" in keywords["rules"]} == {
        str({"threshold": 3, "p_percent": {"p": 10, "m": 1}})
    }


def test_periods_are_tables_of_their_own(protect, plain, database):
    database.execute(
        "create table restricted.intermediate.one_period as "
        "from restricted.intermediate.int_toy__cells where period = '2024'"
    )
    alone = protect(", explain=false", cells="one_period")
    assert {key for key in plain if key[0] == "2024"} == alone.keys()
    for measure in ("shops_status", "turnover_status"):
        assert {key: row[measure] for key, row in alone.items()} == {key: plain[key][measure] for key in alone}


@pytest.mark.parametrize("which", ["primary", "all others", "unknown"])
def test_contradictory_released_cells_are_named(protect, plain, database, which):
    """An unsafe cell that is released, cells that give it away, and a cell that does not exist; no value is told."""
    unsafe = suppressed(plain, "primary", "shops")
    rows = {
        "primary": [min(unsafe)],
        "all others": [key for key in plain if key not in unsafe],
        "unknown": [("2024", "Atlantis", "0-9")],
    }[which]
    database.execute("create or replace table released (period varchar, area varchar, size_band varchar)")
    database.executemany("insert into released values (?, ?, ?)", [list(key) for key in rows])
    with pytest.raises(duckdb.Error) as refused:
        protect(", frozen='released'")
    message = str(refused.value)
    if which == "unknown":
        assert "`frozen` names what is no cell of the product: period = 2024, area = Atlantis" in message
    else:
        assert "frozen" in message or "protect" in message
        named = {tuple(found) for found in re.findall(r"area = (\S+), size_band = (\S+?)[;\]]", message)}
        assert named and named <= {key[1:] for key in unsafe}, message


def test_every_suppressed_cell_is_explained(plain):
    """Secondaries name primaries that share or reach their relation; primaries have a margin within their interval."""
    status = {(key[0], f"area = {key[1]}, size_band = {key[2]}"): row["shops_status"] for key, row in plain.items()}
    for (period, area, size_band), row in plain.items():
        basis, protects, through, margin = (row[f"shops_{name}"] for name in ("basis", "protects", "through", "margin"))
        assert basis == (None if row["shops_status"] == "safe" else "examined")
        if row["shops_status"] == "safe":
            assert protects is through is margin is None
        elif row["shops_status"] == "primary":
            assert protects is None and through is None
            room = min(row["shops_upper"] - row["shops"], row["shops"] - row["shops_lower"])
            assert 0 <= margin and row["shops_upper"] - row["shops_lower"] >= 1 and room >= 0
        else:
            assert margin is None
            assert all(status[period, name] == "primary" for name in protects)
            if protects:
                total_area, total_size, over = re.fullmatch(
                    r"area = (\S+), size_band = (\S+): sum over (area|size_band)", through
                ).groups()
                # the cell is the total of that relation or a part of it
                assert (size_band if over == "area" else area) == (total_size if over == "area" else total_area)
    assert any(row["shops_protects"] for row in plain.values())


def test_explanations_can_be_left_out(protect, plain):
    rows = protect(", cost='distance', explain=false")
    assert_safe(rows, plain)
    columns = next(iter(rows.values())).keys()
    assert not {"shops_basis", "shops_protects", "shops_through", "shops_margin"} & columns and "shops_lower" in columns


def test_the_release_before_is_a_product_of_its_own(toy):
    """A protected model that looks at another product's belongs to the product of its own cells, and publishes."""
    models = "models/intermediate/int_"
    cells = (toy.folder / f"{models}toy__cells.sql").read_text(encoding="utf-8")
    some = "select * from {{ ref('stg_toy__shops') }} where shop_id <> 'shop0001'"
    toy.write(f"{models}earlier__shops.sql", some)
    toy.write(f"{models}earlier__cells.sql", cells.replace("stg_toy__shops", "int_earlier__shops"))
    call = "{{ sdc.protect(ref('int_earlier__cells'), rule_set='business_counts') }}"
    toy.write(f"{models}earlier__protected.sql", call)
    toy.edit(
        f"{models}toy__protected.sql",
        "rule_set='business_counts'",
        "rule_set='business_counts', previous=ref('int_earlier__protected')",
    )
    outcome = toy.dbt("run")
    assert outcome, outcome.text
    in_common = toy.restricted(
        "select count(*) filter (where now.turnover_status = 'secondary' and before.turnover_status <> 'safe') "
        "from intermediate.int_toy__protected as now left join intermediate.int_earlier__protected as before "
        "using (period, area, size_band)"
    )
    assert in_common[0][0] > 0


def test_a_count_that_a_contributor_pins_down_with_bounds_is_found_and_protected():
    """9 + 1 + 1 = 11 by three contributors: who is the nine knows that the others are ones, which no relation tells.

    As the gate asks it of the engine, and as protect() does: two rows and three columns, suppressed with their columns'
    second cells, and then with both rows' totals.
    """
    values = {1: [9, 1, 1, 11], 2: [20, 30, 40, 90], 3: [29, 31, 41, 101]}
    cells = [(row, at, value) for row, line in values.items() for at, value in enumerate(line, start=1)]
    number = {(row, at): 10 * row + at for row, at, _ in cells}

    def cell(row: int, at: int, value: int, status: str) -> str:
        alone = at if row == 1 and at < 4 else None
        return (
            f"struct_pack(cell_id := {number[row, at]}, name := 'row {row}, column {at}', value := {value}::double, "
            f"status := '{status}', cost := {value}::double, lower := 1::double, upper := null::double, "
            "upl := 0::double, lpl := 0::double, spl := null::double, frozen := false, previous := false, "
            f"contributor := {alone or 'null'}::bigint, contributors := {1 if alone else 20}::bigint, "
            'absolute := null::double, largest := null, "integer" := true)'
        )

    sums = [[(row, at) for at in (4, 1, 2, 3)] for row in values] + [
        [(row, at) for row in (3, 1, 2)] for at in (1, 2, 3, 4)
    ]
    relations = ", ".join(
        f"struct_pack(relation_id := {relation}, cell_id := {number[key]}, coefficient := {sign}::double)"
        for relation, keys in enumerate(sums)
        for key, sign in zip(keys, (1, -1, -1, -1), strict=False)
    )

    def asked(function: str, status: dict[int, str], **options: object) -> dict[int, dict]:
        listed = ", ".join(cell(*each, status.get(number[each[:2]], "safe")) for each in cells)
        query = f"select unnest({function}([{listed}], [{relations}], '{json.dumps(options)}'), recursive := true)"
        return {row["cell_id"]: row for row in connection.execute(query).to_arrow_table().to_pylist()}

    primary = {number[1, at]: "primary" for at in (1, 2, 3)}
    with duckdb.connect(":memory:") as connection:
        functions.register(connection)
        loose, tight = (
            {cell: row["status"] for cell, row in asked("sdc_suppress", primary, **options).items()}
            for options in ({"pinning": False}, {})
        )
        found = {cell: row["verdict"] for cell, row in asked("sdc_audit", loose).items()}
        assert {cell for cell, verdict in found.items() if verdict == "exact"} == {number[1, 2], number[1, 3]}
        assert {row["verdict"] for row in asked("sdc_audit", loose, pinning=False).values()} == {"safe"}
        assert {row["verdict"] for row in asked("sdc_audit", tight).values()} == {"safe"}
    assert tight[number[1, 4]] == tight[number[2, 4]] == "secondary" and loose[number[1, 4]] == "safe"
