"""cells() against a plain GROUP BY for every crossing of codes, on random contributions; and what it refuses."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from decimal import Decimal
from itertools import product
from pathlib import Path

import duckdb
import pytest

DIMENSIONS = {
    "area": "{'hierarchy': 'area_codes_seed', 'several': true}",
    "sector": "{'hierarchy': 'sector_codes_seed'}",
    "band": "{}",
}
# two hierarchies over the same areas; a parent with a single child; leaves at different depths
AREA = {
    "itl": {"Total": None, "N": "Total", "S": "Total", "N1": "N", "n1a": "N1", "n1b": "N1", "s1": "S", "s2": "S"},
    "city": {"Total": None, "C": "Total", "R": "Total", "n1a": "C", "s1": "C", "n1b": "R", "s2": "R"},
}
SECTOR = {"Total": None, "D": "Total", "D1": "D", "d11": "D1", "E": "Total", "e1": "E", "e2": "E", "x": "Total"}
BANDS = ["small", "large"]
KEYS = ("period", "area", "sector", "band")
MEASURES = """{
    'records_': {'count': true},
    'sites': {'count': 'site'},
    'turnover': {'sum': 'turnover'},
    'profit': {'sum': 'profit', 'negatives': 'absolute'},
    'estimated': {'count': true, 'weight': 'weight'},
    'spend': {'sum': 'spend', 'weight': 'weight', 'decimals': 1},
    'mean_turnover': {'mean': ['turnover', 'sites']}
}"""
# without magnitudes there is nothing to add up for a contributor
COUNTS = "{'records_': {'count': true}, 'sites': {'count': 'site'}}"


@pytest.fixture(scope="module")
def compiled(built_toy):
    """Compile Jinja in the toy project; returns SQL."""
    from dbt.cli.main import dbtRunner

    def run(code: str) -> str:
        before = Path.cwd()
        os.chdir(built_toy.folder)
        try:
            done = dbtRunner().invoke(["--quiet", "compile", "--target", "lint", "--inline", code])
        finally:
            os.chdir(before)
        assert done.success, done.exception
        return done.result.results[0].node.compiled_code

    return run


def cells_sql(keys: tuple[str, ...] = KEYS, measures: str = MEASURES, **extra: str) -> str:
    dimensions = ", ".join(f"'{key}': {DIMENSIONS.get(key, '{}')}" for key in keys if key != "period")
    by = ["period"] if "period" in keys else []
    arguments = "".join(f", {name}={value}" for name, value in extra.items())
    return (
        f"{{{{ sdc.cells(relation='shops', dimensions={{{dimensions}}}, measures={measures}, contributor='owner', "
        f"by={by}{arguments}) }}}}"
    )


def draw_contributions(seed: int, owners: int, rows: int) -> list[dict]:
    draw = random.Random(seed)
    leaves = [code for code in AREA["itl"] if code not in AREA["itl"].values()]
    sectors = [code for code in SECTOR if code not in SECTOR.values()]
    return [
        {
            "period": draw.choice(["1", "2"]),
            "owner": f"owner{draw.randrange(owners):03d}",
            "area": draw.choice(leaves),
            "sector": draw.choice(sectors),
            "band": draw.choice(BANDS),
            "site": draw.choice([None, "a", "b"]),
            # few different values, so that there are ties; NULL, zero
            "turnover": draw.choice([None, 0, 0, 1, 5, 5, 10, 2.25]),
            "profit": draw.choice([None, -10, -5, 0, 5, 10, 3.5]),
            "weight": draw.choice([0, 1, 2.5, 10.125]),
            "spend": draw.choice([None, 0, 1, 7, 7.5]),
            "asked": draw.random() < 0.1,
            "consented": draw.random() < 0.3,
        }
        for _ in range(rows)
    ]


def load(rows: list[dict]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(
        "create table shops (period varchar, owner varchar, area varchar, sector varchar, band varchar, site varchar, "
        "turnover decimal(18, 2), profit decimal(18, 2), weight decimal(18, 6), spend decimal(18, 2), asked boolean, "
        "consented boolean)"
    )
    connection.executemany(f"insert into shops values ({', '.join('?' * 12)})", [list(row.values()) for row in rows])
    connection.execute("create table area_codes_seed (hierarchy varchar, code varchar, parent varchar, label varchar)")
    connection.executemany(
        "insert into area_codes_seed values (?, ?, ?, ?)",
        [[tree, code, parent, code] for tree, codes in AREA.items() for code, parent in codes.items()],
    )
    connection.execute("create table sector_codes_seed (code varchar, parent varchar, label varchar)")
    connection.executemany(
        "insert into sector_codes_seed values (?, ?, ?)", [[code, parent, code] for code, parent in SECTOR.items()]
    )
    return connection


def ancestors(tree: dict[str, str | None], code: str) -> set[str]:
    return set() if code is None or code not in tree else {code} | ancestors(tree, tree[code])


def rounded(value: Decimal, decimals: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-decimals), rounding="ROUND_HALF_UP")


def totals_of(row: dict, dimension: str) -> set[str]:
    """The codes of a dimension that a record counts for."""
    if dimension == "area":
        return set().union(*(ancestors(tree, row["area"]) for tree in AREA.values()))
    return ancestors(SECTOR, row["sector"]) if dimension == "sector" else {str(row[dimension]).lower(), "Total"}


def brute_force(rows: list[dict], keys: tuple[str, ...] = KEYS) -> dict[tuple, dict]:
    """Every cell from its records, one at a time: what the definitions say, and nothing clever."""
    cells = defaultdict(list)
    for row in rows:
        for cell in product(*({row[key]} if key == "period" else totals_of(row, key) for key in keys)):
            cells[cell].append(row)
    return {key: statistics(records) for key, records in cells.items()}


def statistics(records: list[dict]) -> dict:
    by_owner = defaultdict(list)
    for record in records:
        by_owner[record["owner"]].append(record)
    asked = {owner for owner, theirs in by_owner.items() if any(r["asked"] for r in theirs)}
    waived = {owner for owner, theirs in by_owner.items() if all(r["consented"] for r in theirs)}
    found = {"records": len(records), "requests": len(asked)}

    def number(value) -> Decimal:
        return Decimal(str(value))

    for name, column, weighted, decimals in [
        ("records_", None, False, None),
        ("sites", "site", False, None),
        ("turnover", "turnover", False, 2),
        ("profit", "profit", False, 2),
        ("estimated", None, True, 2),
        ("spend", "spend", True, 1),
    ]:
        values, amounts, unweighted = {}, {}, 0
        for owner, theirs in by_owner.items():
            counting = [r for r in theirs if column is None or r[column] is not None]
            if not counting:
                continue
            plain = [number(r[column]) if decimals and column else Decimal(1) for r in counting]
            if weighted:
                weights = [number(r["weight"]) for r in counting]
                values[owner] = sum(
                    rounded(w * rounded(v, decimals), decimals) for w, v in zip(weights, plain, strict=True)
                )
            else:
                values[owner] = sum(plain)
            amounts[owner] = sum(plain)
            unweighted += len(counting)
        found[name] = sum(values.values())
        found[f"{name}_contributors"] = len(values)
        found[f"{name}_sole_contributor"] = min(values) if len(values) == 1 else None
        if decimals is None:
            continue
        largest = sorted(amounts, key=lambda owner: (-abs(amounts[owner]), owner))[:5]
        found[f"{name}_largest"] = [
            {"contributor": owner, "amount": abs(amounts[owner]), "waived": owner in waived} for owner in largest
        ]
        found[f"{name}_absolute"] = sum(abs(v) for v in values.values())
        found[f"{name}_zero_contributors"] = sum(v == 0 for v in values.values())
        if weighted:
            found[f"{name}_unweighted"] = unweighted
        of_askers = [abs(amounts[owner]) for owner in asked & set(amounts)]
        found[f"{name}_requested_largest"] = max(of_askers) if of_askers else None
    return found


@pytest.fixture(scope="module")
def sql_with_flags(compiled) -> str:
    return compiled(cells_sql(requests="'asked'", waivers="'consented'"))


def computed(connection, sql: str, keys: tuple[str, ...] = KEYS) -> dict[tuple, dict]:
    result = connection.execute(sql)
    names = [column[0] for column in result.description]
    rows = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    cells = {tuple(r[key] for key in keys): r for r in rows}
    assert len(cells) == len(rows)
    return cells


@pytest.mark.parametrize(
    ("seed", "owners", "rows"),
    # one owner of everything; few owners, who span nearly every total; many, who do so now and then; one record
    [(1, 1, 40), (2, 7, 120), (3, 60, 200), (4, 400, 600), (5, 3, 1), (6, 25, 300)],
)
def test_every_statistic_is_that_of_a_plain_group_by(sql_with_flags, seed, owners, rows):
    contributions = draw_contributions(seed, owners, rows)
    expected = brute_force(contributions)
    actual = computed(load(contributions), sql_with_flags)
    assert actual.keys() == expected.keys()
    for key, statistic in expected.items():
        assert {name: actual[key][name] for name in statistic} == statistic, key


@pytest.mark.parametrize("measures", [MEASURES, COUNTS], ids=["magnitudes", "counts"])
@pytest.mark.parametrize(
    "keys",
    # contributors are followed step by step, and steps differ with their number
    [("band",), ("period", "area"), ("sector", "band"), KEYS, ("period", "sector", "area", "asked", "band")],
)
def test_any_number_of_dimensions(compiled, keys, measures):
    contributions = draw_contributions(10, 12, 150)
    expected = brute_force(contributions, keys)
    sql = compiled(cells_sql(keys, measures, requests="'asked'", waivers="'consented'"))
    actual = computed(load(contributions), sql, keys)
    assert actual.keys() == expected.keys()
    for key, statistic in expected.items():
        of_measures = {name: statistic[name] for name in statistic if name in actual[key]}
        assert len(of_measures) == (len(statistic) if measures == MEASURES else 8)
        assert {name: actual[key][name] for name in of_measures} == of_measures, key


def test_the_columns_are_those_that_the_rules_read(sql_with_flags, compiled):
    """Names and types are a contract; without `requests` and `waivers` nothing is asked, and nobody waived."""
    connection = load(draw_contributions(7, 20, 50))
    types = {n: t for n, t, *_ in connection.execute(f"describe ({sql_with_flags})").fetchall()}
    entry = "STRUCT(contributor VARCHAR, amount DECIMAL(38,2), waived BOOLEAN)[]"
    assert {n: t for n, t in types.items() if n == "requests" or n.startswith(("records", "estimated"))} == {
        "records": "BIGINT",
        "requests": "BIGINT",
        "records_": "BIGINT",
        "records__contributors": "BIGINT",
        "records__sole_contributor": "VARCHAR",
        "estimated": "DECIMAL(38,2)",
        "estimated_contributors": "BIGINT",
        "estimated_sole_contributor": "VARCHAR",
        "estimated_largest": entry,
        "estimated_absolute": "DECIMAL(38,2)",
        "estimated_zero_contributors": "BIGINT",
        "estimated_unweighted": "BIGINT",
        "estimated_requested_largest": "DECIMAL(38,2)",
    }
    assert not [name for name in types if name.startswith("mean_turnover")]
    plain = computed(connection, compiled(cells_sql()))
    assert not [name for name in next(iter(plain.values())) if name.endswith("requests") or "requested" in name]
    assert not any(entry["waived"] for cell in plain.values() for entry in cell["turnover_largest"])


def test_three_sites_of_one_owner_are_one_contributor(sql_with_flags):
    site = draw_contributions(8, 1, 1)[0] | {"turnover": 10, "band": "small"}
    cell = computed(load([site, site, site | {"band": "large"}]), sql_with_flags)[
        site["period"], "Total", "Total", "Total"
    ]
    assert cell["turnover_contributors"] == 1 and cell["records"] == 3
    assert cell["turnover_largest"] == [{"contributor": site["owner"], "amount": 30, "waived": site["consented"]}]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"weight": -1},
            "`estimated` has 1 records that count and have no weight, or a negative one, in `weight`",
        ),
        ({"weight": None}, "have no weight, or a negative one"),
        ({"turnover": -3}, "measure `turnover` has 1 negative contributions"),
        ({"asked": None}, "`requests` column `asked` is NULL in 1 rows"),
        ({"consented": None}, "`waivers` column `consented` is NULL in 1 rows"),
        ({"owner": None}, "contributor `owner` is NULL in 1 rows"),
    ],
)
def test_unfit_contributions_stop_with_a_sentence(sql_with_flags, change, says):
    rows = draw_contributions(9, 5, 30)
    connection = load([*rows, rows[0] | change])
    with pytest.raises(duckdb.Error, match="sdc.cells in") as refused:
        connection.execute(sql_with_flags).fetchall()
    assert says in str(refused.value)
    assert "owner0" not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"area": "zz"}, "dimension `area` has codes that its hierarchy does not know: zz"),
        ({"sector": "D"}, "dimension `sector` has records at codes that are sums of other codes: D"),
        ({"area": None}, "dimension `area` is NULL in 30 rows"),
        ({"band": "Total"}, "dimension `band` has the code Total in 30 rows"),
        ({"period": None}, "`by` column `period` is NULL in 30 rows"),
        ({"owner": None}, "contributor `owner` is NULL in 30 rows"),
    ],
)
def test_records_without_a_number_are_not_dropped_in_silence(sql_with_flags, change, says):
    """Codes and contributors are joined to their numbers; where no record has one, nothing is left to be wrong."""
    connection = load([row | change for row in draw_contributions(9, 5, 30)])
    with pytest.raises(duckdb.Error, match="sdc.cells in") as refused:
        connection.execute(sql_with_flags).fetchall()
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("column", "values", "says"),
    [
        ("turnover", ["ten"], "measure `turnover` has 1 records in which `turnover` is no number of at most 16 digits"),
        ("turnover", ["nan", "1e16"], "`turnover` has 2 records in which `turnover` is no number of at most 16 digits"),
        ("turnover", ["6e15", "4e15"], "measure `turnover` adds up to more than 16 digits before the point"),
        ("profit", ["-6e15", "6e15"], "measure `profit` adds up to more than 16 digits before the point"),
        ("spend", ["3e16", "3e16"], "measure `spend` adds up to more than 17 digits before the point"),
        ("spend", ["1e17"], "`spend` has 1 records in which `spend` times `weight` is no number of at most 17 digits"),
        ("spend", ["9e16"], "`spend` has 1 records in which `spend` times `weight` is no number of at most 17 digits"),
        ("weight", ["1e12"], "have no weight, or a negative one"),
        ("weight", ["heavy"], "have no weight, or a negative one"),
    ],
)
def test_what_is_no_number_or_too_large_is_named_and_never_quoted(sql_with_flags, column, values, says):
    rows = draw_contributions(9, 5, 30)
    rows = [row | {"weight": 2.5, "spend": 1} for row in rows]
    connection = load([*rows, *({**rows[0], column: None} for _ in values)])
    connection.execute(f"alter table shops alter {column} type varchar")
    connection.execute(f"delete from shops where {column} is null")
    for value in values:
        connection.execute(f"insert into shops select * replace (? as {column}) from (from shops limit 1)", [value])
    with pytest.raises(duckdb.Error, match="sdc.cells in") as refused:
        connection.execute(sql_with_flags).fetchall()
    assert says in str(refused.value)
    assert not any(value in str(refused.value) for value in values)


def test_measures_of_many_decimals_have_many_digits(compiled):
    rows = draw_contributions(9, 5, 30)
    measures = "{'turnover': {'sum': 'turnover', 'decimals': 9}}"
    connection = load([row | {"turnover": 123456789012.25} for row in rows])
    cells = computed(connection, compiled(cells_sql(("band",), measures)), ("band",))
    assert cells["Total",]["turnover"] == Decimal("123456789012.25") * 30


def test_contributions_that_are_empty_are_refused(sql_with_flags):
    connection = load(draw_contributions(9, 5, 30))
    connection.execute("delete from shops")
    with pytest.raises(duckdb.Error, match="the contributions are empty"):
        connection.execute(sql_with_flags).fetchall()
