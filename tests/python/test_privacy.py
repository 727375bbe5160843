"""Planted confidential values are searched for everywhere a build leaves something, but the restricted database."""

from __future__ import annotations

import json
import sys

from conftest import TOY

sys.path.insert(0, str(TOY))
from make_units import PLANTED  # noqa: E402

sys.path.remove(str(TOY))

TABLES = ("pub_toy_by_area", "pub_toy_by_area_and_size")


def _found(project, needles: list[str]) -> list[str]:
    """Files outside data/ and the restricted database that hold any of the needles, in any file."""
    hits = []
    for path in sorted(project.folder.rglob("*")):
        inside = path.relative_to(project.folder)
        if inside.parts[0] in ("data", "macros", "tests", "make_units.py", "__pycache__") or not path.is_file():
            continue
        content = path.read_bytes()
        hits += [f"{inside}: {needle}" for needle in needles if needle.encode() in content]
    return hits


def test_nothing_planted_leaves_the_restricted_database(toy):
    """After a build, docs, tests with failures stored, a refused mart and broken input."""
    needles = [*PLANTED.values(), "PLANTED"]
    assert toy.restricted("select count(*) from staging.stg_toy__shops where owner_id like '%PLANTED%'") == [(1,)]
    alone = "period = '2025' and area = 'S3' and size_band = '50+'"
    assert toy.restricted(
        f"select shops_status, turnover_status from intermediate.int_toy__protected where {alone}"
    ) == [("primary", "primary")]

    before = toy.publication(), [toy.published(f"from {table}") for table in TABLES]
    assert toy.dbt("build", "--store-failures")
    # built again from the same data, it publishes the same
    del before[0]["publication.duckdb"]
    assert before[0].items() < toy.publication().items()
    assert [toy.published(f"from {table}") for table in TABLES] == before[1]
    assert toy.dbt("docs", "generate", "--static")
    assert _found(toy, needles) == []

    toy.edit(
        "models/marts/pub_toy_by_area_and_size.sql",
        "{{ sdc.published('shops') }}",
        "shops,\n    cast(null as varchar) as shops_marker",
    )
    assert toy.dbt("build", "--store-failures").code != 0
    for variables in (
        {"toy_owner": "nullif(owner_id, 'owner001')"},
        {"toy_turnover": "'-' || turnover"},
        {"toy_area": "owner_name"},
        {"toy_turnover": "case when area = 'S3' then 'not a number' else turnover end"},
    ):
        toy.dbt("run", "--vars", json.dumps(variables))
    # a name mapped to a dimension by mistake is named as an unknown code: the one text that may quote the data
    assert _found(toy, [PLANTED["turnover"], PLANTED["owner_id"], PLANTED["shop_id"]]) == []


def test_protected_numbers_are_not_in_the_published_files(built_toy):
    hidden = built_toy.restricted(
        "select cast(turnover as varchar) from intermediate.int_toy__protected where turnover_status <> 'safe'"
    )
    shown = {
        row[0]
        for row in built_toy.restricted(
            "select cast(turnover as varchar) from intermediate.int_toy__protected where turnover_status = 'safe'"
        )
    }
    for name, content in built_toy.publication().items():
        for (number,) in hidden:
            if number not in shown:
                assert number.encode() not in content, f"{name} has a suppressed number"
