"""Ways around the gate that a reading of its code suggested; each was open once, and is shut."""

from __future__ import annotations

import duckdb
import pytest

from test_gate import MART, refused


def test_a_row_without_a_key_is_refused(toy):
    """A NULL code matches no cell; it must not make the complaint NULL as well."""
    toy.write(
        MART,
        (toy.folder / MART).read_text(encoding="utf-8")
        + "union all\nselect period, cast(null as varchar), size_band, shops, cast(null as varchar)\n"
        + "from {{ ref('int_toy__protected') }} where shops_status = 'primary' and area = 'S3' and size_band = '50+'\n",
    )
    refused(toy, "not a cell of the product", "area = NULL")


def test_a_release_elsewhere_than_the_working_folder_is_refused(toy):
    """Written straight into publication/, a file would be public before anything was checked."""
    toy.write(
        "models/releases/rel_leak.sql",
        "{{ config(location='publication/leak.parquet') }}\n"
        "select * from restricted.intermediate.int_toy__cells -- {{ ref('pub_toy_by_area') }}\n",
    )
    refused(toy, "rel_leak", "publication/leak.parquet", select="rel_leak")


def test_the_working_folder_is_not_a_variable(toy):
    before = toy.publication()
    toy.edit("models/releases/rel_toy_by_area.sql", "select *", "select * replace (shops + 1 as shops)")
    assert toy.dbt("run", "--select", "rel_toy_by_area", "--vars", "sdc_release_folder: publication").code != 0
    assert toy.publication() == before


def test_sql_beside_the_call_of_cells_is_refused(toy):
    model = "models/intermediate/int_toy__cells.sql"
    call = (toy.folder / model).read_text(encoding="utf-8").strip()
    toy.write(model, f"{call}\nunion all by name select 1 as records where {{{{ (1) }}}} = 2 {{{{ ('') }}}}")
    refused(toy, "is not one call of sdc.cells()", select="int_toy__cells pub_toy_by_area")


@pytest.mark.parametrize("config", ["post_hook='select 1'", "pre_hook='select 1'", "sql_header='select 1;'"])
def test_a_cells_model_with_hooks_is_refused(toy, config):
    model = "models/intermediate/int_toy__cells.sql"
    call = (toy.folder / model).read_text(encoding="utf-8")
    toy.write(model, f"{{{{ config({config}) }}}}\n{call}")
    refused(toy, "int_toy__cells", "hooks", select="int_toy__cells pub_toy_by_area")


def test_a_stale_protected_model_is_refused(toy):
    """The cells were corrected, the protected model was not built again: what it calls safe may be so no longer."""
    toy.restricted(
        "update intermediate.int_toy__cells set shops_contributors = 1 where period = '2025' and area = 'N1' "
        "and size_band = '0-9'"
    )
    refused(toy, "has changed shops of a cell")


def test_data_tests_that_looked_at_nothing_fail(toy):
    """An empty mart cannot come through the gate; should there be one, no test may call it safe."""
    with duckdb.connect(str(toy.folder / "publication.duckdb")) as connection:
        connection.execute("delete from pub_toy_by_area")
    outcome = toy.dbt("test", "--select", "pub_toy_by_area,test_type:data")
    assert outcome.code != 0
    for test in ("no_disclosive_cells", "not_recoverable", "adds_up", "only_published_columns"):
        assert f"Failure in test pub_toy_by_area__{test}" in outcome.text, outcome.text


def test_data_tests_see_rows_that_are_no_cells(toy):
    with duckdb.connect(str(toy.folder / "publication.duckdb")) as connection:
        connection.execute("insert into pub_toy_by_area values ('2024', 'Nowhere', 'Nowhere', 1, null, 1, null)")
    outcome = toy.dbt("test", "--select", "pub_toy_by_area,test_type:data")
    assert outcome.code != 0
    for test in ("no_disclosive_cells", "not_recoverable", "adds_up"):
        assert f"Failure in test pub_toy_by_area__{test}" in outcome.text, outcome.text
