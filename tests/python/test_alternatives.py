"""The alternatives to suppression through the gate: each publishes what it should, and nothing else gets through."""

from __future__ import annotations

import shutil

import duckdb
import pytest

from conftest import ROOT, Project

# one worker builds the four products and has all tests of them
pytestmark = pytest.mark.xdist_group("alternatives")

CONTRIBUTIONS = "select *, {{ sdc.record_key('shop_id') }} as record_key from {{ ref('stg_toy__shops') }}"
CELLS = """
{{ sdc.cells(
    relation=ref('int_alternatives__contributions'),
    dimensions={'area': {'hierarchy': ref('toy_area_hierarchy')}, 'size_band': {}},
    measures={'shops': {'count': true}, 'turnover': {'sum': 'turnover'}, 'shop_keys': {'sum': 'record_key',
    'decimals': 0}, 'mean_turnover': {'mean': ['turnover', 'shops']}},
    contributor='owner_id',
    by=['period']
) }}
"""
METHODS = {
    "rounded": "{{ sdc.round_conventional(ref('int_rounded__suppressed'), "
    "base={'shops': 5, 'turnover': 'graduated'}) }}",
    "controlled": "{{ sdc.round_controlled(ref('int_controlled__cells'), base={'shops': 5, 'turnover': 100}, "
    "rule_set='business_counts') }}",
    "perturbed": "{{ sdc.perturb(ref('int_perturbed__cells'), ptable=ref('toy_ptable'), keys={'shops': 'shop_keys'}, "
    "rule_set='business_counts', cycle=1) }}",
    "adjusted": "{{ sdc.adjust(ref('int_adjusted__cells'), rule_set='business_counts', "
    "measures=['shops', 'turnover']) }}",
}


def mart(method: str) -> str:
    measures = ["shops"] if method == "perturbed" else ["shops", "turnover", "mean_turnover"]
    columns = ",\n    ".join(["period", "area", "size_band", *[f"{{{{ sdc.published('{m}') }}}}" for m in measures]])
    return f"select\n    {columns}\nfrom {{{{ ref('int_{method}__protected') }}}}\n"


def contract(method: str) -> str:
    types = {"shops": "bigint"}
    if method != "perturbed":
        types |= dict.fromkeys(["turnover", "mean_turnover"], '"decimal(38, 2)"')
    names = ["no_disclosive_cells", "not_recoverable", "only_published_columns"]
    names += ["adds_up"] if method in ("controlled", "adjusted") else []
    lines = [f"  - name: pub_{method}", "    config: {contract: {enforced: true}}", "    data_tests:"]
    lines += [f"      - {{name: pub_{method}__{name}, test_name: {name}}}" for name in names]
    lines += ["    columns:", *[f"      - {{name: {c}, data_type: varchar}}" for c in ("period", "area", "size_band")]]
    for measure, kind in types.items():
        lines += [f"      - {{name: {measure}, data_type: {kind}}}"]
        lines += [f"      - {{name: {measure}_marker, data_type: varchar}}"]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="session")
def built_alternatives(built_toy: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The toy register published four times, once by each alternative, each a product of its own."""
    folder = tmp_path_factory.mktemp("alternatives") / "toy"
    shutil.copytree(built_toy.folder, folder, symlinks=True)
    project = Project(folder)
    for path in ("models/marts", "models/releases", "models/intermediate"):
        shutil.rmtree(folder / path)
    for path in (folder / "models").glob("_toy__*.yml"):
        path.unlink()
    shutil.copy(ROOT / "seeds/ptables/ptable_5_3.csv", folder / "seeds/classifications/toy_ptable.csv")
    project.write("models/intermediate/int_alternatives__contributions.sql", CONTRIBUTIONS)
    project.write(
        "models/intermediate/int_rounded__suppressed.sql",
        "{{ sdc.protect(ref('int_rounded__cells'), rule_set='business_counts') }}",
    )
    yaml = "models:\n"
    for method, call in METHODS.items():
        project.write(f"models/intermediate/int_{method}__cells.sql", CELLS)
        project.write(f"models/intermediate/int_{method}__protected.sql", "{{ config(access='protected') }}\n" + call)
        project.write(f"models/marts/pub_{method}.sql", mart(method))
        yaml += contract(method)
    project.write("models/_alternatives.yml", yaml)
    outcome = project.dbt("build")
    assert outcome, outcome.text
    return project


@pytest.fixture
def alternatives(built_alternatives: Project, tmp_path) -> Project:
    """A copy to change at will."""
    folder = tmp_path / "toy"
    shutil.copytree(built_alternatives.folder, folder, symlinks=True)
    return Project(folder)


def both(project: Project, method: str, measure: str) -> list[tuple]:
    """(true, published, contributors) of every cell, from the restricted database."""
    return project.restricted(
        f"select cells.{measure}, protected.{measure}, cells.{measure}_contributors "
        f"from intermediate.int_{method}__cells as cells "
        f"inner join intermediate.int_{method}__protected as protected using (period, area, size_band)"
    )


def test_every_alternative_publishes(built_alternatives):
    tables = built_alternatives.published("select table_name from information_schema.tables order by all")
    assert [name for (name,) in tables] == ["pub_adjusted", "pub_controlled", "pub_perturbed", "pub_rounded"]
    cells = built_alternatives.restricted("select count(*) from intermediate.int_rounded__cells")
    for (name,) in tables:
        assert built_alternatives.published(f"select count(*) from {name}") == cells


def test_controlled_rounding_is_adjacent(built_alternatives):
    for measure, base in (("shops", 5), ("turnover", 100)):
        rows = both(built_alternatives, "controlled", measure)
        assert rows and all(p % base == 0 and abs(p - t) < base and (t % base or p == t) for t, p, _ in rows)


def test_adjusted_values_are_away_from_the_unsafe(built_alternatives):
    for measure in ("shops", "turnover"):
        rows = both(built_alternatives, "adjusted", measure)
        assert any(n < 3 for _, _, n in rows)
        for true, published, contributors in rows:
            assert published >= 0
            if contributors < 3 and true > 0 and measure == "shops":
                assert published == 0 or published >= max(3, true + 1)
            elif contributors < 3 and true > 0:
                assert abs(published - true) >= min(true, max(1, true / 10))


@pytest.mark.parametrize("method", ["rounded", "controlled", "adjusted"])
def test_derived_measures_are_made_of_the_values_of_the_method(built_alternatives, method):
    rows = built_alternatives.published(
        f"select shops, turnover, mean_turnover, mean_turnover_marker from pub_{method}"
    )
    for shops, turnover, mean, marker in rows:
        if shops is None or turnover is None:
            assert (mean, marker) == (None, "[c]")
        else:
            assert (mean, marker) == (None, "[z]") if shops == 0 else abs(mean - turnover / shops) < 0.01
    assert sum(mean is not None for _, _, mean, _ in rows) > 10


def test_conventional_rounding_keeps_what_is_suppressed(built_alternatives):
    rows = built_alternatives.restricted(
        "select s.shops, s.shops_status, p.shops from intermediate.int_rounded__suppressed as s "
        "inner join intermediate.int_rounded__protected as p using (period, area, size_band)"
    )
    assert {status for _, status, _ in rows} >= {"safe", "primary"}
    for true, status, published in rows:
        assert published == ((2 * true + 5) // 10 * 5 if status == "safe" else None)


def test_the_same_records_have_the_same_noise(built_alternatives):
    """Cells of the same records (a total over a single part) have the same published count; most counts are changed."""
    rows = both(built_alternatives, "perturbed", "shops")
    assert all(abs(p - t) <= 5 for t, p, _ in rows) and sum(t != p for t, p, _ in rows) > len(rows) / 2
    assert not any(0 < p < 3 for _, p, _ in rows)
    pairs = built_alternatives.restricted(
        "select count(*) from intermediate.int_perturbed__cells as a inner join intermediate.int_perturbed__cells as b "
        "using (period, shops, shop_keys) inner join intermediate.int_perturbed__protected as p "
        "on p.period = a.period and p.area = a.area and p.size_band = a.size_band "
        "inner join intermediate.int_perturbed__protected as q "
        "on q.period = b.period and q.area = b.area and q.size_band = b.size_band "
        "where (a.area, a.size_band) <> (b.area, b.size_band) and p.shops is distinct from q.shops"
    )
    assert pairs == [(0,)]


def refused(project: Project, select: list[str], *says: str) -> None:
    before = project.publication()
    outcome = project.dbt("run", "--select", *select)
    assert outcome.code != 0, outcome.text
    for text in says:
        assert text in outcome.text, f"{text!r} is not in:\n{outcome.text}"
    assert project.publication() == before


# Each case is what somebody does to the protected models, one a method, and what the gate says of it.
CHANGES = {
    "another value": {
        "controlled": (
            "shops = shops + 10 where period = '2024' and area = 'N1' and size_band = '0-9'",
            "is not an adjacent multiple of the true value",
        ),
        "perturbed": ("shops = shops + 1", "is not the count with the noise of the p-table"),
        "rounded": ("shops = shops + 5", "is not the rounded value of the cell"),
        "adjusted": ("shops = shops + 1 where size_band = 'Total' and area = 'Total'", "does not add up to"),
    },
    "what must not be shown": {
        "controlled": (
            "shops = shops + 1 where period = '2024' and area = 'N1' and size_band = '0-9'",
            "is not a multiple of the base",
        ),
        "perturbed": ("shop_keys = 7, shop_keys_status = 'safe'", "shop_keys is shown, though the method does not"),
        "rounded": ("shops = 5, shops_status = 'safe' where shops_status <> 'safe'", "is shown for a suppressed cell"),
        "adjusted": (
            "shops = cells.shops from intermediate.int_adjusted__cells as cells where cells.period = "
            "int_adjusted__protected.period and cells.area = int_adjusted__protected.area and cells.size_band = "
            "int_adjusted__protected.size_band",
            "of an unsafe cell is nearer to the true value than its level",
        ),
    },
    "holes and marks": {
        "controlled": (
            "shops = case when area = 'N1' and size_band = '0-9' and period = '2024' then shops end",
            "shops does not add up to",
        ),
        "perturbed": ("shops_reliability = 'low'", "has changed the reliability of shops"),
        "adjusted": ("turnover_reliability = 'low'", "has changed the reliability of turnover"),
    },
}


@pytest.mark.parametrize("case", CHANGES)
def test_changed_protected_models_are_refused(alternatives, case):
    says = []
    for method, (change, problem) in CHANGES[case].items():
        alternatives.restricted(f"update intermediate.int_{method}__protected set {change}")
        says += [f"the gate refuses pub_{method}", problem]
    refused(alternatives, [f"pub_{method}" for method in CHANGES[case]], *says)


def test_raw_values_in_a_protected_model_are_refused(alternatives):
    methods = ["controlled", "perturbed"]
    for method in methods:
        alternatives.write(
            f"models/intermediate/int_{method}__protected.sql",
            "{{ config(access='protected') }}\nselect p.* replace (c.shops as shops) "
            f"from ({METHODS[method]}) as p "
            f"inner join {{{{ ref('int_{method}__cells') }}}} as c using (period, area, size_band)",
        )
    models = [f"{kind}{method}{end}" for method in methods for kind, end in (("int_", "__protected"), ("pub_", ""))]
    refused(alternatives, models, *[f"the gate refuses pub_{method}" for method in methods])


def test_a_mart_that_shows_another_number_is_refused(alternatives):
    alternatives.edit(
        "models/marts/pub_controlled.sql",
        "{{ sdc.published('shops') }}",
        "shops_contributors as shops,\n    cast(null as varchar) as shops_marker",
    )
    refused(alternatives, ["pub_controlled"], "shops is not the value of the cell")


def test_an_unknown_method_is_refused(alternatives):
    path = "models/intermediate/int_controlled__protected.sql"
    alternatives.write(
        path,
        "{{ config(access='protected', meta={'sdc_role': 'protected', 'sdc_method': 'magic', "
        "'sdc_rules': {'threshold': 3}, 'sdc_rule_set': 'business_counts'}) }}\n"
        "select *, 'safe' as shops_status, 'safe' as turnover_status, "
        "cast(null as varchar) as shops_reliability, cast(null as varchar) as turnover_reliability "
        "from {{ ref('int_controlled__cells') }}",
    )
    refused(alternatives, ["int_controlled__protected", "pub_controlled"], "declares the method magic")


@pytest.mark.parametrize(
    ("ptable", "says"),
    [
        ("delete from ptable where pcv = 4 and ckey = 9", "has gaps: pcv 4"),
        ("insert into ptable values (2, 5, 1)", "has overlapping rows: more than one for pcv 2"),
        ("update ptable set pvalue = -3 where pcv = 2 and ckey = 0", "makes a count of 2 negative"),
        ("delete from ptable", "has no rows"),
    ],
)
def test_an_unfit_ptable_is_an_error(built_alternatives, ptable, says):
    """The compiled model over the same cells, with another p-table."""
    compiled = built_alternatives.folder / "target" / "compiled"
    sql = next(compiled.rglob("int_perturbed__protected.sql")).read_text(encoding="utf-8")
    statements = [
        "create temp table cells as from restricted.intermediate.int_perturbed__cells",
        "create temp table ptable as from restricted.seeds.toy_ptable",
        ptable,
        sql.replace('"restricted"."intermediate"."int_perturbed__cells"', "temp.cells").replace(
            '"restricted"."seeds"."toy_ptable"', "temp.ptable"
        ),
    ]
    assert statements[-1].count("temp.") >= 2
    with pytest.raises(duckdb.Error, match=says):
        built_alternatives.restricted("; ".join(statements))


def test_a_ptable_that_leaks_or_ends_early_is_refused(alternatives):
    seed = alternatives.folder / "seeds/classifications/toy_ptable.csv"
    with duckdb.connect() as connection:
        connection.execute(f"create table t as select * replace (0 as pvalue) from read_csv('{seed}')")
        connection.execute(f"copy (from t order by all) to '{seed}' (header)")
    before = alternatives.publication()
    outcome = alternatives.dbt("build", "--select", "toy_ptable", "int_perturbed__protected", "pub_perturbed")
    assert outcome.code != 0 and "leaks: a number published for a true count of 1" in outcome.text, outcome.text
    assert alternatives.publication() == before
    alternatives.edit("models/intermediate/int_perturbed__protected.sql", ", cycle=1", "")
    refused(
        alternatives,
        ["int_perturbed__protected", "pub_perturbed"],
        "the p-table does not cover shops of period = ",
        "its largest count is 8",
    )


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("sdc.round_conventional(ref('int_toy__protected'), base=-5)", "`base` of shops must be a whole number"),
        ("sdc.round_conventional(ref('int_toy__protected'), base=10)", "`base` 10 of shops leaks under the threshold"),
        ("sdc.round_conventional(ref('int_toy__protected'), base=4)", "`base` 4 of shops leaks under the threshold"),
        ("sdc.round_conventional(ref('int_toy__protected'), base={'shop': 5})", "must name measures of the product"),
        ("sdc.round_conventional(ref('int_toy__cells'), base=5)", "suppress first, then round"),
        (
            "sdc.round_controlled(ref('int_toy__cells'), base=2, rule_set='business_counts')",
            "`base` 2 of shops leaks under the threshold",
        ),
        (
            "sdc.round_controlled(ref('int_toy__cells'), base=0, rule_set='business_counts')",
            "`base` of shops must be a whole number, 2 or more; got: 0",
        ),
        (
            "sdc.round_controlled(ref('int_toy__cells'), base=5, rule_set='none')",
            "one of the rule sets in the variable sdc_rule_sets",
        ),
        (
            "sdc.perturb(ref('int_toy__cells'), ref('toy_area_hierarchy'), {'turnover': 'shops'}, 'business_counts')",
            "`keys` must be about counts; turnover is not a count",
        ),
        (
            "sdc.perturb(ref('int_toy__cells'), ref('toy_area_hierarchy'), {'shops': 'shops'}, 'business_counts')",
            "must name a measure that sums record keys",
        ),
        (
            "sdc.perturb(ref('int_toy__cells'), ref('toy_area_hierarchy'), {'shops': 'turnover'}, 'business_counts', "
            "cycle=0)",
            "`cycle` must be a whole number, 1 or more",
        ),
        ("sdc.adjust(ref('int_toy__cells'), 'business_counts', percent=0)", "`percent` must be above 0"),
        ("sdc.adjust(ref('int_toy__cells'), 'business_counts', measures=['shop'])", "must be measures of the product"),
        ("sdc.record_key('shop_id', keys=100)", "`keys` must be 256 or 4096"),
    ],
)
def test_arguments_are_checked(compile_inline, call, says):
    message = compile_inline("{{ " + call + " }}")
    assert says in message and "sdc." in message, message
