"""Every primary rule against its definition, in plain Python with exact fractions: known answers, edges, random cells.

The oracle knows nothing of the macros: it tries every target that has not waived its protection against the attackers
that see most, where the macros look at the largest target only.
"""

from __future__ import annotations

import itertools
import json
import random
from fractions import Fraction

import duckdb
import pytest

from sdc.engine.rules import Rules

PRODUCT = {
    "dimensions": ["cell"],
    "totals": {"cell": "Total"},
    "by": [],
    "measures": {"turnover": {"kind": "sum"}},
    "requests": "asked",
}


def contributions(amounts, waived=(), asked=()):
    """A cell's contributors, one for each amount (None: unknown), those at places `waived` and `asked` marked."""
    return [
        {"contributor": f"c{place}", "amount": amount, "waived": place in waived, "asked": place in asked}
        for place, amount in enumerate(amounts)
    ]


def judge(compiled, rule, asked, cells, measures=None, product=None):
    """[(rule or None, upl)] for each cell (a list of contributions), by the macros."""
    measures = measures or PRODUCT["measures"]
    product = {**PRODUCT, "measures": measures, **(product or {})}
    sql = compiled(f"{{{{ sdc._primary_cells('turnover', {product}, {{'{rule}': {asked}}}, key=['cell']) }}}}")
    with duckdb.connect() as connection:
        connection.execute(
            "create table contributions (cell int, contributor varchar, amount decimal(18, 3), "
            "waived boolean, asked boolean)"
        )
        rows = [(i, *c.values()) for i, cell in enumerate(cells) for c in cell]
        if rows:
            connection.executemany("insert into contributions values (?, ?, ?, ?, ?)", rows)
        connection.execute(f"create table ids as select unnest(range({len(cells)})) as cell")
        connection.execute(
            """
            create table cells as
            select
                cast(cell as varchar) as cell,
                coalesce(sum(amount), 0) as turnover,
                count(contributor) as turnover_contributors,
                case when count(contributor) = 1 then min(contributor) end as turnover_sole_contributor,
                (list(struct_pack(contributor := contributor, amount := amount, waived := waived)
                    order by abs(amount) desc, contributor) filter (where contributor is not null))[:5]
                    as turnover_largest,
                sum(abs(amount)) as turnover_absolute,
                max(abs(amount)) filter (where asked) as turnover_requested_largest,
                count(*) filter (where asked) as requests,
                count(contributor) * 2 as records,
                count(contributor) as turnover_unweighted,
            from ids left join contributions using (cell)
            group by cell
            """
        )
        found = dict(connection.execute(f"select cell, (rule, upl) from ({sql})").fetchall())
    return [found[str(i)] for i in range(len(cells))]


# --- the definitions


def worst(cell, attackers):
    """(target, known to the attackers) for every target: attackers are the largest others."""
    for target in cell:
        if not target["waived"]:
            others = sorted((abs(c["amount"]) for c in cell if c is not target), reverse=True)
            yield abs(target["amount"]), sum(others[:attackers])


def p_percent(cell, p, m):
    size = sum(abs(c["amount"]) for c in cell)
    return max((Fraction(p) / 100 * t - (size - t - k) for t, k in worst(cell, m)), default=0), True


def dominance(cell, k, n):
    size = sum(abs(c["amount"]) for c in cell)
    return max((Fraction(100) / k * (t + o) - size for t, o in worst(cell, n - 1)), default=0), True


def prior_posterior(cell, p, q):
    size = sum(abs(c["amount"]) for c in cell)
    return max((Fraction(p) / q * t - (size - t - k) for t, k in worst(cell, 1)), default=0), True


MAGNITUDE_RULES = [
    ("p_percent", p_percent, {"p": 10, "m": 1}),
    ("p_percent", p_percent, {"p": 15, "m": 2}),
    ("p_percent", p_percent, {"p": 7, "m": 3}),
    ("dominance", dominance, {"k": 75, "n": 1}),
    ("dominance", dominance, {"k": 85, "n": 2}),
    ("dominance", dominance, {"k": 90, "n": 5}),
    ("prior_posterior", prior_posterior, {"p": 10, "q": 50}),
]


@pytest.mark.parametrize(("rule", "definition", "asked"), MAGNITUDE_RULES)
def test_rules_of_concentration_are_their_definition(compiled, rule, definition, asked):
    """Random cells of up to five contributors with ties, zeros, negatives and waivers."""
    draw = random.Random(repr(asked))
    sizes = [1, 2, 3, 5, 8, 10, 20, 50, 100, 0, -10, -40]
    cells = []
    for _ in range(1500):
        count = draw.randrange(6)
        cells.append(
            contributions(
                [draw.choice(sizes) for _ in range(count)],
                waived=[i for i in range(count) if draw.random() < 0.3],
            )
        )
    unsafe = 0
    for cell, (found, upl) in zip(cells, judge(compiled, rule, asked, cells), strict=True):
        level, _ = definition(cell, **asked)
        assert (found == rule) == (level > 0), (cell, found, level)
        assert upl == pytest.approx(max(0, float(level))), cell
        unsafe += level > 0
    assert 100 < unsafe < 1400


@pytest.mark.parametrize(("rule", "definition", "asked"), MAGNITUDE_RULES)
def test_targets_beyond_the_five_listed_are_never_missed(compiled, rule, definition, asked):
    """Larger cells where the largest have waived: the macros may be stricter than the definition, never weaker."""
    draw = random.Random(rule)
    cells = [
        contributions(
            sorted((draw.choice([1, 2, 30, 100]) for _ in range(draw.randrange(6, 10))), reverse=True),
            waived=range(draw.randrange(8)),
        )
        for _ in range(500)
    ]
    for cell, (found, upl) in zip(cells, judge(compiled, rule, asked, cells), strict=True):
        level, _ = definition(cell, **asked)
        if level > 0:
            assert found == rule and upl >= float(level) - 1e-9, cell
        elif not any(c["waived"] for c in cell[:5]):
            assert found is None, cell


def test_public_known_answers_of_the_p_percent_rule(compiled):
    cells = [contributions(c) for c in ([50, 30, 20], [900, 50, 40, 5], [100, 100, 9], [100, 100, 10])]
    assert judge(compiled, "p_percent", {"p": 10, "m": 1}, cells) == [
        (None, 0.0),
        ("p_percent", 45.0),
        ("p_percent", 1.0),
        (None, 0.0),
    ]


def test_edges_are_on_the_safe_side_of_the_definition(compiled):
    """Exactly the limit is safe for every rule: `< T`, `> k`, `< p`."""
    assert [r for r, _ in judge(compiled, "dominance", {"k": 90, "n": 2}, [contributions([50, 40, 10])])] == [None]
    assert [r for r, _ in judge(compiled, "dominance", {"k": 90, "n": 2}, [contributions([50, 40.001, 9.999])])] == [
        "dominance"
    ]
    # decimals are exact: in floating point, 7 % of 100 is more than 7
    seven = [contributions([100, 50, 7]), contributions([100, 50, 6.999])]
    assert [r for r, _ in judge(compiled, "p_percent", {"p": 7, "m": 1}, seven)] == [None, "p_percent"]


def test_threshold_counts_contributors_and_records(compiled):
    cells = [contributions([1] * n) for n in (0, 1, 2, 3, 4)]
    rules = [r for r, _ in judge(compiled, "threshold", {"contributors": 3, "records": None}, cells)]
    assert rules == [None, "threshold", "threshold", None, None]
    # two records for each contributor
    rules = [r for r, _ in judge(compiled, "threshold", {"contributors": None, "records": 6}, cells)]
    assert rules == [None, "threshold", "threshold", None, None]
    assert all(level == 0 for _, level in judge(compiled, "threshold", {"contributors": 3, "records": 8}, cells))


def test_zero_is_sensitive_only_with_contributors(compiled):
    cells = [contributions(c) for c in ([], [0], [0, 0, 0], [0, 1], [5, -5])]
    found = judge(compiled, "zero", {"range": 2}, cells)
    assert found == [(None, 0.0), ("zero", 2.0), ("zero", 2.0), (None, 0.0), ("zero", 2.0)]


def test_requests_protect_by_share_and_by_number(compiled):
    cells = [
        contributions([60, 20, 20], asked=[0]),
        contributions([50, 25, 25], asked=[0]),
        contributions([60, 20, 20]),
        contributions([50, 50], asked=[1]),
        contributions([], asked=[]),
    ]
    found = judge(compiled, "request", {"share": 50, "contributors": 3, "level": 10}, cells)
    assert found == [("request", 10.0), (None, 0.0), (None, 0.0), ("request", 10.0), (None, 0.0)]


@pytest.mark.parametrize(("suppress", "mark"), [(10, 30)])
def test_unweighted_base_suppresses_below_one_limit_and_marks_below_another(compiled, suppress, mark):
    weighted = {"turnover": {"kind": "sum", "weight": "weight"}}
    asked = {"suppress": suppress, "mark": mark}
    cells = [contributions([1] * n) for n in (0, 9, 10, 29, 30)]
    assert [r for r, _ in judge(compiled, "unweighted_base", asked, cells, weighted)] == [
        None,
        "unweighted_base",
        None,
        None,
        None,
    ]
    unweighted = judge_all(compiled, {"unweighted_base": asked, "threshold": {"contributors": 1}}, cells)
    assert [r for r, _ in unweighted] == [None] * 5
    sql = compiled(
        "{% set product = {'measures': {'turnover': {'kind': 'sum', 'weight': 'weight'}}} %}"
        f"select {{{{ sdc._reliability('turnover', product, {{'unweighted_base': {asked}}}) }}}}"
        " from (values (9), (29), (30), (null)) as cells (turnover_unweighted)"
    )
    assert duckdb.sql(sql).fetchall() == [("low",), ("low",), (None,), ("low",)]


def test_the_largest_level_of_several_rules_counts(compiled):
    cells = [contributions([900, 50, 40, 5]), contributions([100, 100])]
    for cell in cells:
        both = judge_all(compiled, {"p_percent": {"p": 10, "m": 1}, "dominance": {"k": 75, "n": 1}}, [cell])
        expected = max(0, p_percent(cell, 10, 1)[0], dominance(cell, 75, 1)[0])
        assert both[0][1] == pytest.approx(float(expected))


def judge_all(compiled, in_force, cells):
    """Like `judge`, with several rules."""
    first, *rest = in_force.items()
    asked = f"{first[1]}, " + ", ".join(f"'{rule}': {given}" for rule, given in rest)
    return judge(compiled, first[0], asked, cells)


UNKNOWN = {
    "turnover_contributors": "cast(null as bigint)",
    "turnover_largest": "null",
    "turnover_absolute": "cast(null as decimal(18, 2))",
    "turnover": "cast(null as decimal(18, 2))",
    "turnover_unweighted": "cast(null as bigint)",
    "records": "cast(null as bigint)",
    "requests": "cast(null as bigint)",
    "turnover_requested_largest": "cast(null as decimal(18, 2))",
}
SAFE_CELL = """
    select 'a' as cell, 100.00 as turnover, 10 as turnover_contributors, 'x' as turnover_sole_contributor,
        [struct_pack(contributor := c, amount := cast(10 as decimal(18, 2)), waived := false)
            for c in ['a', 'b', 'c', 'd', 'e']] as turnover_largest,
        cast(100 as decimal(18, 2)) as turnover_absolute, 10 as turnover_unweighted, 10 as records,
        1 as requests, 10.00 as turnover_requested_largest
"""


@pytest.mark.parametrize(
    ("rule", "asked", "unknown"),
    [
        ("threshold", {"contributors": 3, "records": None}, "turnover_contributors"),
        ("threshold", {"contributors": 3, "records": 3}, "records"),
        *[
            (rule, asked, unknown)
            for rule, _, asked in MAGNITUDE_RULES[::3]
            for unknown in ("turnover_largest", "turnover_absolute")
        ],
        ("zero", {"range": 0}, "turnover"),
        ("request", {"share": 50, "contributors": None, "level": 10}, "turnover_requested_largest"),
        ("unweighted_base", {"suppress": 5, "mark": 9}, "turnover_unweighted"),
    ],
)
def test_what_is_not_known_is_unsafe(compiled, rule, asked, unknown):
    product = {**PRODUCT, "measures": {"turnover": {"kind": "sum", "weight": "w"}}}
    sql = compiled(f"{{{{ sdc._primary_cells('turnover', {product}, {{'{rule}': {asked}}}, key=['cell']) }}}}")
    with_safe = f"with cells as ({SAFE_CELL}) {sql}"
    with_unknown = (
        f"with cells as (select * replace ({UNKNOWN[unknown]} as {unknown}) from ({SAFE_CELL})) {sql}"
        if unknown != "turnover_largest"
        else f"with cells as (select * replace (turnover_largest[:3] as turnover_largest) from ({SAFE_CELL})) {sql}"
    )
    assert duckdb.sql(f"select rule from ({with_safe})").fetchall() == [(None,)]
    assert duckdb.sql(f"select rule from ({with_unknown})").fetchall() == [(rule,)]


def test_an_amount_that_is_not_known_is_unsafe(compiled):
    cells = [contributions([100, 90, 80]), contributions([100, None, 80])]
    assert [r for r, _ in judge(compiled, "p_percent", {"p": 10, "m": 1}, cells)] == [None, "p_percent"]


@pytest.mark.parametrize("kind", ["sum", "records"])
def test_sums_must_pass_the_rules_about_contributors_and_concentration(compiled, kind):
    """By parameters that the engine reads; counts have contributors only."""
    concentration = {
        "dominance": {"k": 75, "n": 2},
        "p_percent": {"p": 10, "m": 1},
        "prior_posterior": {"p": 10, "q": 50},
    }
    in_force = {
        "threshold": {"contributors": 3, "records": 5},
        **concentration,
        "request": {"share": 50, "contributors": 3, "level": 10},
        "group_disclosure": {"share": 100, "all_but": 1, "attributes": []},
        "unweighted_base": {"suppress": 10, "mark": 30},
        "zero": {"range": 0},
    }
    product = {**PRODUCT, "measures": {"turnover": {"kind": kind}}}

    def of_sums(in_force, unions="true"):
        return json.loads(
            compiled(f"{{{{ tojson(sdc._rules_of_sums('turnover', {in_force}, {product}, {unions})) }}}}")
        )

    asked = of_sums(in_force)
    assert asked == {"threshold": 3, **(concentration if kind == "sum" else {})}
    assert len(Rules.of(asked).concentration) == len(asked) - 1
    assert of_sums(in_force, "false") == {}
    assert of_sums({"zero": {"range": 0}}) == {}


# --- cells of a cube


def cube(draw, people):
    """{(area, sex, health): people} with all totals, from random people."""
    cells: dict[tuple, int] = {}
    for _ in range(people):
        person = (draw.choice("AB"), draw.choice("FM"), draw.choices("123", weights=[8, 1, 1])[0])
        for key in itertools.product(*[(code, "Total") for code in person]):
            cells[key] = cells.get(key, 0) + 1
    return cells


@pytest.mark.parametrize("attributes", [[], ["health"], ["health", "sex"]])
def test_group_disclosure_is_all_or_all_but_one_of_a_group(compiled, attributes):
    product = {
        "dimensions": ["area", "sex", "health"],
        "totals": dict.fromkeys(["area", "sex", "health"], "Total"),
        "by": ["year"],
        "measures": {"people": {"kind": "records"}, "income": {"kind": "sum"}},
    }
    asked = {"share": 100, "all_but": 1, "attributes": attributes}
    key = ["year", "area", "sex", "health"]
    sql = {
        measure: compiled(
            f"{{{{ sdc._primary_cells('{measure}', {product}, {{'group_disclosure': {asked}}}, key={key}) }}}}"
        )
        for measure in product["measures"]
    }
    draw = random.Random(7)
    cubes = {year: cube(draw, draw.randrange(1, 40)) for year in range(60)}
    rows = [(str(year), *cell, n) for year, cells in cubes.items() for cell, n in cells.items()]
    with duckdb.connect() as connection:
        connection.execute("create table given (year varchar, area varchar, sex varchar, health varchar, n int)")
        connection.executemany("insert into given values (?, ?, ?, ?, ?)", rows)
        connection.execute(
            "create table cells as select *, n as people, n as people_contributors, null as people_sole_contributor, "
            "n as income, if(sex = 'F', 0, n) as income_contributors, null as income_sole_contributor from given"
        )
        found = {
            measure: set(
                connection.execute(
                    f"select year, area, sex, health from ({query}) where rule = 'group_disclosure'"
                ).fetchall()
            )
            for measure, query in sql.items()
        }
    expected = set()
    for year, cells in cubes.items():
        everybody = cells["Total", "Total", "Total"]
        for cell, n in cells.items():
            for place, name in enumerate(["area", "sex", "health"]):
                group = cells[tuple("Total" if i == place else c for i, c in enumerate(cell))]
                everywhere = cells[tuple(c if i == place else "Total" for i, c in enumerate(cell))]
                named = not attributes or name in attributes
                if named and cell[place] != "Total" and everywhere < everybody and group - n <= 1:
                    expected.add((str(year), *cell))
    assert found["people"] == expected and expected
    # what its count makes primary is primary in every measure with contributors in the cell
    assert found["income"] == {cell for cell in expected if cell[2] != "F"}


def test_listed_cells_are_suppressed_with_their_level(compiled):
    product = {**PRODUCT, "dimensions": ["area", "size"], "totals": {"area": "Total", "size": "All"}, "by": ["year"]}
    entries = [
        {"id": "M1", "cell": {"area": "O'Hare"}, "level": 5},
        {"id": "M2", "cell": {"area": "B", "size": "10+", "year": "2024"}, "measure": "turnover"},
        {"id": "M3", "cell": {"area": "C"}, "measure": "employment"},
    ]
    sql = compiled(
        f"{{{{ sdc._primary_cells('turnover', {product}, {{'manual': {{'cells': {entries}}}}}, "
        "key=['year', 'area', 'size']) }}"
    )
    rows = [
        ("2024", "O'Hare", "All"),
        ("2024", "B", "10+"),
        ("2025", "B", "10+"),
        ("2024", "B", "All"),
        ("2024", "C", "All"),
    ]
    with duckdb.connect() as connection:
        connection.execute("create table cells (year varchar, area varchar, size varchar)")
        connection.executemany("insert into cells values (?, ?, ?)", rows)
        connection.execute("alter table cells add turnover decimal(18, 2) default 20")
        connection.execute("alter table cells add turnover_contributors bigint default 9")
        connection.execute("alter table cells add turnover_sole_contributor varchar")
        found = connection.execute(
            f"select year, area, size, upl from ({sql}) where rule = 'manual' order by all"
        ).fetchall()
    assert found == [("2024", "B", "10+", 0.0), ("2024", "O'Hare", "All", 5.0)]


def test_codes_of_sole_contributors_are_dense_in_each_system(compiled):
    product = {**PRODUCT, "by": ["year"]}
    sql = compiled(
        f"{{{{ sdc._primary_cells('turnover', {product}, "
        "{'threshold': {'contributors': 3, 'records': none}}, key=['year', 'cell']) }}"
    )
    given = (
        "with cells as (select *, 1.0 as turnover, 1 as turnover_contributors from ("
        "values ('1', 'a', 'x'), ('1', 'b', null), ('1', 'c', 'y'), ('1', 'd', 'x'), ('2', 'a', 'y')"
        ") as cells (year, cell, turnover_sole_contributor)) "
    )
    assert duckdb.sql(f"{given} select contributor from ({sql}) order by year, cell").fetchall() == [
        (1,),
        (None,),
        (2,),
        (1,),
        (1,),
    ]


def test_waivers_have_a_scope_and_an_expiry(compiled):
    sql = compiled("select contributor, {{ sdc.waived('contributor', 'register', 'shops') }} as waived from given")
    entries = [
        ("W1", "a", "shops", "2020-01-01", "9999-12-31"),
        ("W2", "b", "other", "2020-01-01", "9999-12-31"),
        ("W3", "c", "shops", "9998-01-01", "9999-12-31"),
    ]
    columns = "id varchar, contributor varchar, product varchar, valid_from varchar, valid_until varchar"
    with duckdb.connect() as connection:
        connection.execute("create table given as select unnest(['a', 'b', 'c', null]) as contributor")
        connection.execute(f"create table register ({columns})")
        connection.executemany("insert into register values (?, ?, ?, ?, ?)", entries)
        assert connection.execute(f"select * from ({sql}) order by 1").fetchall() == [
            ("a", True),
            ("b", False),
            ("c", False),
            (None, False),
        ]
        for until in ("2024-12-31", None):
            connection.execute("insert into register values ('W4', 'secret name', 'shops', '2020-01-01', ?)", [until])
            with pytest.raises(duckdb.Error, match="waiver W4 has expired") as caught:
                connection.execute(sql).fetchall()
            assert "secret name" not in str(caught.value)
            connection.execute("delete from register where id = 'W4'")


def test_the_gate_wants_the_marker_u_exactly_where_a_base_is_low(compiled):
    product = {**PRODUCT, "measures": {"turnover": {"kind": "weighted_sum", "weight": "weight"}}, "derived": {}}
    sql = compiled(
        f"{{{{ sdc._gate_rows('mart', ['cell', 'turnover', 'turnover_marker'], {product}, "
        "{'relation_name': 'protected'}) }}"
    )
    with duckdb.connect() as connection:
        connection.execute(
            "create table protected as select * from (values ('a', 'safe', 'low', 5), ('b', 'safe', null, 6), "
            "('c', 'primary', 'low', 7)) as t (cell, turnover_status, turnover_reliability, turnover)"
        )
        for markers, wrong in [
            (("[u]", None, "[c]"), set()),
            ((None, "[u]", "[u]"), {"cell = a", "cell = b", "cell = c"}),
        ]:
            connection.execute("create or replace table mart (cell varchar, turnover int, turnover_marker varchar)")
            connection.executemany("insert into mart values (?, ?, ?)", zip("abc", (5, 6, None), markers, strict=True))
            assert {p.split(": ")[1] for (p,) in connection.execute(sql).fetchall()} == wrong


@pytest.mark.parametrize("weight", [None, "weight"])
def test_statuses_are_told_again_with_the_reliability(compiled, weight):
    """A protected model that hides a low base, or calls an unsafe cell safe, is refused by the gate's own look."""
    product = {**PRODUCT, "node": "model.x", "relation": "cells", "measures": {"adopters": {"kind": "weighted_count"}}}
    product["measures"]["adopters"]["weight"] = weight
    sql = compiled(
        f"{{% set product = {product} %}}"
        "{{ sdc._gate_statuses(product, {'name': 'p', 'relation_name': 'protected', 'config': {'meta': {}}}, "
        "{'threshold': {'contributors': 3, 'records': none}, 'unweighted_base': {'suppress': 10, 'mark': 30}}) }}"
    )
    with duckdb.connect() as connection:
        connection.execute(
            "create table cells as select cast(n as varchar) as cell, '' as cell_label, [] as cell_parents, "
            "n as adopters, n as adopters_contributors, null as adopters_sole_contributor, "
            "n as adopters_unweighted, n as records "
            "from (values (2), (9), (20), (40)) as t (n)"
        )
        connection.execute(
            "create table protected as select *, if(adopters = 2, 'primary', 'safe') as adopters_status, "
            "null::varchar as adopters_reliability from cells"
        )
        problems = sorted(p for (p,) in connection.execute(sql).fetchall())
    if weight is None:
        assert problems == []
    else:
        assert problems == [
            "adopters of a cell is unsafe by the rule unweighted_base but not suppressed: cell = 9",
            "p has changed the reliability of adopters of a cell: cell = 2",
            "p has changed the reliability of adopters of a cell: cell = 20",
        ]
