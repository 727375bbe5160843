"""Every mistake an analyst can make with the data or the hierarchies gets one clear message, and nothing is lost."""

from __future__ import annotations

import json

import pytest

HIERARCHY = "seeds/classifications/toy_area_hierarchy.csv"


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        (
            {"toy_owner": "nullif(owner_id, 'owner001')"},
            ["int_toy__cells", "contributor `owner_id` is NULL in", "rows"],
        ),
        (
            {"toy_area": "replace(area, 'N1', 'X9')"},
            ["dimension `area`", "codes that its hierarchy does not know: X9"],
        ),
        ({"toy_area": "replace(area, 'N1', 'N')"}, ["dimension `area`", "sums of other codes: N"]),
        ({"toy_area": "nullif(area, 'N1')"}, ["dimension `area` is NULL in"]),
        ({"toy_turnover": "'-' || turnover"}, ["measure `turnover` has", "negative contributions"]),
        ({"toy_filter": "false"}, ["contributions are empty"]),
        ({"toy_size": "'Total'"}, ["dimension `size_band` has the code Total"]),
    ],
)
def test_unfit_contributions_are_named(toy, variables, says):
    before = toy.publication()
    outcome = toy.dbt("run", "--vars", json.dumps(variables))
    assert outcome.code != 0
    for text in says:
        assert text in outcome.text, outcome.text
    assert "PLANTED" not in outcome.text
    assert toy.publication() == before


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("N,Total,North", "N,N1,North", ["cycle through: N, N1"]),
        ("S,Total,South", "S,,South", ["must have one root, with the code Total", "S, Total"]),
        ("S,Total,South", "S,Nowhere,South", ["names parents that are not codes of it: Nowhere"]),
        ("N3,N,Northby", "N3,N,Northby\nN3,S,Northby", ["lists these codes more than once: N3"]),
        ("Total,,Everywhere", "UK,,Everywhere", ["must have one root"]),
    ],
)
def test_broken_hierarchies_are_named(toy, old, new, says):
    before = toy.publication()
    toy.edit(HIERARCHY, old, new)
    outcome = toy.dbt("build", "--exclude-resource-type", "unit_test")
    assert outcome.code != 0
    for text in ["hierarchy of `area`", *says]:
        assert text in outcome.text, outcome.text
    assert toy.publication() == before


DERIVED = "{'shops': {'count': true}, 'turnover': {'sum': 'turnover'}, 'derived': {%s}}"
CELLS = {
    "relation": "ref('stg_toy__shops')",
    "dimensions": "{'area': {'hierarchy': ref('toy_area_hierarchy')}, 'size_band': {}}",
    "measures": "{'shops': {'count': true}}",
    "contributor": "'owner_id'",
    "by": "['period']",
}


@pytest.mark.parametrize(
    ("argument", "value", "says"),
    [
        ("dimensions", "'area'", "`dimensions` must be a mapping"),
        ("dimensions", "{}", "`dimensions` must be a mapping of at least one dimension"),
        ("dimensions", "{'Area Code': {}}", "`dimensions` must be named by lower-case column names"),
        ("dimensions", "{'area': {'hierachy': 1}}", "got: hierachy"),
        ("dimensions", "{'period': {}}", "a `by` column has no total"),
        ("measures", "['shops']", "`measures` must be a mapping"),
        ("measures", "{'area': {'count': true}}", "named unlike every dimension"),
        ("measures", "{'shops': {'max': 'turnover'}}", "asks for a max, which is some contributor's own value"),
        ("measures", "{'shops': {'minimum': 'turnover'}}", "is never published. A quantile is interpolated"),
        ("measures", "{'shops': {'average': 'turnover'}}", 'one of {"count": true}'),
        ("measures", "{'shops': {'weight': 'grossing'}}", 'one of {"count": true}'),
        ("measures", "{'shops': {'count': true, 'weight': none}}", "weighted by a column; got: None"),
        ("measures", "{'shops': {'sum': true}}", "about a column; got: True"),
        ("measures", "{'shops': {'sum': 'turnover', 'negatives': 'drop'}}", '"negatives": "absolute"'),
        ("measures", "{'shops': {'count': true, 'negatives': 'absolute'}}", "made of the keys count, weight, decimals"),
        ("measures", "{'shops': {'count': true, 'decimals': -1}}", "0 to 9 decimals; got: -1"),
        ("measures", "{'turnover': {'sum': 'turnover'}, 'turnover_largest': {'count': true}}", "`turnover_largest`"),
        (
            "measures",
            DERIVED % "'mean': ['turnover', 'staff']",
            "measures of this product that are counts or sums (shops, turnover); got: staff",
        ),
        ("measures", DERIVED % "'mean': ['shops', 'turnover']", "a sum over a count"),
        ("measures", DERIVED % "'mean': 'turnover'", "made of two measures"),
        (
            "measures",
            DERIVED % "'mean': ['turnover', 'shops'], 'weight': 'w'",
            "made of the keys mean, decimals; got: weight",
        ),
        ("measures", DERIVED % "'ratio': ['turnover', 'derived']", "counts or sums (shops, turnover); got: derived"),
        ("measures", DERIVED % "'growth': 'turnover', 'over': 'area'", "growth over one of the `by` columns"),
        (
            "measures",
            DERIVED % "'quantile': 'turnover', 'of': 'shops', 'at': 0.5",
            "a dimension of bands (area, size_band)",
        ),
        ("measures", DERIVED % "'quantile': 'size_band', 'of': 'turnover', 'at': 0.5", "a quantile of a count"),
        ("measures", DERIVED % "'quantile': 'size_band', 'of': 'shops', 'at': 50", "a share between 0 and 1"),
        ("measures", DERIVED % "'quantile': 'size_band', 'of': 'shops', 'at': 0.5", '"bounds" of every band'),
        (
            "measures",
            DERIVED
            % "'quantile': 'size_band', 'of': 'shops', 'at': 0.5, 'bounds': {'0-9': [0, 10], '50+': [50, none]}",
            "each beginning where the one before it ends",
        ),
        ("measures", "{'mean': {'mean': ['turnover', 'shops']}}", "counts or sums (); got: turnover"),
        ("requests", "true", "`requests` must be the name of a boolean column"),
        ("waivers", "'Waived by'", "`waivers` must be the name of a boolean column"),
        ("measures", "{'shops': {'count': true, 'sum': 'turnover'}}", 'one of {"count": true}'),
        ("contributor", "none", "`contributor` must be the name of the column"),
        ("by", "'period'", "`by` must be a list of column names"),
        (
            "tables",
            "[['area', 'colour']]",
            "`tables` must be made of the dimensions area, size_band; got: colour",
        ),
        ("tables", "['area']", "`tables` must be a list of lists"),
        ("tables", "[['size_band', {'area': {'depth': 0}}]]", "limited by a depth of 1 or more"),
    ],
)
def test_arguments_of_cells_are_checked(compile_inline, argument, value, says):
    arguments = {**CELLS, argument: value}
    message = compile_inline("{{ sdc.cells(" + ", ".join(f"{k}={v}" for k, v in arguments.items()) + ") }}")
    assert "sdc.cells in" in message and says in message, message


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            "sdc.protect(ref('int_toy__cells'), rule_set='everything')",
            "one of the rule sets in the variable sdc_rule_sets: business_counts",
        ),
        (
            "sdc.protect(ref('int_toy__cells'), rule_set='business_counts', rules={'thresold': 9})",
            "made of the rules threshold",
        ),
        (
            "sdc.protect(ref('int_toy__cells'), rule_set='business_counts', rules={'threshold': 2})",
            "weaker than the 3",
        ),
        (
            "sdc.protect(ref('int_toy__cells'), rule_set='business_counts', rules={'threshold': 'ten'})",
            "a whole number of contributors",
        ),
        (
            "sdc.protect(ref('int_toy__cells'), rule_set='business_counts', method='magic')",
            "auto, heuristic or optimal",
        ),
        (
            "sdc.protect(ref('int_toy__cells'), rule_set='business_counts', cost='free')",
            "`cost` must be value, count, unity, log, power, distance or column:<name>; got: free",
        ),
        (
            "sdc.protect(ref('int_toy__cells'), rule_set='business_counts', cost='column:owner_id')",
            "`cost` must be column: and a number of the cells model (records, shops, shops_contributors, turnover, "
            "turnover_contributors, turnover_absolute, turnover_zero_contributors); got: column:owner_id",
        ),
        (
            "sdc.protect(ref('int_toy__cells'), rule_set='business_counts', previous={'period': '2024'})",
            "`previous` must be a relation",
        ),
        (
            "sdc.protect(ref('int_toy__cells'), rule_set='business_counts', frozen=[['2024', 'N1', 'Total']])",
            "`frozen` must be a relation",
        ),
        (
            "sdc.protect(ref('int_toy__cells'), rule_set='business_counts', explain='all')",
            "`explain` must be true or false",
        ),
        (
            "sdc.protect(ref('int_toy__cells'), rule_set='business_counts', pinning='no')",
            "`pinning` must be true or false",
        ),
        (
            "sdc.protect(ref('stg_toy__shops'), rule_set='business_counts')",
            "expects exactly one cells model upstream",
        ),
        ("sdc.published('Turnover, shops')", "`measure` must be the name of a measure"),
    ],
)
def test_arguments_of_the_other_macros_are_checked(compile_inline, call, says):
    message = compile_inline("{{ " + call + " }}")
    assert says in message, message
