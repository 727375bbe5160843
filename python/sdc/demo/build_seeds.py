"""Derive the project's classification and calibration seeds from the public files they come from.

The seeds under ``seeds/classifications`` and ``seeds/calibration`` are committed; this module is how they
were made, so that a new edition of a classification or of *UK business: activity, size and location* is one
command, and a test can show that the committed seeds are what the sources give.  Run from the project's
root::

    python -m sdc.demo.build_seeds --data ../shared/data --seeds seeds

Sources (all "Contains public sector information licensed under the Open Government Licence v3.0"):

- ONS, International Territorial Levels, January 2025; ONS, UK SIC 2007; DCMS methodology note for the
  Digital Sector;
- ONS, *UK business: activity, size and location 2024*, tables 4, 9, 16, 17 and 19 (control-rounded to 5);
- Companies House, free company data product, November 2024, South Yorkshire (counts rounded to 5 here);
- ONS, 2011 Census microdata teaching file, codebook and representative sample (counts rounded to 5 here).

A hierarchy seed has exactly the columns ``code, parent, label``; its root is ``Total`` with an empty parent.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import duckdb

Row = Sequence[object]

TOTAL = "Total"
NOT_STATED = "Not stated"
OTHER_DISTRICT = "Other"

SIZE_BANDS: tuple[tuple[str, int, int | None], ...] = (
    ("0-4", 0, 4),
    ("5-9", 5, 9),
    ("10-19", 10, 19),
    ("20-49", 20, 49),
    ("50-99", 50, 99),
    ("100-249", 100, 249),
    ("250+", 250, None),
)
"""Employment size bands of the ONS tables: code, lowest and highest employment (``None`` = open)."""

AGE_BANDS: tuple[tuple[str, str, int, int | None], ...] = (
    ("Under 1", "Under 1 year", 0, 0),
    ("1", "1 year", 1, 1),
    ("2-4", "2 to 4 years", 2, 4),
    ("5-9", "5 to 9 years", 5, 9),
    ("10-19", "10 to 19 years", 10, 19),
    ("20+", "20 years or more", 20, None),
)
"""Ages of companies in completed years: code, label, lowest and highest."""

COMPANIES_HOUSE_CLASSES: tuple[tuple[str, str, str], ...] = (
    ("74.99", "Non-trading company", "M"),
    ("98.00", "Residents property management", "T"),
    ("99.99", "Dormant company", "U"),
)
"""Classes that the Companies House list of SIC codes has beside those of UK SIC 2007, with their sections."""

CENSUS_GROUPS: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    "region": {"E92000001": ("England", tuple(f"E1200000{n}" for n in range(1, 10)))},
    "age": {"16-64": ("16 to 64", ("2", "3", "4", "5", "6")), "65+": ("65 and over", ("7", "8"))},
    "religion": {"Further": ("Buddhist, Hindu, Jewish, Sikh or other religion", ("3", "4", "5", "7", "8"))},
    "health": {"Good": ("Good or very good", ("1", "2")), "Bad": ("Bad or very bad", ("4", "5"))},
    "occupation": {"Stated": ("With an occupation", tuple("123456789"))},
}
"""Groups of codes of the census between total and code, by variable: the group's code, label and members.  The
teaching file has none; they are the project's own, and coarse enough for tables by region."""

CENSUS_PAIRS: tuple[tuple[str, str], ...] = (
    ("region", "ethnic_group"),
    ("ethnic_group", "religion"),
    ("ethnic_group", "country_of_birth"),
    ("ethnic_group", "age"),
    ("age", "sex"),
    ("age", "marital_status"),
    ("age", "health"),
    ("age", "family_composition"),
    ("age", "economic_activity"),
    ("economic_activity", "student"),
    ("economic_activity", "occupation"),
    ("economic_activity", "hours_worked_per_week"),
    ("occupation", "industry"),
    ("occupation", "approximated_social_grade"),
)
"""Variables of the census, each after one it depends on: what the synthetic persons are drawn from."""

TELECOMS = "D6"
"""The digital sub-sector that is published by SIC class."""

MINIMUM_DISTRICT_COMPANIES = 100
"""A postcode district with fewer South Yorkshire companies lies mostly in another county."""


class Sources:
    """The public files, as SQL: ``rows("select ... from {tables}/table_17.parquet")``."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.connection = duckdb.connect()

    def rows(self, query: str) -> list[tuple]:
        """Run ``query``, its ``{classifications}``, ``{business}``, ``{companies}`` and ``{census}`` replaced by
        paths."""
        return self.connection.execute(
            query.format(
                classifications=self.data / "classifications",
                business=self.data / "uk_business_2024",
                companies=self.data / "uk_companies_south_yorkshire" / "companies.parquet",
                census=self.data / "uk_census_teaching",
            )
        ).fetchall()


Seed = tuple[Sequence[str], Callable[[Sources], Iterable[Row]]]
"""A seed's header and the function that yields its rows."""


def area_hierarchy(sources: Sources) -> Iterable[Row]:
    """United Kingdom > ITL1 (the nine English regions and three countries) > ITL2 > ITL3, 2025 codes."""
    yield TOTAL, "", "United Kingdom"
    for code, label in sources.rows("select itl1_code, short_name from '{classifications}/itl1_2025.csv' order by 1"):
        yield code, TOTAL, label
    yield from sources.rows("select itl2_code, itl1_code, itl2_name from '{classifications}/itl2_2025.csv' order by 1")
    yield from sources.rows("select itl3_code, itl2_code, itl3_name from '{classifications}/itl3_2025.csv' order by 1")


def _sic(sources: Sources, level: str) -> list[tuple]:
    return sources.rows(
        "select sic_code, name, parent_code from read_csv('{classifications}/sic2007_all_levels.csv', "
        f"all_varchar = true) where level = '{level}' order by 1"
    )


def _digital_classes(sources: Sources) -> list[tuple[str, str, str, str]]:
    """Sub-sector code, sub-sector label, class code, class label of the digital sector."""
    return sources.rows(
        "select 'D' || subsector_no, subsector, sic4, sic4_name from read_csv("
        "'{classifications}/digital_sector_sic4.csv', all_varchar = true) order by 1, 3"
    )


def digital_sector_hierarchy(sources: Sources) -> Iterable[Row]:
    """Digital sector > nine sub-sectors (``D1`` to ``D9``) > 36 SIC 2007 classes."""
    classes = _digital_classes(sources)
    yield TOTAL, "", "Digital sector"
    for code, label in sorted({(row[0], row[1]) for row in classes}):
        yield code, TOTAL, label
    for sub_sector, _, code, label in classes:
        yield code, sub_sector, label


def digital_and_telecoms_hierarchy(sources: Sources) -> Iterable[Row]:
    """Digital sector > nine sub-sectors, of which telecommunications alone > its SIC 2007 classes."""
    for code, parent, label in digital_sector_hierarchy(sources):
        if parent in ("", TOTAL, TELECOMS):
            yield code, parent, label


def sic_2007_classes(sources: Sources) -> Iterable[Row]:
    """Classes of SIC 2007 with the section they belong to."""
    section_of_division = {code: parent for code, _, parent in _sic(sources, "division")}
    for code, label, _ in _sic(sources, "class"):
        yield code, label, section_of_division[code[:2]]


def industry_hierarchy(sources: Sources) -> Iterable[Row]:
    """All industries > digital sub-sectors and SIC sections > SIC 2007 classes, each class once.

    A digital class stands under its sub-sector; a section of which some classes are digital keeps the rest
    and is coded ``C (part)``; section J, all of whose classes are digital, has no row.
    """
    digital = _digital_classes(sources)
    digital_codes = {row[2] for row in digital}
    classes = [*sic_2007_classes(sources), *COMPANIES_HOUSE_CLASSES]
    partial = {section for code, _, section in classes if code in digital_codes}
    whole = {section for code, _, section in classes if code not in digital_codes}

    yield TOTAL, "", "All industries"
    for code, label in sorted({(row[0], row[1]) for row in digital}):
        yield code, TOTAL, label
    section_code: dict[str, str] = {}
    for section, label, _ in _sic(sources, "section"):
        if section not in whole:
            continue
        section_code[section] = f"{section} (part)" if section in partial else section
        yield section_code[section], TOTAL, label + (", other than digital" if section in partial else "")
    for sub_sector, _, code, label in digital:
        yield code, sub_sector, label
    for code, label, section in sorted(classes):
        if code not in digital_codes:
            yield code, section_code[section], label
    yield NOT_STATED, TOTAL, "Not stated, or not a SIC 2007 code"


def survey_industry_hierarchy(sources: Sources) -> Iterable[Row]:
    """All industries > digital sector and all others > sub-sectors, and SIC sections without their digital
    classes."""
    digital = {row[0] for row in _digital_classes(sources)}
    yield TOTAL, "", "All industries"
    yield "Digital", TOTAL, "Digital sector"
    yield "Other", TOTAL, "All other industries"
    for code, parent, label in industry_hierarchy(sources):
        if parent == TOTAL and code != NOT_STATED:
            yield code, "Digital" if code in digital else "Other", label


def size_bands(_: Sources) -> Iterable[Row]:
    """Employment size bands with their bounds and order."""
    for order, (code, lowest, highest) in enumerate(SIZE_BANDS, start=1):
        yield code, _size_label(lowest, highest), lowest, "" if highest is None else highest, order


def _size_label(lowest: int, highest: int | None) -> str:
    return f"{lowest} or more employment" if highest is None else f"{lowest} to {highest} employment"


def size_band_hierarchy(_: Sources) -> Iterable[Row]:
    """All sizes > seven employment size bands."""
    yield TOTAL, "", "All sizes"
    for code, lowest, highest in SIZE_BANDS:
        yield code, TOTAL, _size_label(lowest, highest)


def age_bands(_: Sources) -> Iterable[Row]:
    """Ages of companies in completed years, with bounds and order."""
    for order, (code, label, lowest, highest) in enumerate(AGE_BANDS, start=1):
        yield code, label, lowest, "" if highest is None else highest, order


def age_band_hierarchy(_: Sources) -> Iterable[Row]:
    """All ages > age bands, and a band for companies without a date of incorporation."""
    yield TOTAL, "", "All ages"
    for code, label, _lowest, _highest in AGE_BANDS:
        yield code, TOTAL, label
    yield NOT_STATED, TOTAL, "Date of incorporation not stated"


def local_authority_hierarchy(sources: Sources) -> Iterable[Row]:
    """South Yorkshire > its four metropolitan boroughs."""
    yield TOTAL, "", "South Yorkshire"
    for code, label in sources.rows("select distinct lad_code, lad_name from '{companies}' order by 1"):
        yield code, TOTAL, label


def _districts(sources: Sources) -> list[tuple]:
    """District, number of companies, largest local authority (code, name), of the South Yorkshire extract."""
    return sources.rows(
        """
        with counts as (
            select split_part(postcode, ' ', 1) as district, lad_code, lad_name, count(*) as companies
            from '{companies}' group by all
        )
        select
            district,
            sum(companies)::integer as companies,
            first(lad_code order by companies desc, lad_code) as lad_code,
            first(lad_name order by companies desc, lad_code) as lad_name
        from counts group by district
        order by regexp_extract(district, '^[A-Z]+'), regexp_extract(district, '[0-9]+$')::integer
        """
    )


def postcode_district_hierarchy(sources: Sources) -> Iterable[Row]:
    """South Yorkshire > postcode districts; ``Other`` for any other district, ``Not stated`` without a
    postcode."""
    yield TOTAL, "", "South Yorkshire"
    for district, _, _, name in _districts(sources):
        yield district, TOTAL, f"{district} (mainly {name})"
    yield OTHER_DISTRICT, TOTAL, "Any other postcode district"
    yield NOT_STATED, TOTAL, "Postcode not stated or not valid"


def postcode_districts(sources: Sources) -> Iterable[Row]:
    """The local authority of each postcode district that lies mainly in South Yorkshire."""
    for district, companies, lad_code, _ in _districts(sources):
        if companies >= MINIMUM_DISTRICT_COMPANIES:
            yield district, lad_code


def _band_column(band: str) -> str:
    return "band_" + band.replace("-", "_").replace("+", "_or_more")


def _by_class(table: int, bands: Sequence[str]) -> Seed:
    """One row per SIC class of an ONS table, its ``bands`` (as the table names them) side by side."""
    wanted = ", ".join(f"coalesce(sum(value) filter (where col = '{band}'), 0)::integer" for band in bands)

    def rows(sources: Sources) -> Iterable[Row]:
        return sources.rows(
            f"select row_code, {wanted} from '{{business}}/table_{table:02d}.parquet' "
            "where row_code is not null group by 1 order by 1"
        )

    return ("sic_class", *(_band_column(band) for band in bands)), rows


def local_units_by_region(sources: Sources) -> Iterable[Row]:
    """ONS 2024 table 17: local units by SIC class and ITL1 area."""
    regions = ", ".join(
        f"coalesce(sum(value) filter (where starts_with(col, '{gss}')), 0)::integer" for _, gss in _itl1(sources)
    )
    yield from sources.rows(
        f"select row_code, {regions} from '{{business}}/table_17.parquet' "
        "where row_code is not null group by 1 order by 1"
    )


def _itl1(sources: Sources) -> list[tuple[str, str]]:
    return sources.rows("select itl1_code, gss_code from '{classifications}/itl1_2025.csv' order by 1")


def _broad_groups(sources: Sources) -> list[tuple[str, str]]:
    """Broad industry groups of ONS table 16: the table's column, and the seed's column named after its
    divisions."""
    columns = [
        row[0]
        for row in sources.rows(
            "select distinct col from '{business}/table_16.parquet' where col <> 'Total' order by 1"
        )
    ]
    return [(column, "divisions_" + re.sub(r"\D+", "_", column.split(" :")[0])) for column in columns]


def local_units_by_area(sources: Sources) -> Iterable[Row]:
    """ONS 2024 table 16: local units by ITL3 area and broad industry group.

    Local authorities are added up to ITL3 2025.  The lookup has other codes for Scottish authorities than
    the table, so these are matched by name; Arran and Cumbrae go with the mainland of North Ayrshire.
    """
    groups = ", ".join(
        f"coalesce(sum(value) filter (where col = '{column}'), 0)::integer" for column, _ in _broad_groups(sources)
    )
    yield from sources.rows(
        f"""
        with lookup as (
            select distinct itl3_code, lau1_lad_code as code, replace(lau1_lad_name, ' mainland', '') as name
            from '{{classifications}}/lad_to_itl3_2025.csv'
        )
        select lookup.itl3_code, {groups}
        from '{{business}}/table_16.parquet' as figures
        inner join lookup
            on figures.row_code = lookup.code
            or (starts_with(figures.row_code, 'S12') and starts_with(lookup.code, 'S30')
                and figures.row_label = lookup.name)
        group by 1 order by 1
        """
    )


def companies_by_district(sources: Sources) -> Iterable[Row]:
    """Companies House November 2024: companies by postcode district and local authority, with a rounded
    centroid."""
    yield from sources.rows(
        """
        select
            split_part(postcode, ' ', 1) as postcode_district, lad_code, lad_name,
            (5 * round(count(*) / 5))::integer as companies,
            (1000 * round(avg(easting) / 1000))::integer as easting,
            (1000 * round(avg(northing) / 1000))::integer as northing
        from '{companies}' group by all having companies > 0 order by all
        """
    )


def companies_by_sic(sources: Sources) -> Iterable[Row]:
    """Companies House November 2024: companies by first SIC code (empty = none supplied)."""
    yield from sources.rows(
        "select coalesce(sic5_1, '') as sic5, (5 * round(count(*) / 5))::integer as companies "
        "from '{companies}' group by 1 having companies > 0 order by 1"
    )


def companies_by_year(sources: Sources) -> Iterable[Row]:
    """Companies House November 2024: companies by year of incorporation."""
    yield from sources.rows(
        "select year(incorporation_date) as year, (5 * round(count(*) / 5))::integer as companies "
        "from '{companies}' group by 1 having companies > 0 order by 1"
    )


def _census_hierarchy(variable: str, total: str, not_required: str = "") -> Seed:
    """The codes of a census variable under their groups, where it has any, and the total.  ``-9`` (no code
    required) is only a code where ``not_required`` says for whom."""

    def rows(sources: Sources) -> Iterable[Row]:
        labels = dict(
            sources.rows(
                "select code, label from read_csv('{census}/ew_2011_codebook.csv', all_varchar = true) "
                f"where variable = '{variable}'"
            )
        )
        if labels.pop("-9", None) and not_required:
            labels["-9"] = not_required
        groups = CENSUS_GROUPS.get(variable, {})
        group_of = {code: group for group, (_, members) in groups.items() for code in members}
        yield TOTAL, "", total
        for group, (label, _) in groups.items():
            yield group, TOTAL, label
        for code, label in labels.items():
            yield code, group_of.get(code, TOTAL), label

    return HIERARCHY, rows


def census_by_pairs(sources: Sources) -> Iterable[Row]:
    """Usual residents of the representative sample by two variables at a time."""
    for given, variable in CENSUS_PAIRS:
        yield from sources.rows(
            f"""
            select
                '{given}' as given, {given}::varchar as given_code,
                '{variable}' as variable, {variable}::varchar as code,
                (5 * round(count(*) / 5))::integer as persons
            from '{{census}}/ew_2011_persons_10k_random.parquet'
            where population_base = 1 and ethnic_group <> -9
            group by all having persons > 0 order by all
            """
        )


HIERARCHY = ("code", "parent", "label")
TURNOVER_BANDS = (
    "0-49", "50-99", "100-249", "250-499", "500-999",
    "1000-1999", "2000-4999", "5000-9999", "10000-49999", "50000+",
)  # fmt: skip


def seeds(sources: Sources) -> dict[str, Seed]:
    """Path of each seed under the seeds folder, its header, and the function that yields its rows."""
    sizes = [band for band, _, _ in SIZE_BANDS]
    bands = ("label", "lowest", "highest", "sort_order")
    regions = [code.lower() for code, _ in _itl1(sources)]
    groups = [name for _, name in _broad_groups(sources)]
    centre = ("easting", "northing")
    classifications = {
        "area_hierarchy": (HIERARCHY, area_hierarchy),
        "digital_sector_hierarchy": (HIERARCHY, digital_sector_hierarchy),
        "digital_and_telecoms_hierarchy": (HIERARCHY, digital_and_telecoms_hierarchy),
        "industry_hierarchy": (HIERARCHY, industry_hierarchy),
        "survey_industry_hierarchy": (HIERARCHY, survey_industry_hierarchy),
        "sic_2007_classes": (("sic_class", "label", "section"), sic_2007_classes),
        "size_band_hierarchy": (HIERARCHY, size_band_hierarchy),
        "size_bands": (("size_band", *bands), size_bands),
        "age_band_hierarchy": (HIERARCHY, age_band_hierarchy),
        "age_bands": (("age_band", *bands), age_bands),
        "local_authority_hierarchy": (HIERARCHY, local_authority_hierarchy),
        "postcode_district_hierarchy": (HIERARCHY, postcode_district_hierarchy),
        "postcode_districts": (("postcode_district", "local_authority"), postcode_districts),
        "census_region_hierarchy": _census_hierarchy("region", "England and Wales"),
        "census_sex_hierarchy": _census_hierarchy("sex", "All persons"),
        "census_age_hierarchy": _census_hierarchy("age", "All ages"),
        "census_religion_hierarchy": _census_hierarchy("religion", "All religions and none"),
        "census_ethnic_group_hierarchy": _census_hierarchy("ethnic_group", "All ethnic groups"),
        "census_health_hierarchy": _census_hierarchy("health", "All states of health"),
        "census_occupation_hierarchy": _census_hierarchy(
            "occupation", "All persons", not_required="No code required: under 16 or never worked"
        ),
    }
    calibration = {
        "ons_2024_local_units_by_region": (("sic_class", *regions), local_units_by_region),
        "ons_2024_local_units_by_area": (("itl3_code", *groups), local_units_by_area),
        "ons_2024_local_units_by_size_band": _by_class(19, sizes),
        "ons_2024_enterprises_by_size_band": _by_class(4, sizes),
        "ons_2024_enterprises_by_turnover_band": _by_class(9, TURNOVER_BANDS),
        "companies_house_2024_companies_by_district": (
            ("postcode_district", "lad_code", "lad_name", "companies", *centre),
            companies_by_district,
        ),
        "companies_house_2024_companies_by_sic": (("sic5", "companies"), companies_by_sic),
        "companies_house_2024_companies_by_year": (("year", "companies"), companies_by_year),
        "census_2011_persons_by_pairs": (("given", "given_code", "variable", "code", "persons"), census_by_pairs),
    }
    return {
        **{f"classifications/{name}.csv": seed for name, seed in classifications.items()},
        **{f"calibration/{name}.csv": seed for name, seed in calibration.items()},
    }


def build(data: Path, folder: Path) -> dict[str, int]:
    """Write every seed under ``folder`` from the public files under ``data``; return the number of rows of
    each."""
    sources = Sources(data)
    written = {}
    for name, (header, rows) in seeds(sources).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = list(rows(sources))
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(content)
        written[name] = len(content)
    return written


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: ``python -m sdc.demo.build_seeds --data ../shared/data --seeds seeds``."""
    parser = argparse.ArgumentParser(description="Derive the seeds from the public files they come from.")
    parser.add_argument("--data", type=Path, required=True, help="folder with the public files")
    parser.add_argument("--seeds", type=Path, default=Path("seeds"), help="the project's seeds folder")
    options = parser.parse_args(arguments)
    for name, rows in build(options.data, options.seeds).items():
        print(f"{name}: {rows} rows")


if __name__ == "__main__":
    main()
