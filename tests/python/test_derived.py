"""Derived measures: what a reader can compute from published parts, [c] where a part is; nothing gets past the gate."""

from __future__ import annotations

import shutil

import duckdb
import pytest

from conftest import Project

# one worker builds the mart of derived measures and has all tests of it
pytestmark = pytest.mark.xdist_group("derived")

CELLS = "models/intermediate/int_toy__cells.sql"
PROTECTED = "models/intermediate/int_toy__protected.sql"
MART = "models/marts/pub_toy_derived.sql"
MEASURES = """measures={
        'shops': {'count': true},
        'turnover': {'sum': 'turnover'},
        'mean_turnover': {'mean': ['turnover', 'shops']},
        'turnover_per_shop': {'ratio': ['turnover', 'shops'], 'decimals': 4},
        'share': {'percentage': ['shops', 'turnover']},
        'growth': {'growth': 'shops'},
        'median_size': {
            'quantile': 'size_band', 'of': 'shops', 'at': 0.5, 'decimals': 3,
            'bounds': {'0-9': [0, 10], '10-49': [10, 50], '50+': [50, none]}
        }
    }"""
DERIVED = {"mean_turnover": 2, "turnover_per_shop": 4, "share": 1, "growth": 1, "median_size": 3}
PUBLISHED = "{{ sdc.published('shops') }},\n    " + ",\n    ".join(
    f"{{{{ sdc.published('{name}', ref('int_toy__protected')) }}}}" for name in DERIVED
)


@pytest.fixture(scope="module")
def derived(built_toy, tmp_path_factory) -> Project:
    """The toy project with every derived measure in a mart of its own."""
    folder = tmp_path_factory.mktemp("derived") / "toy"
    shutil.copytree(built_toy.folder, folder, symlinks=True)
    project = Project(folder)
    project.edit(CELLS, "measures={'shops': {'count': true}, 'turnover': {'sum': 'turnover'}}", MEASURES)
    project.write(
        MART,
        "select\n    period,\n    area,\n    size_band,\n    " + PUBLISHED + "\nfrom {{ ref('int_toy__protected') }}\n",
    )
    columns = "".join(
        f'      - {{name: {name}, data_type: "decimal(38, {decimals})"}}\n'
        f"      - {{name: {name}_marker, data_type: varchar}}\n"
        for name, decimals in DERIVED.items()
    )
    tests = "".join(
        f"      - {{name: pub_toy_derived__{test}, test_name: {test}}}\n"
        for test in ("no_disclosive_cells", "not_recoverable", "adds_up", "only_published_columns")
    )
    project.write(
        "models/_derived.yml",
        "models:\n  - name: pub_toy_derived\n    data_tests:\n"
        + tests
        + "    config:\n      contract: {enforced: true}\n"
        "    columns:\n"
        + "".join(f"      - {{name: {c}, data_type: varchar}}\n" for c in ("period", "area", "size_band"))
        + "      - {name: shops, data_type: bigint}\n      - {name: shops_marker, data_type: varchar}\n"
        + columns,
    )
    outcome = project.dbt("build", "--exclude-resource-type", "unit_test")
    assert outcome, outcome.text[-5000:]
    return project


def cells(project: Project) -> dict[tuple, dict]:
    columns = "period, area, size_band, shops, shops_status, turnover, turnover_status"
    rows = project.restricted(f"select {columns} from intermediate.int_toy__protected")
    return {row[:3]: dict(zip(columns.split(", ")[3:], row[3:], strict=True)) for row in rows}


def expected(known: dict[tuple, dict], key: tuple) -> dict[str, tuple]:
    """Each derived measure as (value, marker), from the cells, one at a time."""
    period, area, band = key
    cell = known[key]
    n = cell["shops"] if cell["shops_status"] == "safe" else None
    x = float(cell["turnover"]) if cell["turnover_status"] == "safe" else None
    hidden = (None, "[c]")
    found = {}
    found["mean_turnover"] = found["turnover_per_shop"] = hidden if n is None or x is None else (x / n, None)
    found["share"] = hidden if n is None or x is None else (100 * n / x, None) if x else (None, "[z]")
    before = known.get(("2024", area, band)) if period == "2025" else None
    if n is None or (before and before["shops_status"] != "safe"):
        found["growth"] = hidden
    else:
        found["growth"] = (100 * (n - before["shops"]) / before["shops"], None) if before else (None, "[z]")
    bands = [
        (known.get((period, area, b)), low, high)
        for b, low, high in [("0-9", 0, 10), ("10-49", 10, 50), ("50+", 50, None)]
    ]
    if n is None or (band == "Total" and any(c and c["shops_status"] != "safe" for c, *_ in bands)):
        found["median_size"] = hidden
    elif band != "Total":
        found["median_size"] = (None, "[z]")
    else:
        below, half = 0, sum(c["shops"] for c, *_ in bands if c) / 2
        for c, low, high in bands:
            if c and below + c["shops"] >= half:
                found["median_size"] = (
                    (None, "[z]") if high is None else (low + (half - below) / c["shops"] * (high - low), None)
                )
                break
            below += c["shops"] if c else 0
    return found


def test_every_derived_value_is_that_of_the_published_parts(derived):
    known = cells(derived)
    names = ", ".join(f"{name}, {name}_marker" for name in DERIVED)
    rows = derived.published(f"select period, area, size_band, {names} from pub_toy_derived")
    assert len(rows) == len(known)
    seen = set()
    for row in rows:
        wanted = expected(known, row[:3])
        for at, (name, decimals) in enumerate(DERIVED.items()):
            value, marker = row[3 + 2 * at], row[4 + 2 * at]
            assert marker == wanted[name][1], (row[:3], name)
            seen.add((name, marker))
            if wanted[name][0] is None:
                assert value is None
            else:
                assert float(value) == pytest.approx(wanted[name][0], abs=0.51 * 10**-decimals)
    # the toy has each case
    assert {(name, marker) for name in DERIVED for marker in (None, "[c]")} <= seen
    assert {("growth", "[z]"), ("median_size", "[z]")} <= seen


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "{{ sdc.published('mean_turnover', ref('int_toy__protected')) }}",
            "cast(turnover / shops as decimal(38, 2)) as mean_turnover, cast(null as varchar) as mean_turnover_marker",
            "mean_turnover is shown although a part of it is suppressed",
        ),
        (
            "{{ sdc.published('mean_turnover', ref('int_toy__protected')) }}",
            "case when turnover_status = 'safe' and shops_status = 'safe' then cast(turnover as decimal(38, 2)) end "
            "as mean_turnover, case when turnover_status <> 'safe' or shops_status <> 'safe' then '[c]' end "
            "as mean_turnover_marker",
            "mean_turnover is not what its published parts give",
        ),
        (
            "{{ sdc.published('share', ref('int_toy__protected')) }}",
            "cast(null as decimal(38, 1)) as share, '[z]' as share_marker",
            "share does not have the marker it should have",
        ),
    ],
)
def test_a_mart_that_derives_otherwise_is_refused(derived, tmp_path, old, new, says):
    folder = tmp_path / "toy"
    shutil.copytree(derived.folder, folder, symlinks=True)
    project = Project(folder)
    before = project.publication()
    project.edit(MART, old, new)
    outcome = project.dbt("run", "--select", "pub_toy_derived")
    assert outcome.code != 0 and says in outcome.text, outcome.text
    assert project.publication() == before


def test_growth_needs_the_protected_model(derived, tmp_path):
    folder = tmp_path / "toy"
    shutil.copytree(derived.folder, folder, symlinks=True)
    project = Project(folder)
    project.edit(MART, "sdc.published('growth', ref('int_toy__protected'))", "sdc.published('growth')")
    outcome = project.dbt("compile", "--select", "pub_toy_derived")
    assert (
        outcome.code != 0 and "`protected` must be the protected model, because growth reads other rows" in outcome.text
    )


def test_the_test_finds_a_derived_number_made_of_an_unsafe_part(derived, tmp_path):
    """no_disclosive_cells looks past statuses: a mean published for a small cell fails it."""
    folder = tmp_path / "toy"
    shutil.copytree(derived.folder, folder, symlinks=True)
    with duckdb.connect(str(folder / "publication.duckdb")) as connection:
        connection.execute(
            "update pub_toy_derived set mean_turnover = 1, mean_turnover_marker = null "
            "where mean_turnover_marker = '[c]'"
        )
    outcome = Project(folder).dbt("test", "--select", "pub_toy_derived__no_disclosive_cells")
    assert outcome.code != 0 and "FAIL" in outcome.text, outcome.text


LOW = {
    "mean": "{'kind': 'mean', 'parts': ['x', 'n'], 'decimals': 2}",
    "growth": "{'kind': 'growth', 'parts': ['n'], 'over': 'period', 'decimals': 1}",
    "median": "{'kind': 'quantile', 'parts': ['n'], 'bands': 'band', 'at': 0.5, 'decimals': 2, 'bounds': "
    "{'bands': [{'code': 'a', 'lowest': 0, 'highest': 10}, {'code': 'b', 'lowest': 10, 'highest': 20}]}}",
}


@pytest.mark.parametrize(
    ("kind", "low", "marker"),
    [
        ("mean", None, None),
        ("mean", ("2", "Total", "x"), "[u]"),
        ("mean", ("2", "Total", "n"), "[u]"),
        ("mean", ("1", "Total", "n"), None),
        ("growth", None, None),
        ("growth", ("2", "Total", "n"), "[u]"),
        ("growth", ("1", "Total", "n"), "[u]"),
        ("growth", ("1", "a", "n"), None),
        ("median", None, None),
        ("median", ("2", "b", "n"), "[u]"),
        ("median", ("2", "Total", "n"), "[u]"),
        ("median", ("1", "b", "n"), None),
    ],
)
def test_low_reliability_is_inherited(compiled, kind, low, marker):
    """A derived value is [u] where a part is, [c] before that."""
    product = "{'dimensions': ['band'], 'totals': {'band': 'Total'}, 'by': ['period']}"
    sql = compiled(
        f"{{% set sql = sdc._derived_sql({LOW[kind]}, {product}, 'protected') %}}"
        "select {{ sql.marker }}, {{ sql.value }} from protected where period = '2' and band = 'Total'"
    )
    with duckdb.connect() as connection:
        connection.execute(
            "create table protected as select period, band, "
            "n, 'safe' as n_status, cast(null as varchar) as n_reliability, "
            "10 * n as x, 'safe' as x_status, cast(null as varchar) as x_reliability from (values ('1', 'Total', 30), "
            "('1', 'a', 10), ('1', 'b', 20), ('2', 'Total', 50), ('2', 'a', 20), ('2', 'b', 30)) as v (period, band, n)"
        )
        if low:
            period, band, part = low
            where = f"where period = '{period}' and band = '{band}'"
            connection.execute(f"update protected set {part}_reliability = 'low' {where}")
        [(found, value)] = connection.execute(sql).fetchall()
        assert found == marker and value is not None
        connection.execute("update protected set n_status = 'primary' where period = '2' and band = 'Total'")
        assert connection.execute(sql).fetchall()[0][0] == "[c]"
