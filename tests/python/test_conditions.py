"""Conditions from policy, rule set, agreement, register and model: the strictest counts, for the gate too."""

from __future__ import annotations

import json

import pytest

PROTECTED = "models/intermediate/int_toy__protected.sql"
SOURCES = "models/staging/_toy__sources.yml"
RULE_SETS = (
    "business_counts",
    "business_survey",
    "people",
    "people_sensitive",
    "household_survey",
    "health",
    "research_output",
)
EXCEPTION = {
    "id": "E1",
    "model": "int_toy__protected",
    "rule": "threshold",
    "parameter": "contributors",
    "value": 5,
    "approved_by": "data owner",
    "from": "2020-01-01",
    "until": "9999-12-31",
    "reason": "agreed with the supplier",
}


def own_rules(toy, rules: dict) -> None:
    toy.write(PROTECTED, f"{{{{ sdc.protect(ref('int_toy__cells'), rule_set='business_counts', rules={rules}) }}}}\n")


def register(toy, name: str, entries: list[dict]) -> None:
    """Replace a register in dbt_project.yml (JSON is YAML)."""
    lines = (toy.folder / "dbt_project.yml").read_text(encoding="utf-8").splitlines()
    lines = [f"  {name}: {json.dumps(entries)}" if line.startswith(f"  {name}:") else line for line in lines]
    toy.write("dbt_project.yml", "\n".join(lines) + "\n")


def agreement(toy, conditions: dict, table_conditions: dict | None = None) -> None:
    table = f"\n            sdc_conditions: {json.dumps(table_conditions)}" if table_conditions else ""
    toy.edit(
        SOURCES,
        "  - name: toy\n",
        f"  - name: toy\n    config: {{meta: {{sdc_agreement: DSA-7, sdc_conditions: {json.dumps(conditions)}}}}}\n",
    )
    toy.edit(SOURCES, "          meta:", f"          meta:{table}")


def refused(toy, *says: str, command: tuple[str, ...] = ("run",)) -> None:
    before = toy.publication()
    outcome = toy.dbt(*command)
    assert outcome.code != 0, outcome.text
    for text in says:
        assert text in outcome.text, f"{text!r} is not in:\n{outcome.text}"
    assert toy.publication() == before


def test_an_agreement_holds_for_every_mart_below_its_source(toy):
    """With no edit in any model: every mart uses 10. A table of the source cannot take back what the source says."""
    agreement(toy, {"threshold": 10}, {"threshold": 4})
    # the gate does not believe a pattern made before the agreement
    refused(
        toy, "unsafe by the rule threshold", command=("run", "--select", "pub_toy_by_area pub_toy_by_area_and_size")
    )
    assert toy.dbt("run")
    few = (
        "select count(*) from intermediate.int_toy__protected "
        "where {m}_status = 'safe' and {m}_contributors between {a} and {b}"
    )
    assert toy.restricted(few.format(m="shops", a=1, b=9)) == [(0,)]
    assert toy.restricted(few.format(m="turnover", a=1, b=9)) == [(0,)]

    own_rules(toy, {"threshold": 5})
    refused(
        toy, "int_toy__protected", "threshold (contributors) 5", "weaker than the 10 of agreement DSA-7 (toy.shops)"
    )

    register(toy, "sdc_exceptions", [EXCEPTION])
    assert toy.dbt("run")
    assert toy.restricted(few.format(m="shops", a=5, b=9)) != [(0,)]
    assert toy.restricted(few.format(m="shops", a=1, b=4)) == [(0,)]

    register(toy, "sdc_exceptions", [EXCEPTION | {"until": "2024-01-31"}])
    refused(toy, "sdc_exceptions E1 for int_toy__protected expired on 2024-01-31")


def test_special_categories_bring_their_conditions(toy):
    """A rule set for businesses does not lower what the policy asks for people's health."""
    meta = "    config: {meta: {sdc_special_categories: [health]}}\n"
    toy.edit(SOURCES, "  - name: toy\n", "  - name: toy\n" + meta)
    own_rules(toy, {"threshold": 5})
    refused(toy, "threshold (contributors) 5", "weaker than the 10 of special categories (toy.shops)")
    toy.edit(SOURCES, "[health]", "[health, shoe size]")
    refused(toy, "sdc_special_categories of toy.shops", "shoe size", "trade union membership")


def test_a_listed_cell_is_suppressed_and_a_stale_pattern_refused(toy):
    entry = {
        "id": "M1",
        "model": "int_toy__protected",
        "cell": {"area": "N", "size_band": "10-49"},
        "reason": "court order",
        "owner": "data steward",
        "until": "9999-12-31",
    }
    register(toy, "sdc_manual_cells", [entry])
    refused(toy, "unsafe by the rule manual", command=("run", "--select", "pub_toy_by_area_and_size"))
    assert toy.dbt("run")
    assert toy.published(
        "select distinct shops_marker from pub_toy_by_area_and_size where area = 'N' and size_band = '10-49'"
    ) == [("[c]",)]
    register(toy, "sdc_manual_cells", [entry | {"cell": {"area": "N9"}}])
    refused(toy, "sdc_manual_cells M1 names no cell of the product")
    register(toy, "sdc_manual_cells", [entry | {"model": "int_toys__protected"}])
    refused(toy, "sdc_manual_cells M1 is for int_toys__protected, which is not a protected model")


def test_registers_are_refused_on_the_command_line(toy):
    refused(
        toy,
        "`sdc_exceptions` must be a register in dbt_project.yml",
        command=("run", "--vars", json.dumps({"sdc_exceptions": [EXCEPTION]})),
    )


def test_real_parameters_come_from_the_environment(toy):
    """They are what runs; what is published names the rule set only."""
    real = json.dumps({"business_counts": {"threshold": 17}})
    outcome = toy.dbt("run", SDC_RULE_SETS=real)
    assert outcome
    assert toy.restricted(
        "select count(*) from intermediate.int_toy__protected "
        "where shops_status = 'safe' and shops_contributors between 1 and 16"
    ) == [(0,)]
    assert "17" not in [str(v) for row in toy.restricted("select rule_set from governance.gate_log") for v in row]
    assert real not in outcome.text
    refused_outcome = toy.dbt("run", SDC_RULE_SETS="not JSON: 17")
    assert refused_outcome.code != 0 and "`SDC_RULE_SETS` must be JSON" in refused_outcome.text
    assert "not JSON" not in refused_outcome.text


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ({"p_percent": {"q": 5}}, "`rules: p_percent` must be made of the parameters p, m; got: q"),
        ({"p_percent": {"m": 2}}, "given its parameter p"),
        ({"p_percent": {"p": 0}}, "a percentage of the largest contribution"),
        ({"dominance": {"k": 75, "n": 6}}, "`rules: dominance: n` must be a whole number of contributors, 1 to 5"),
        ({"threshold": {"records": 2.5}}, "a whole number of records"),
        ({"threshold": True}, "given at least one of its parameters contributors, records"),
        ({"request": {"share": 50}}, "name the column with cells(..., requests="),
        ({"manual": {"cells": []}}, "are in the register sdc_manual_cells"),
        ({"group_disclosure": {"attributes": ["colour"]}}, "dimensions of the product: area, size_band; got: colour"),
    ],
)
def test_parameters_are_checked_by_name(compile_inline, rules, says):
    message = compile_inline(f"{{{{ sdc.protect(ref('int_toy__cells'), rule_set='business_counts', rules={rules}) }}}}")
    assert "sdc.protect in" in message and says in message, message


def test_every_parameter_has_its_direction(compile_inline):
    """A model may go to the stricter side of its rule set and not to the other, whichever side that is."""
    stricter = {
        "threshold": {"contributors": 4},
        "p_percent": {"p": 20, "m": 2},
        "dominance": {"k": 70, "n": 3},
        "prior_posterior": {"p": 20, "q": 40},
        "request": {"share": 40, "contributors": 4, "level": 20},
        "group_disclosure": {"share": 90, "all_but": 2},
        "unweighted_base": {"suppress": 20, "mark": 40},
        "zero": {"range": 5},
    }
    weaker = {
        "threshold": {"contributors": 3},
        "p_percent": {"p": 10, "m": 1},
        "dominance": {"k": 75, "n": 2},
        "prior_posterior": {"p": 10, "q": 50},
        "request": {"share": 50, "contributors": 3, "level": 10},
        "group_disclosure": {"share": 100, "all_but": 1},
        "unweighted_base": {"suppress": 10, "mark": 30},
        "zero": {"range": 1},
    }
    told = [
        "{%- set known = sdc._rules() -%}",
        f"{{%- set weaker = {weaker} -%}}{{%- set stricter = {stricter} -%}}{{%- set wrong = [] -%}}",
        "{%- for rule, values in stricter.items() -%}{%- for name, value in values.items() -%}",
        "{%- set parameter = known[rule].parameters[name] -%}",
        "{%- if sdc._stricter(parameter, value, weaker[rule][name]) != value -%}",
        "{%- do wrong.append(rule ~ '.' ~ name) -%}{%- endif -%}{%- endfor -%}{%- endfor -%}",
        "{%- for rule, declared in known.items() if rule != 'manual' -%}",
        "{%- set seen = ['attributes', 'records'] + stricter[rule].keys() | list -%}",
        "{%- for name in declared.parameters if name not in seen -%}",
        "{%- do wrong.append(rule ~ '.' ~ name ~ ' is not tested') -%}{%- endfor -%}{%- endfor -%}",
        "{{ exceptions.raise_compiler_error('wrong: ' ~ wrong | join(', ')) }}",
    ]
    message = compile_inline("".join(told))
    assert message.split("wrong:")[1].split("\n")[0].strip() == "", message


def test_the_rule_sets_of_the_policy_are_all_valid(compile_inline):
    sets = "".join(
        f"{{%- do told.append(tojson(sdc._rules_in_force(model, '{name}', {{}}).threshold.contributors)) -%}}"
        for name in RULE_SETS
    )
    message = compile_inline(
        "{%- set told = [] -%}" + sets + "{{ exceptions.raise_compiler_error('told: ' ~ told | join(' ')) }}"
    )
    assert "told: 3 3 5 10 10 8 10" in message, message
