"""The gate, attacked: nothing disclosive reaches the publication, whatever is edited and whichever command is run."""

from __future__ import annotations

import re

import pytest

MART = "models/marts/pub_toy_by_area_and_size.sql"
SECONDARIES = """
    select period, area, size_band from intermediate.int_toy__protected
    where shops_status = 'secondary' order by all
"""


def refused(project, *says: str, select: str = "pub_toy_by_area_and_size") -> str:
    """Run a mart with `dbt run` and check that it is refused, says why, and leaves the publication as it was."""
    before = project.publication()
    outcome = project.dbt("run", "--select", select)
    assert outcome.code != 0, outcome.text
    for text in (select.split()[0], *says):
        assert text in outcome.text, f"{text!r} is not in:\n{outcome.text}"
    assert project.publication() == before
    return outcome.text


def test_publishes_marts_and_files(built_toy):
    assert set(built_toy.publication()) == {
        "publication.duckdb",
        "toy-by-area.csv",
        "toy-by-area.parquet",
        "toy-by-area-and-size.csv",
        "toy-by-area-and-size.parquet",
    }
    suppressed = built_toy.published("select count(*) from pub_toy_by_area_and_size where shops_marker = '[c]'")
    secondary = built_toy.restricted(
        "select count(*) from intermediate.int_toy__protected where shops_status <> 'safe'"
    )
    assert suppressed == secondary and secondary[0][0] > 0
    assert built_toy.published(
        "select count(*) from pub_toy_by_area_and_size where shops is null and shops_marker is null"
    ) == [(0,)]


@pytest.mark.parametrize("which", [0, -1])
def test_unsuppressing_a_needed_secondary_is_refused(toy, which):
    period, area, size = toy.restricted(SECONDARIES)[which]
    toy.restricted(
        "update intermediate.int_toy__protected set shops_status = 'safe' "
        f"where period = '{period}' and area = '{area}' and size_band = '{size}'"
    )
    text = refused(toy, "the gate refuses pub_toy_by_area_and_size", "can be recovered")
    assert f"period = {period}" in text


def test_unsuppressing_a_secondary_in_the_models_sql_is_refused(toy):
    period, area, size = toy.restricted(SECONDARIES)[0]
    model = "models/intermediate/int_toy__protected.sql"
    call = (toy.folder / model).read_text(encoding="utf-8").strip()
    toy.write(
        model,
        f"select * replace (case when period = '{period}' and area = '{area}' and size_band = '{size}' "
        f"then 'safe' else shops_status end as shops_status) from ({call})",
    )
    refused(toy, "the gate refuses", "can be recovered", select="pub_toy_by_area_and_size int_toy__protected")


def test_unsuppressing_a_primary_is_refused(toy):
    toy.restricted("update intermediate.int_toy__protected set shops_status = 'safe' where shops_status = 'primary'")
    refused(toy, "unsafe by the rule threshold but not suppressed")


def test_changing_contributor_counts_in_the_protected_model_is_refused(toy):
    toy.restricted(
        "update intermediate.int_toy__protected set shops_status = 'safe', shops_contributors = 99 "
        "where shops_status = 'primary'"
    )
    refused(toy, "has changed shops of a cell")


def test_dropping_cells_from_the_protected_model_is_refused(toy):
    toy.restricted("delete from intermediate.int_toy__protected where shops_status <> 'safe'")
    refused(toy, "do not have the same cells")


def test_a_missing_status_is_refused(toy):
    toy.restricted("update intermediate.int_toy__protected set shops_status = null where area = 'N1'")
    refused(toy, "has no status")


def test_a_mart_that_shows_suppressed_values_is_refused(toy):
    toy.edit(MART, "{{ sdc.published('shops') }}", "shops,\n    cast(null as varchar) as shops_marker")
    refused(toy, "shops is shown for a suppressed cell")


def test_a_mart_that_changes_values_is_refused(toy):
    toy.edit(
        MART,
        "{{ sdc.published('shops') }}",
        "case when shops_status = 'safe' then shops + 1 end as shops,\n"
        "    case when shops_status = 'safe' then cast(null as varchar) else '[c]' end as shops_marker",
    )
    refused(toy, "shops is not the value of the cell")


def test_a_mart_with_foreign_columns_is_refused(toy):
    """Statistics of the contributors, intervals and explanations are for output checkers only."""
    foreign = {
        "shops_contributors": "bigint",
        "shops_lower": "double",
        "shops_protects": "varchar[]",
        "shops_through": "varchar",
        "shops_margin": "double",
    }
    toy.edit(MART, "size_band,", "size_band,\n" + "".join(f"    {column},\n" for column in foreign))
    size_band = "      - {name: size_band, data_type: varchar}\n"
    toy.edit(
        "models/_toy__models.yml",
        size_band,
        size_band + "".join(f'      - {{name: {name}, data_type: "{type_}"}}\n' for name, type_ in foreign.items()),
    )
    refused(toy, *[f"column {column} is not a dimension, label or published measure" for column in foreign])


def test_a_value_smuggled_in_a_label_is_refused(toy):
    toy.edit("models/marts/pub_toy_by_area.sql", "area_label,", "cast(shops as varchar) as area_label,")
    refused(toy, "area_label is not the label of the code", select="pub_toy_by_area")


def test_a_mart_without_rows_is_refused(toy):
    toy.write(MART, (toy.folder / MART).read_text(encoding="utf-8") + "where area = 'nowhere'\n")
    refused(toy, "the table is empty")


def test_a_mart_of_another_slice_is_refused(toy):
    toy.edit("models/marts/pub_toy_by_area.sql", "size_band = {{ sdc.total() }}", "size_band = '0-9'")
    refused(toy, "is not the value of the cell", select="pub_toy_by_area")


def test_a_mart_with_hooks_is_refused(toy):
    toy.write(MART, "{{ config(post_hook='select 1') }}\n" + (toy.folder / MART).read_text(encoding="utf-8"))
    refused(toy, "it has hooks")


def test_a_mart_without_contract_is_refused(toy):
    toy.write(MART, "{{ config(contract={'enforced': false}) }}\n" + (toy.folder / MART).read_text(encoding="utf-8"))
    refused(toy, "no enforced contract")


def test_a_mart_on_staging_is_a_parse_error(toy):
    toy.write("models/marts/pub_leak.sql", "select area, turnover from {{ ref('stg_toy__shops') }}")
    refused(toy, "stg_toy__shops", "private", select="pub_leak")


@pytest.mark.parametrize("parent", ["stg_toy__shops", "int_toy__cells"])
def test_a_mart_on_confidential_models_is_refused_where_access_was_loosened(toy, parent):
    toy.edit("dbt_project.yml", "+access: private", "+access: public")
    toy.write("models/marts/pub_leak.sql", f"select period, area, 1 as shops from {{{{ ref('{parent}') }}}}")
    middle = " <- int_toy__cells" if parent == "int_toy__cells" else ""
    refused(toy, f"pub_leak{middle} <- stg_toy__shops <- shops", select="pub_leak")


def test_a_mart_that_joins_staging_beside_the_protected_model_is_refused(toy):
    toy.edit("dbt_project.yml", "+access: private", "+access: public")
    toy.write(
        MART,
        (toy.folder / MART).read_text(encoding="utf-8")
        + "where area in (select area from {{ ref('stg_toy__shops') }})\n",
    )
    refused(toy, "pub_toy_by_area_and_size <- stg_toy__shops <- shops")


def test_a_mart_that_names_no_model_is_refused(toy):
    toy.write("models/marts/pub_leak.sql", "select period, area, shops from restricted.intermediate.int_toy__cells")
    refused(toy, "pub_leak", "past disclosure control", select="pub_leak")


@pytest.mark.parametrize("kind", ["table", "view", "incremental"])
def test_other_materializations_cannot_write_to_the_publication(toy, kind):
    toy.write(
        "models/marts/pub_leak.sql",
        f"{{{{ config(materialized='{kind}') }}}}\nselect * from {{{{ ref('int_toy__protected') }}}}",
    )
    refused(toy, "in the publication database", select="pub_leak")


def test_a_release_that_does_not_select_from_a_mart_is_refused(toy):
    toy.write(
        "models/releases/rel_leak.sql",
        "{{ config(location=sdc.release_location('rel_leak')) }}\nselect * from {{ ref('int_toy__protected') }}",
    )
    toy.edit("dbt_project.yml", "+access: private", "+access: public")
    refused(toy, "a release selects from exactly one mart", select="rel_leak")
    assert not (toy.folder / ".sdc/publication/leak.parquet").exists()


def test_a_release_that_changes_numbers_is_refused(toy):
    toy.edit("models/releases/rel_toy_by_area.sql", "select *", "select * replace (shops + 1 as shops)")
    refused(toy, "rows of toy-by-area.parquet are not rows of pub_toy_by_area", select="rel_toy_by_area")


def test_a_cells_model_with_sql_of_its_own_is_refused(toy):
    model = "models/intermediate/int_toy__cells.sql"
    call = (toy.folder / model).read_text(encoding="utf-8").strip()
    toy.write(model, f"select * replace (99 as shops_contributors) from (\n{call}\n)")
    refused(toy, "is not one call of sdc.cells()", select="int_toy__cells pub_toy_by_area")


def test_ungated_content_in_the_working_copy_is_not_promoted(toy):
    toy.write(
        "models/marts/pub_toy_by_area.sql",
        "{{ config(sql_header='create table if not exists publication.main.leak as select 1 as a;') }}\n"
        + (toy.folder / "models/marts/pub_toy_by_area.sql").read_text(encoding="utf-8"),
    )
    toy.dbt("run", "--select", "pub_toy_by_area+")
    assert toy.published("select count(*) from information_schema.tables where table_name = 'leak'") == [(0,)]


def test_tables_of_one_product_are_published_together(toy):
    """After the data changed, publishing one table of two would let readers subtract old from new."""
    toy.edit("models/staging/stg_toy__shops.sql", "{{ var('toy_filter', 'true') }}", "shop_id <> 'shop0001'")
    toy.edit("models/staging/stg_toy__shops.sql", "cast(period as varchar)", "cast(period as varchar)")
    before = toy.publication()
    outcome = toy.dbt("run", "--select", "+pub_toy_by_area", "rel_toy_by_area")
    assert outcome.code != 0
    assert "different suppression patterns" in outcome.text and "pub_toy_by_area_and_size" in outcome.text
    assert toy.publication() == before
    assert toy.dbt("run")
    assert toy.publication() != before


def test_a_stale_release_file_is_refused(toy):
    toy.edit("models/staging/stg_toy__shops.sql", "{{ var('toy_filter', 'true') }}", "shop_id <> 'shop0001'")
    before = toy.publication()
    outcome = toy.dbt("run", "--exclude", "rel_toy_by_area")
    assert outcome.code != 0 and "rel_toy_by_area" in outcome.text and "build the file again" in outcome.text
    assert toy.publication() == before


def test_a_failed_model_anywhere_leaves_the_publication_as_it_was(toy):
    toy.write("models/staging/stg_toy__broken.sql", "select * from {{ ref('stg_toy__shops') }} where no_such_column")
    before = toy.publication()
    assert toy.dbt("run").code != 0
    assert toy.publication() == before


def test_empty_runs_publish_nothing(toy):
    before = toy.publication()
    toy.dbt("run", "--empty")
    assert toy.publication() == before


def test_no_variable_goes_below_the_policys_floor(toy):
    """Rule sets are variables; the floor is not. A lower threshold on the command line changes nothing."""
    statuses = "select * exclude (cell_id) from intermediate.int_toy__protected order by all"
    before = toy.restricted(statuses), {k: v for k, v in toy.publication().items() if k.endswith(".csv")}
    lowered = "{sdc_rule_sets: {business_counts: {threshold: 1}}, sdc_policy_floor: {threshold: 1}}"
    assert toy.dbt("run", "--vars", lowered)
    assert toy.restricted(statuses) == before[0]
    assert {k: v for k, v in toy.publication().items() if k.endswith(".csv")} == before[1]


def test_a_stricter_rule_set_is_applied_to_the_whole_product(toy):
    few = "select count(*) from intermediate.int_toy__protected where shops_status = 'primary'"
    before = toy.restricted(few)[0][0]
    assert toy.dbt("run", "--vars", "{sdc_rule_sets: {business_counts: {threshold: 10}}}")
    assert toy.restricted(few)[0][0] > before
    below = (
        "select count(*) from intermediate.int_toy__protected where shops_contributors < 10 and shops_status = 'safe'"
    )
    assert toy.restricted(below) == [(0,)]


def test_ignoring_the_project_check_does_not_help(toy):
    """dbt can be told to go on after a failed on-run-start; the promotion checks again."""
    toy.edit("dbt_project.yml", "skip_nodes_if_on_run_start_fails: true", "skip_nodes_if_on_run_start_fails: false")
    toy.edit("dbt_project.yml", "+access: private", "+access: public")
    toy.write(
        "models/releases/rel_leak.sql",
        "{{ config(location=sdc.release_location('rel_leak')) }}\nselect * from {{ ref('int_toy__protected') }}",
    )
    refused(toy, "a release selects from exactly one mart", select="rel_leak")


def test_a_release_that_repeats_rows_is_refused(toy):
    """How often a row is repeated could say anything."""
    toy.edit(
        "models/releases/rel_toy_by_area.sql",
        "from {{ ref('pub_toy_by_area') }}",
        "from {{ ref('pub_toy_by_area') }} cross join range(2)",
    )
    toy.edit("models/releases/rel_toy_by_area.sql", "select *", "select * exclude (range)")
    refused(toy, "are not rows of pub_toy_by_area", select="rel_toy_by_area")


def test_suppressing_a_released_cell_is_refused(toy):
    """`frozen` is told to suppression, and the gate holds the protected model to it."""
    period = toy.restricted("select min(period) from intermediate.int_toy__cells")[0][0]
    toy.write(
        "models/intermediate/int_toy__released.sql",
        f"select '{period}' as period, 'Total' as area, 'Total' as size_band",
    )
    toy.edit(
        "models/intermediate/int_toy__protected.sql",
        "'business_counts'",
        "'business_counts', frozen=ref('int_toy__released')",
    )
    outcome = toy.dbt(
        "run", "--select", "int_toy__released int_toy__protected pub_toy_by_area_and_size pub_toy_by_area"
    )
    assert outcome, outcome.text
    toy.restricted(
        "update intermediate.int_toy__protected set turnover_status = 'secondary' "
        f"where period = '{period}' and area = 'Total' and size_band = 'Total'"
    )
    refused(toy, f"suppresses a cell that is released already (frozen): period = {period}, area = Total")


def test_where_no_table_goes_to_the_lowest_codes_contributions_are_counted_by_the_hierarchy(toy):
    """The cells then do not tell where the contributions belong; the data test says so, and takes the hierarchy."""
    toy.edit(
        "models/intermediate/int_toy__cells.sql",
        "by=['period']",
        "by=['period'], tables=[[{'area': {'depth': 1}}, 'size_band']]",
    )
    build = "build", "--select", "int_toy__cells+", "--exclude", "test_type:unit"
    name = "pub_toy_by_area__no_disclosive_cells"
    before = toy.dbt(*build)
    assert re.search(rf"FAIL \d+ {name}", before.text), before.text
    toy.edit(
        "models/_toy__models.yml",
        "test_name: no_disclosive_cells}",
        "test_name: no_disclosive_cells, arguments: {hierarchies: {area: toy_area_hierarchy}}}",
    )
    after = toy.dbt(*build)
    assert after and f"PASS {name}" in after.text, after.text
