"""The two products end to end, attacked with nothing but the published files and public hierarchies."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from conftest import KEY, ROOT, Project, shared_data
from oracle import csv_attack

# one worker builds the real product and has all tests of it
pytestmark = pytest.mark.xdist_group("real companies")

HIERARCHIES = {
    "area": "area_hierarchy",
    "sub_sector": "digital_sector_hierarchy",
    "size_band": "size_band_hierarchy",
    "local_authority": "local_authority_hierarchy",
    "postcode_district": "postcode_district_hierarchy",
    "industry": "industry_hierarchy",
    "age_band": "age_band_hierarchy",
}


def hierarchies() -> dict[str, Path]:
    return {name: ROOT / "seeds" / "classifications" / f"{seed}.csv" for name, seed in HIERARCHIES.items()}


def copy_of_the_project(folder: Path) -> Project:
    for name in ("dbt_project.yml", "profiles.yml", ".dbtignore"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("models", "macros", "seeds", "tests/generic"):
        shutil.copytree(ROOT / name, folder / name)
    return Project(folder, KEY)


def truth(project: Project, product: str, measure: str, dimensions: list[str], by: list[str]) -> list[dict]:
    rows = project.restricted(
        f"select {', '.join(by + dimensions)}, {measure}, {measure}_status from intermediate.int_{product}__protected"
    )
    return [dict(zip([*by, *dimensions, "value", "status"], row, strict=True)) for row in rows]


def check_against_the_truth(project: Project, file: Path, product: str, measure: str, dimensions, by) -> int:
    """Every published number is a safe cell's; returns the number of suppressed rows."""
    known = {tuple(row[k] for k in by + dimensions): row for row in truth(project, product, measure, dimensions, by)}
    suppressed = 0
    with open(file, encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            cell = known[tuple(row.get(k, "Total") for k in by + dimensions)]
            if row[f"{measure}_marker"] == "[c]":
                assert row[measure] == "" and cell["status"] != "safe"
                suppressed += 1
            else:
                assert cell["status"] == "safe" and int(row[measure]) == cell["value"]
    return suppressed


@pytest.fixture(scope="module")
def real_companies(tmp_path_factory) -> Project:
    """Product 2 from the real register of companies."""
    path = shared_data("uk_companies_south_yorkshire", "companies.parquet")
    project = copy_of_the_project(tmp_path_factory.mktemp("real"))
    variables = json.dumps({"sdc_companies_path": str(path)})
    outcome = project.dbt(
        "build",
        "--select",
        "+rel_company_register_by_local_authority",
        "+rel_company_register_by_postcode_district",
        "--vars",
        variables,
    )
    assert outcome, outcome.text[-4000:]
    return project


def test_real_companies_are_all_counted(real_companies):
    with open(
        real_companies.folder / "publication/company-register-by-local-authority.csv", encoding="utf-8"
    ) as handle:
        total = [
            row["companies"]
            for row in csv.DictReader(handle)
            if row["local_authority"] == row["industry"] == row["age_band"] == "Total"
        ]
    assert total == ["75740"]


def test_no_real_company_is_recoverable(real_companies):
    """By someone who also knows that a suppressed number is whole, and not zero because zeros are visible."""
    files = csv_attack.release_of(real_companies.folder / "publication")
    assert len(files) == 2
    found = csv_attack.attack(files, hierarchies(), whole=["companies"], least={"companies": 1})
    assert found.hidden > 1000 and found.relations > 1000, str(found)
    assert not found.contradictions and not found.leaks, str(found)


def test_the_published_numbers_of_real_companies_are_the_safe_ones(real_companies):
    dimensions = ["local_authority", "postcode_district", "industry", "age_band"]
    for name in ("by-local-authority", "by-postcode-district"):
        file = real_companies.folder / "publication" / f"company-register-{name}.csv"
        assert check_against_the_truth(real_companies, file, "company_register", "companies", dimensions, []) > 100


def test_a_leak_would_be_found(real_companies, tmp_path):
    """The attacker can succeed: given some of the suppressed numbers, others fall."""
    source = real_companies.folder / "publication" / "company-register-by-local-authority.csv"
    with open(source, encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    numbers = {
        tuple(r[k] for k in ("local_authority", "postcode_district", "industry", "age_band")): r["value"]
        for r in truth(
            real_companies,
            "company_register",
            "companies",
            ["local_authority", "postcode_district", "industry", "age_band"],
            [],
        )
    }
    for row in rows:
        if row["companies_marker"] and row["local_authority"] == "Total":
            row["companies"] = numbers[("Total", "Total", row["industry"], row["age_band"])]
            row["companies_marker"] = ""
    leaky = tmp_path / source.name
    with open(leaky, "w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    assert csv_attack.attack([leaky], hierarchies()).leaks
