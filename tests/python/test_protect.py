"""protect() as SQL, on the toy register's cells: costs, the release before, released cells, explanations."""

from __future__ import annotations

import re

import duckdb
import pytest

from conftest import Project
from sdc import functions

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
    """Run a call of protect() with further arguments; returns its rows by cell."""

    def run(arguments: str = "", rule_set: str = "business_counts") -> dict[tuple, dict]:
        call = f"{{{{ sdc.protect(ref('int_toy__cells'), rule_set='{rule_set}', method='heuristic'{arguments}) }}}}"
        table = database.execute(compiled(call)).to_arrow_table()
        return {tuple(row[key] for key in KEYS): row for row in table.to_pylist()}

    return run


@pytest.fixture(scope="module")
def plain(protect) -> dict[tuple, dict]:
    return protect()


def suppressed(rows: dict[tuple, dict], status: str, measure: str = "shops") -> set[tuple]:
    return {key for key, row in rows.items() if row[f"{measure}_status"] == status}


def test_a_cost_chooses_other_cells_for_the_same_primaries(protect, plain):
    """Contributors, a column and the number of cells are other costs than the value: other secondaries, each cheapest."""
    patterns = {
        cost: protect(f", cost='{cost}'")
        for cost in ("count", "unity", "distance", "column:shops", "column:turnover_contributors")
    }
    for rows in patterns.values():
        assert suppressed(rows, "primary", "turnover") == suppressed(plain, "primary", "turnover")
        assert all(row["turnover_verdict"] == "safe" for row in rows.values() if row["turnover_status"] != "safe")

    def total(rows: dict, column: str) -> float:
        return sum(plain[key][column] for key in suppressed(rows, "secondary", "turnover"))

    secondary = {cost: suppressed(rows, "secondary", "turnover") for cost, rows in patterns.items()}
    assert secondary["count"] == secondary["column:turnover_contributors"] != suppressed(plain, "secondary", "turnover")
    assert total(patterns["count"], "turnover_contributors") < total(plain, "turnover_contributors")
    assert total(plain, "turnover") < total(patterns["count"], "turnover")


def test_what_was_suppressed_before_stays(protect, plain, database):
    """The release before had another pattern, made by another cost; given it, the same data keep it."""
    before = protect(", cost='count'")
    assert suppressed(before, "secondary", "turnover") != suppressed(plain, "secondary", "turnover")
    rows = [[*key, row["shops_status"], row["turnover_status"]] for key, row in before.items()]
    database.execute(
        "create table before (period varchar, area varchar, size_band varchar, shops_status varchar, turnover_status varchar)"
    )
    database.executemany("insert into before values (?, ?, ?, ?, ?)", rows + rows[:3])  # repeated rows change nothing
    after = protect(", previous='before'")
    assert len(after) == len(plain)
    kept = suppressed(after, "secondary", "turnover")
    assert len(kept ^ suppressed(before, "secondary", "turnover")) < len(kept ^ suppressed(plain, "secondary", "turnover"))
    assert all(row["turnover_verdict"] == "safe" for row in after.values() if row["turnover_status"] != "safe")


def test_released_cells_are_not_suppressed(protect, plain, database):
    key = min(suppressed(plain, "secondary"))
    database.execute("create or replace table released as select ? as period, ? as area, ? as size_band", list(key))
    rows = protect(", frozen='released'")
    assert rows[key]["shops_status"] == rows[key]["turnover_status"] == "safe"
    assert suppressed(rows, "primary") == suppressed(plain, "primary")
    assert all(row["shops_verdict"] == "safe" for row in rows.values() if row["shops_status"] != "safe")


@pytest.mark.parametrize("which", ["primary", "all others", "unknown"])
def test_contradictory_released_cells_are_named(protect, plain, database, which):
    """An unsafe cell that is released, cells that give it away, and a cell that does not exist; no value is told."""
    unsafe = min(suppressed(plain, "primary"))
    rows = {
        "primary": [unsafe],
        "all others": [key for key in plain if key not in suppressed(plain, "primary")],
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
        assert named and named <= {key[1:] for key in suppressed(plain, "primary")}, message


def test_every_suppressed_cell_is_explained(plain):
    """Secondaries name primaries that share or reach their relation; primaries have a margin within their interval."""
    names = {
        key[0] + ": " + f"area = {key[1]}, size_band = {key[2]}": row["shops_status"] for key, row in plain.items()
    }
    explained = 0
    for (period, area, size_band), row in plain.items():
        protects, through, margin = (row[f"shops_{name}"] for name in ("protects", "through", "margin"))
        if row["shops_status"] == "safe":
            assert protects is through is margin is None
        elif row["shops_status"] == "primary":
            assert protects is None and through is None
            room = min(row["shops_upper"] - row["shops"], row["shops"] - row["shops_lower"])
            assert 0 <= margin and row["shops_upper"] - row["shops_lower"] >= 1 and room >= 0
        else:
            assert margin is None
            assert all(names[f"{period}: {name}"] == "primary" for name in protects)
            if protects:
                explained += 1
                total_area, total_size, over = re.fullmatch(
                    r"area = (\S+), size_band = (\S+): sum over (area|size_band)", through
                ).groups()
                # the cell is the total of that relation or a part of it
                assert (size_band if over == "area" else area) == (total_size if over == "area" else total_area)
    assert explained == sum(1 for row in plain.values() if row["shops_status"] == "secondary" and row["shops_protects"])
    assert explained > 0


def test_publishing_a_secondary_opens_the_primaries_it_protects(plain, database):
    """The explanation is true: without the cell, the engine's audit finds each primary it names."""
    secondary = min(key for key in suppressed(plain, "secondary") if plain[key]["shops_protects"])
    table = [
        {"key": key, "name": f"area = {key[1]}, size_band = {key[2]}", **row} for key, row in plain.items() if key[0] == secondary[0]
    ]
    parents = {"N": "Total", "S": "Total", **{f"{side}{i}": side for side in "NS" for i in (1, 2, 3)}}
    sums: dict[tuple, list[int]] = {}
    index = {row["key"]: row["cell_id"] for row in table}
    for (period, area, size_band), cell in index.items():
        if area in parents:
            sums.setdefault((period, parents[area], size_band, "area"), []).append(cell)
        if size_band != "Total":
            sums.setdefault((period, area, "Total", "size_band"), []).append(cell)
    relations = []
    for number, ((*total, _), parts) in enumerate(sums.items()):
        relations += [(number, index[tuple(total)], 1.0), *[(number, part, -1.0) for part in parts]]
    from sdc import engine

    import pyarrow as pa

    cells = pa.table(
        {
            "cell_id": [row["cell_id"] for row in table],
            "value": [float(row["shops"]) for row in table],
            "status": ["safe" if row["key"] == secondary else row["shops_status"] for row in table],
            "lower": [float(min(row["shops"], 1)) for row in table],
            "integer": [True] * len(table),
            "contributor": pa.array([row["shops_sole_contributor"] for row in table], pa.string()),
        }
    )
    columns = dict(zip(("relation_id", "cell_id", "coefficient"), map(list, zip(*relations, strict=True)), strict=True))
    audited = engine.audit(cells, pa.table(columns), attackers="singletons")
    names = {row["cell_id"]: row["name"] for row in table}
    open_ = {
        names[cell]
        for cell, verdict in zip(audited["cell_id"].to_pylist(), audited["verdict"].to_pylist(), strict=True)
        if verdict != "safe"
    }
    assert set(plain[secondary]["shops_protects"]) <= open_


def test_explanations_can_be_left_out(protect, plain):
    rows = protect(", explain=false")
    row = next(iter(rows.values()))
    assert not {"shops_protects", "shops_through", "shops_margin"} & row.keys() and "shops_lower" in row
    assert {k: r["shops_status"] for k, r in rows.items()} == {k: r["shops_status"] for k, r in plain.items()}


def test_the_engine_is_called_once_for_each_measure_and_table(protect, monkeypatch):
    calls = []
    from sdc import engine

    for name in ("suppress", "explain"):

        def counted(*arguments, name=name, call=getattr(engine, name), **keywords):
            calls.append(name)
            return call(*arguments, **keywords)

        monkeypatch.setattr(engine, name, counted)
    protect()
    assert sorted(calls) == ["explain"] * 4 + ["suppress"] * 4


def test_the_release_before_is_a_product_of_its_own(toy):
    """A protected model that looks at another product's still belongs to the product of its own cells, and publishes."""
    toy.write("models/intermediate/int_earlier__shops.sql", "select * from {{ ref('stg_toy__shops') }} where shop_id < 'shop0500'")
    cells = (toy.folder / "models/intermediate/int_toy__cells.sql").read_text(encoding="utf-8")
    toy.write("models/intermediate/int_earlier__cells.sql", cells.replace("stg_toy__shops", "int_earlier__shops"))
    toy.write("models/intermediate/int_earlier__protected.sql", "{{ sdc.protect(ref('int_earlier__cells'), rule_set='business_counts') }}")
    toy.edit(
        "models/intermediate/int_toy__protected.sql",
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
