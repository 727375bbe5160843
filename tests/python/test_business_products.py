"""Turnover of the digital sector with telecoms, and the survey of technology adoption, end to end: attacked with the
published files and public hierarchies alone, and compared with figures told again from the inputs.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from conftest import ROOT, Project
from oracle import csv_attack
from sdc.demo import register, technology_survey
from sdc.demo.files import write_table
from test_products import copy_of_the_project

pytestmark = pytest.mark.xdist_group("business products")

P_PERCENT = Decimal(10)
LEAST_GROUPS = 3
LEAST_BASE, RELIABLE_BASE = 10, 30

REGISTER, SURVEY = "given/units.parquet", "given/respondents.parquet"

TURNOVER = ("digital-sector-turnover", "telecoms-turnover")
ADOPTION = ("technology-adoption-survey-by-industry", "technology-adoption-survey-by-area")


def seed(name: str) -> Path:
    return ROOT / "seeds" / "classifications" / f"{name}.csv"


def records(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def parents(name: str) -> dict[str, str]:
    return {row["code"]: row["parent"] for row in records(seed(name))}


def upwards(code: str, parent: dict[str, str]) -> Iterator[str]:
    while code:
        yield code
        code = parent[code]


def size_band(employment: int) -> str:
    for band in records(seed("size_bands")):
        if not band["highest"] or employment <= int(band["highest"]):
            return band["size_band"]
    raise AssertionError


@pytest.fixture(scope="module")
def business(tmp_path_factory) -> Project:
    """Both products, from a register and a survey small enough for linear programs about every hidden cell."""
    project = copy_of_the_project(tmp_path_factory.mktemp("business"))
    units = register.generate(30_000, seed=5)
    write_table(units, project.folder / REGISTER)
    write_table(technology_survey.generate(units, 4_000, seed=5), project.folder / SURVEY)
    outcome = project.dbt(
        "build",
        "--select",
        *[f"+rel_{name.replace('-', '_')}" for name in (*TURNOVER, *ADOPTION)],
        # `make build` runs the dbt tests of these models, on more data
        "--exclude-resource-type",
        "test",
        "unit_test",
        "--vars",
        json.dumps({"sdc_register_path": REGISTER, "sdc_technology_survey_path": SURVEY}),
    )
    assert outcome, outcome.text[-4000:]
    return project


def files(project: Project, names: tuple[str, ...]) -> list[Path]:
    return [project.folder / "publication" / f"{name}.csv" for name in names]


@pytest.fixture(scope="module")
def groups_turnover(business) -> dict[tuple[str, str, str], list[Decimal]]:
    """Turnover of each enterprise group in every cell, largest first, from the register's rows."""
    area, sector = parents("area_hierarchy"), parents("digital_sector_hierarchy")
    rows = pq.read_table(business.folder / REGISTER).to_pylist()
    employment: dict[str, int] = defaultdict(int)
    for row in rows:
        employment[row["enterprise_reference"]] += row["employment"]
    cells: dict[tuple[str, str, str], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in rows:
        sic = f"{row['sic2007_class'][:2]}.{row['sic2007_class'][2:]}"
        if sic in sector:
            band = size_band(employment[row["enterprise_reference"]])
            for place in upwards(row["itl3_code"], area):
                for industry in upwards(sic, sector):
                    for size in (band, "Total"):
                        cells[place, industry, size][row["enterprise_group_reference"]] += row["turnover"]
    return {cell: sorted(amounts.values(), reverse=True) for cell, amounts in cells.items()}


def level(amounts: list[Decimal]) -> Decimal:
    """By how much a cell must be uncertain upwards for the p% rule; positive or zero only where it is unsafe."""
    first, second = [*amounts, Decimal(0)][:2]
    return P_PERCENT * first / 100 - (sum(amounts) - first - second)


def test_published_turnover_is_that_of_three_groups_none_of_which_dominates(business, groups_turnover):
    shown = hidden = 0
    for file in files(business, TURNOVER):
        for row in records(file):
            amounts = groups_turnover[row["area"], row["sub_sector"], row["size_band"]]
            if row["turnover_marker"]:
                assert (row["turnover"], row["turnover_marker"]) == ("", "[c]")
                hidden += 1
                continue
            assert Decimal(row["turnover"]) == sum(amounts)
            assert len(amounts) >= LEAST_GROUPS and level(amounts) <= 0, row
            shown += 1
    assert shown > 150 and hidden > 50


def turnover_hierarchies() -> dict[str, Path]:
    return {
        "area": seed("area_hierarchy"),
        "sub_sector": seed("digital_and_telecoms_hierarchy"),
        "size_band": seed("size_band_hierarchy"),
    }


def test_no_turnover_is_recoverable_and_p_percent_intervals_hold(business, groups_turnover):
    """From both tables together; every hidden cell stays at least as uncertain as its rule asks."""
    found = csv_attack.attack(files(business, TURNOVER), turnover_hierarchies(), intervals=True)
    assert found.hidden > 50 and found.relations > 50, str(found)
    assert not found.contradictions and not found.leaks, str(found)
    dominated = 0
    for cell, (lower, upper) in found.intervals.items():
        at = dict(cell.at)
        amounts = groups_turnover[tuple(at.get(name, "Total") for name in ("area", "sub_sector", "size_band"))]
        value, needed = float(sum(amounts)), float(level(amounts))
        slack = 1e-6 * max(1.0, value)
        if needed > 0:
            assert upper >= value + needed - slack, cell
            assert lower <= max(value - needed, 0.0) + slack, cell
            dominated += 1
    assert dominated > 30


def test_telecoms_says_the_same_in_both_tables(business):
    digital, telecoms = (
        {(row["area"], row["size_band"]): row for row in records(file) if row["sub_sector"] == "D6"}
        for file in files(business, TURNOVER)
    )
    assert digital == telecoms and len(telecoms) > 15
    assert {row["turnover_marker"] for row in telecoms.values()} == {"", "[c]"}


def test_the_attacker_reads_the_two_tables_together(business, groups_turnover, tmp_path):
    """Were telecoms protected by itself, its classes would tell what the digital sector hides of it."""
    digital, telecoms = files(business, TURNOVER)
    hidden = {
        (row["area"], row["size_band"])
        for row in records(digital)
        if row["sub_sector"] == "D6" and row["turnover_marker"]
    }
    rows = [row for row in records(telecoms) if row["sub_sector"] != "D6"]
    for row in rows:
        if (row["area"], row["size_band"]) in hidden:
            row["turnover"] = str(sum(groups_turnover[row["area"], row["sub_sector"], row["size_band"]]))
            row["turnover_marker"] = ""
    leaky = tmp_path / telecoms.name
    with open(leaky, "w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    leaks = csv_attack.attack([digital, leaky], turnover_hierarchies()).leaks
    told = {csv_attack.key("turnover", {"period": "2024"}, area=a, sub_sector="D6", size_band=s) for a, s in hidden}
    assert told and told <= set(leaks)


@pytest.fixture(scope="module")
def respondents(business) -> dict[tuple[str, str, str], list[dict]]:
    """The respondents of every cell, by area, industry and size band, from the survey's rows."""
    area, industry = parents("area_hierarchy"), parents("survey_industry_hierarchy")
    of_class = parents("industry_hierarchy")
    cells: dict[tuple[str, str, str], list[dict]] = defaultdict(list)
    for row in pq.read_table(business.folder / SURVEY).to_pylist():
        lowest = of_class[f"{row['sic2007_class'][:2]}.{row['sic2007_class'][2:]}"]
        for size in (size_band(row["employment"]), "Total"):
            for code in upwards(lowest, industry):
                cells["Total", code, size].append(row)
            for place in upwards(row["itl3_code"], area):
                if place != "Total":
                    cells[place, "Total", size].append(row)
    return cells


def question(technology: str) -> str:
    return "uses_" + technology.lower().replace(" ", "_")


def test_estimates_are_weighted_marked_by_their_base_and_made_of_published_parts(business, respondents):
    seen = defaultdict(int)
    for file in files(business, ADOPTION):
        for row in records(file):
            asked = respondents[row.get("area", "Total"), row.get("industry", "Total"), row["size_band"]]
            groups = {one["enterprise_group_reference"] for one in asked}
            estimated = {
                "enterprises": sum(one["weight"] for one in asked),
                "adopters": sum(one["weight"] for one in asked if one[question(row["technology"])]),
            }
            left_open = sum(one["weight"] for one in asked if one[question(row["technology"])] is None)
            for measure, estimate in estimated.items():
                marker = row[f"{measure}_marker"]
                seen[measure, marker] += 1
                if marker == "[c]":
                    assert row[measure] == ""
                    continue
                assert len(asked) >= LEAST_BASE and len(groups) >= LEAST_GROUPS, row
                assert (marker == "[u]") == (len(asked) < RELIABLE_BASE), row
                rounding = Decimal("0.01") * len(asked)
                missing = left_open if measure == "adopters" else 0
                assert estimate - rounding <= Decimal(row[measure]) <= estimate + missing + rounding, row
            if row["enterprises"] and row["adopters"]:
                rate = 100 * Decimal(row["adopters"]) / Decimal(row["enterprises"])
                assert abs(Decimal(row["adoption_rate"]) - rate) <= Decimal("0.05"), row
                assert row["adoption_rate_marker"] == row["enterprises_marker"]
                assert Decimal(row["adopters"]) > 0
            else:
                assert (row["adoption_rate"], row["adoption_rate_marker"]) == ("", "[c]")
    assert all(seen[measure, marker] > 50 for measure in ("enterprises", "adopters") for marker in ("", "[c]", "[u]"))


def test_no_estimate_is_recoverable(business):
    hierarchies = {
        "area": seed("area_hierarchy"),
        "industry": seed("survey_industry_hierarchy"),
        "size_band": seed("size_band_hierarchy"),
    }
    found = csv_attack.attack(files(business, ADOPTION), hierarchies, ["enterprises", "adopters"])
    assert found.hidden > 200 and found.relations > 200, str(found)
    assert not found.contradictions and not found.leaks, str(found)


def test_the_number_of_enterprises_is_hidden_alike_for_each_technology(business):
    """It is the same number, so what one technology shows another must not hide."""
    for file in files(business, ADOPTION):
        shown = defaultdict(set)
        for row in records(file):
            place = row.get("area"), row.get("industry"), row["size_band"]
            shown[place].add((row["enterprises"], row["enterprises_marker"]))
        assert all(len(values) == 1 for values in shown.values())


def test_estimates_add_up_to_the_register(business):
    """All industries: the weights make the respondents stand for every enterprise, to the rounding of each weight."""
    units = pq.read_table(business.folder / REGISTER, columns=["enterprise_reference"])
    enterprises = len(set(units["enterprise_reference"].to_pylist()))
    totals = {
        row["technology"]: Decimal(row["enterprises"])
        for row in records(files(business, ADOPTION)[0])
        if row["industry"] == row["size_band"] == "Total"
    }
    assert len(totals) == len(technology_survey.TECHNOLOGIES)
    assert all(abs(total - enterprises) < Decimal("0.005") * 4_000 for total in totals.values())
