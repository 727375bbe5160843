"""The synthetic inputs: reproducible, of the promised shape, and calibrated on the published figures."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sdc.demo import build_seeds, companies, register, technology_survey
from sdc.demo.calibration import PROJECT_SEEDS, read_counts, read_records

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def local_units() -> pa.Table:
    return register.generate(60_000, seed=7)


@pytest.fixture(scope="module")
def extract() -> pa.Table:
    return companies.generate(20_000, seed=7)


def rows(query: str, **tables: pa.Table) -> list[tuple]:
    with duckdb.connect() as connection:
        for name, table in tables.items():
            connection.register(name, table)
        return connection.execute(query).fetchall()


def test_register_is_reproducible_and_depends_on_the_seed(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        register.main(["--local-units", "2000", "--seed", str(seed), "--output", str(tmp_path / f"{name}.parquet")])
    content = {path.stem: path.read_bytes() for path in tmp_path.iterdir()}
    assert content["a"] == content["b"]
    assert content["a"] != content["c"]


def test_register_has_the_asked_number_of_units_and_its_documented_columns(local_units: pa.Table) -> None:
    assert local_units.num_rows == 60_000
    assert local_units.schema.field("turnover").type == pa.decimal128(15, 2)
    assert local_units.column_names == [
        "period",
        "local_unit_reference",
        "local_unit_name",
        "enterprise_reference",
        "enterprise_name",
        "enterprise_group_reference",
        "sic2007_class",
        "enterprise_sic2007_class",
        "itl3_code",
        "is_headquarters",
        "employment",
        "turnover",
    ]
    assert all(column.null_count == 0 for column in local_units.columns)


def test_register_is_consistent(local_units: pa.Table) -> None:
    """One headquarters, one group and one class an enterprise; keys unique; amounts not negative."""
    broken = rows(
        """
        select enterprise_reference from local_units
        group by enterprise_reference
        having
            count(*) filter (where is_headquarters) <> 1
            or count(distinct enterprise_group_reference) <> 1
            or count(distinct enterprise_sic2007_class) <> 1
            or any_value(enterprise_sic2007_class) <> any_value(sic2007_class) filter (where is_headquarters)
        """,
        local_units=local_units,
    )
    assert broken == []
    facts = rows(
        "select count(distinct local_unit_reference), min(employment), min(turnover) from local_units",
        local_units=local_units,
    )
    assert facts[0][0] == 60_000
    assert facts[0][1] >= 0
    assert facts[0][2] >= Decimal(0)


def test_register_codes_are_those_of_the_hierarchies(local_units: pa.Table) -> None:
    areas = {record["code"] for record in read_records("classifications/area_hierarchy")}
    classes = {record["code"].replace(".", "") for record in read_records("classifications/industry_hierarchy")}
    assert set(local_units["itl3_code"].to_pylist()) <= areas
    assert set(local_units["sic2007_class"].to_pylist()) <= classes


@pytest.mark.parametrize(
    ("seed", "column"),
    [
        ("ons_2024_local_units_by_region", "left(itl3_code, 3)"),
        ("ons_2024_local_units_by_size_band", "size_band"),
    ],
)
def test_register_follows_the_published_local_units(local_units: pa.Table, seed: str, column: str) -> None:
    """Shares by ITL1 area and by size band lie within five standard errors of the published ones."""
    table = read_counts(seed)
    published = table.values.sum(axis=0) / table.values.sum()
    bands = [f"band_{code.replace('-', '_').replace('+', '_or_more')}" for code, _, _ in build_seeds.SIZE_BANDS]
    band = "case " + " ".join(
        f"when employment >= {lowest} then '{name}'"
        for name, (_, lowest, _) in reversed(list(zip(bands, build_seeds.SIZE_BANDS, strict=True)))
    )
    counted = dict(
        rows(
            f"select {column}, count(*) from (select *, {band} end as size_band from units) group by all",
            units=local_units,
        )
    )
    counted = {key.lower(): number for key, number in counted.items()}
    shares = np.array([counted.get(name, 0) for name in table.columns]) / local_units.num_rows
    errors = np.sqrt(published * (1 - published) / local_units.num_rows)
    assert np.all(np.abs(shares - published) <= 5 * errors)


def test_register_has_about_the_published_number_of_enterprises(local_units: pa.Table) -> None:
    units = read_counts("ons_2024_local_units_by_size_band").values.sum()
    enterprises = read_counts("ons_2024_enterprises_by_size_band").values.sum()
    number = len(set(local_units["enterprise_reference"].to_pylist()))
    assert number / local_units.num_rows == pytest.approx(enterprises / units, abs=0.02)


def test_register_follows_the_published_turnover_bands(local_units: pa.Table) -> None:
    """The share of enterprises below GBP 250,000 is the published one, but for those that dominate a cell."""
    table = read_counts("ons_2024_enterprises_by_turnover_band")
    published = table.values[:, :3].sum() / table.values.sum()
    share = rows(
        """
        select avg((turnover < 250)::integer)
        from (select sum(turnover) as turnover from local_units group by enterprise_reference)
        """,
        local_units=local_units,
    )[0][0]
    assert share == pytest.approx(published, abs=0.02)


def test_register_has_chains_groups_and_dominant_enterprises(local_units: pa.Table) -> None:
    chains = rows(
        """
        select max(areas), max(classes), count(*) filter (where units > 1)
        from (
            select
                count(*) as units,
                count(distinct itl3_code) as areas,
                count(distinct sic2007_class) as classes
            from local_units group by enterprise_reference
        )
        """,
        local_units=local_units,
    )[0]
    assert chains[0] >= 20
    assert chains[1] >= 2
    assert chains[2] >= 500
    largest_group = rows(
        "select max(enterprises) from (select count(distinct enterprise_reference) as enterprises "
        "from local_units group by enterprise_group_reference)",
        local_units=local_units,
    )[0][0]
    assert largest_group >= 10
    dominated, cells = rows(
        """
        select count(*) filter (where largest >= 0.695 * total), count(*)
        from (
            select max(turnover) as largest, sum(turnover) as total
            from local_units group by sic2007_class, itl3_code having count(*) >= 3
        )
        """,
        local_units=local_units,
    )[0]
    assert dominated >= 0.125 * cells * 0.9


def test_earlier_periods_lack_the_units_born_since() -> None:
    table = register.generate(5_000, seed=3, periods=("2024", "2023"))
    by_period = dict(rows("select period, list(local_unit_reference) from t group by 1", t=table))
    assert len(by_period["2024"]) == 5_000
    assert set(by_period["2023"]) < set(by_period["2024"])
    assert 0.80 * 5_000 < len(by_period["2023"]) < 0.97 * 5_000
    assert rows(
        "select count(*) from (select 1 from t group by period, enterprise_reference "
        "having count(*) filter (where is_headquarters) <> 1)",
        t=table,
    ) == [(0,)]


@pytest.mark.parametrize("number", [1, 2, 17])
def test_tiny_registers_are_whole(number: int) -> None:
    assert register.generate(number).num_rows == number


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"local_units": 0}, "local_units"),
        ({"local_units": 10**9}, "local_units"),
        ({"periods": ()}, "periods"),
        ({"periods": ("2024", "2024")}, "periods"),
    ],
)
def test_register_names_the_argument_it_refuses(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        register.generate(**arguments)


def test_csv_on_request_and_no_other_format(tmp_path: Path) -> None:
    register.main(["--local-units", "10", "--output", str(tmp_path / "r.csv")])
    assert len((tmp_path / "r.csv").read_text().splitlines()) == 11
    with pytest.raises(ValueError, match=r"\.parquet or \.csv"):
        register.main(["--local-units", "10", "--output", str(tmp_path / "r.xlsx")])
    assert [path.name for path in tmp_path.iterdir()] == ["r.csv"]


def test_missing_calibration_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="ons_2024_local_units_by_region"):
        register.generate(10, seeds=tmp_path)


def test_companies_are_reproducible_and_obviously_synthetic(extract: pa.Table) -> None:
    assert extract.equals(companies.generate(20_000, seed=7))
    facts = rows(
        """
        select
            count(distinct company_number),
            count(*) filter (where starts_with(company_number, 'ZZ') and length(company_number) = 8),
            count(*) filter (where regexp_full_match(postcode, '[A-Z]{1,2}[0-9]{1,2} [0-9][CIKMOV]{2}')),
            max(incorporation_date)
        from extract
        """,
        extract=extract,
    )[0]
    assert facts[:3] == (20_000, 20_000, 20_000)
    assert str(facts[3]) <= "2024-10-31"


def test_companies_have_districts_codes_and_gaps_like_the_register(extract: pa.Table) -> None:
    districts = {record["code"] for record in read_records("classifications/postcode_district_hierarchy")}
    assert {code.split()[0] for code in extract["postcode"].to_pylist()} <= districts
    without_code = extract["sic5_1"].null_count
    assert 0 < without_code < 400
    assert extract["sic5_2"].null_count > 0.7 * extract.num_rows
    without_first = rows("select count(*) from t where sic5_1 is null and sic5_2 is not null", t=extract)
    assert without_first == [(0,)]


@pytest.fixture(scope="module")
def survey(local_units: pa.Table) -> pa.Table:
    return technology_survey.generate(local_units, 5_000, seed=7)


def test_survey_is_reproducible_whatever_the_order_of_the_register(local_units: pa.Table, survey: pa.Table) -> None:
    shuffled = local_units.take(pa.array(np.random.default_rng(1).permutation(local_units.num_rows)))
    assert survey.equals(technology_survey.generate(shuffled, 5_000, seed=7))
    assert not survey.equals(technology_survey.generate(local_units, 5_000, seed=8))


def test_survey_asks_enterprises_of_the_register_once(local_units: pa.Table, survey: pa.Table) -> None:
    odd = rows(
        """
        select enterprise_reference
        from survey
        left join (
            select
                enterprise_reference,
                min(enterprise_group_reference) as enterprise_group_reference,
                min(enterprise_sic2007_class) as sic2007_class,
                min(itl3_code) filter (where is_headquarters) as itl3_code,
                cast(sum(employment) as integer) as employment
            from units group by all
        ) as enterprises
            using (enterprise_reference, enterprise_group_reference, sic2007_class, itl3_code, employment)
        group by enterprise_reference
        having count(*) <> 1 or count(enterprises.employment) <> 1
        """,
        survey=survey,
        units=local_units,
    )
    assert odd == []


def test_survey_weights_add_up_to_the_register_in_each_stratum(local_units: pa.Table, survey: pa.Table) -> None:
    """Also over all enterprises, since every stratum has respondents; nobody stands for less than itself."""
    sums = rows("select stratum, sum(weight), count(*), min(weight) from t group by stratum", t=survey)
    for stratum, total, respondents, least in sums:
        assert least >= 1, stratum
        assert abs(total - round(total)) <= Decimal("0.000001") * respondents, stratum
    enterprises = len(set(local_units["enterprise_reference"].to_pylist()))
    assert round(sum(total for _, total, _, _ in sums)) == enterprises


def test_survey_has_nonresponse_and_more_adopters_where_enterprises_are_large_or_digital(survey: pa.Table) -> None:
    assert 1_500 < survey.num_rows < 4_500
    for technology in technology_survey.TECHNOLOGIES:
        column = survey[technology.name]
        assert column.null_count / survey.num_rows == pytest.approx(technology_survey.ITEM_NONRESPONSE, abs=0.02)
        small, large = rows(
            f"select avg({technology.name}::int) filter (where employment < 10), "
            f"avg({technology.name}::int) filter (where employment >= 50) from t",
            t=survey,
        )[0]
        assert large > small, technology.name
    digital, other = rows(
        "select avg(uses_artificial_intelligence::int) filter (where stratum like 'D_, %'), "
        "avg(uses_artificial_intelligence::int) filter (where stratum not like 'D_, %') from t",
        t=survey,
    )[0]
    assert digital > other


@pytest.mark.parametrize("units", [1, 17])
def test_tiny_surveys_ask_everybody_and_somebody_answers(units: int) -> None:
    answered = technology_survey.generate(register.generate(units), 1)
    assert 1 <= answered.num_rows <= units
    assert all(name in answered.column_names for name in (each.name for each in technology_survey.TECHNOLOGIES))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda units: (units, 0), "sample"),
        (lambda units: (units.slice(0, 0), 10), "no rows"),
        (lambda units: (units.drop_columns(["employment", "period"]), 10), "employment, period"),
    ],
)
def test_survey_names_what_it_refuses(local_units: pa.Table, change, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        technology_survey.generate(*change(local_units))


def test_survey_on_the_command_line(local_units: pa.Table, tmp_path: Path) -> None:
    pq.write_table(local_units, tmp_path / "register.parquet")
    arguments = ["--register", str(tmp_path / "register.parquet"), "--sample", "200"]
    for name in ("a.parquet", "b.parquet", "c.csv"):
        technology_survey.main([*arguments, "--output", str(tmp_path / name)])
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    lines = (tmp_path / "c.csv").read_text().splitlines()
    assert len(lines) == pq.read_metadata(tmp_path / "a.parquet").num_rows + 1


def real(path: str) -> Path:
    """A file of the shared real data; where it is missing the test is skipped, but never in CI."""
    file = SHARED_DATA / path
    if not file.exists() and os.environ.get("CI") != "true":
        pytest.skip(f"{file} is not here")
    return file


def test_companies_have_the_columns_of_the_real_extract(extract: pa.Table) -> None:
    schema = pq.read_schema(real("uk_companies_south_yorkshire/companies.parquet"))
    assert extract.column_names == schema.names
    for field in schema:
        kind = pa.string() if pa.types.is_large_string(field.type) else field.type
        assert extract.schema.field(field.name).type == kind, field.name


def test_committed_seeds_are_what_the_sources_give(tmp_path: Path) -> None:
    written = build_seeds.build(real("uk_companies_south_yorkshire").parent, tmp_path)
    assert written
    for name in written:
        assert (tmp_path / name).read_text() == (PROJECT_SEEDS / name).read_text(), name


@pytest.mark.parametrize(
    "name",
    [
        "area_hierarchy",
        "digital_sector_hierarchy",
        "digital_and_telecoms_hierarchy",
        "industry_hierarchy",
        "survey_industry_hierarchy",
        "size_band_hierarchy",
        "age_band_hierarchy",
        "local_authority_hierarchy",
        "postcode_district_hierarchy",
        *(f"census_{name}_hierarchy" for name in ("region", "sex", "age", "religion", "health", "occupation")),
        "census_ethnic_group_hierarchy",
    ],
)
def test_hierarchies_are_trees_under_the_total(name: str) -> None:
    records = read_records(f"classifications/{name}")
    assert list(records[0]) == ["code", "parent", "label"]
    parent = {record["code"]: record["parent"] for record in records}
    assert len(parent) == len(records)
    assert [code for code in parent if not parent[code]] == ["Total"]
    assert all(record["label"] for record in records)
    for code in parent:
        path = [code]
        while parent[path[-1]]:
            path.append(parent[path[-1]])
            assert len(path) <= 5, path
        assert path[-1] == "Total"


def test_hierarchies_have_the_published_numbers_of_codes() -> None:
    area = [record["code"] for record in read_records("classifications/area_hierarchy")]
    assert [sum(len(code) == length and code != "Total" for code in area) for length in (3, 4, 5)] == [
        12,
        46,
        182,
    ]
    digital = [record["code"] for record in read_records("classifications/digital_sector_hierarchy")]
    assert sum("." in code for code in digital) == 36
    industry = [record["code"] for record in read_records("classifications/industry_hierarchy")]
    assert sum("." in code for code in industry) == 615 + len(build_seeds.COMPANIES_HOUSE_CLASSES)
    assert {code for code in digital if code != "Total"} < set(industry)
    telecoms = [record["code"] for record in read_records("classifications/digital_and_telecoms_hierarchy")]
    assert {code for code in telecoms if "." in code} == {code for code in digital if code.startswith("61.")}
    survey = {record["code"] for record in read_records("classifications/survey_industry_hierarchy")}
    second = {r["code"] for r in read_records("classifications/industry_hierarchy") if r["parent"] == "Total"}
    assert survey == second - {"Not stated"} | {"Total", "Digital", "Other"}


@pytest.mark.parametrize(
    ("seed", "column", "hierarchy"),
    [
        ("size_bands", "size_band", "size_band_hierarchy"),
        ("age_bands", "age_band", "age_band_hierarchy"),
        ("postcode_districts", "postcode_district", "postcode_district_hierarchy"),
        ("postcode_districts", "local_authority", "local_authority_hierarchy"),
        ("sic_2007_classes", "sic_class", "industry_hierarchy"),
    ],
)
def test_lists_use_the_lowest_codes_of_their_hierarchy(seed: str, column: str, hierarchy: str) -> None:
    records = read_records(f"classifications/{hierarchy}")
    lowest = {record["code"] for record in records} - {record["parent"] for record in records}
    assert {record[column] for record in read_records(f"classifications/{seed}")} <= lowest


@pytest.mark.parametrize("seed", ["size_bands", "age_bands"])
def test_bands_cover_every_number_once(seed: str) -> None:
    records = read_records(f"classifications/{seed}")
    assert records[0]["lowest"] == "0"
    assert records[-1]["highest"] == ""
    for before, after in zip(records, records[1:], strict=False):
        assert int(after["lowest"]) == int(before["highest"]) + 1
