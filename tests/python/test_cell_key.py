"""The cell-key method: our p-tables, and the SQL against the ONS package cell-key-perturbation, cell for cell."""

from __future__ import annotations

import csv
from collections import Counter

import duckdb
import numpy as np
import pytest

from conftest import ROOT
from sdc import ptable
from test_alternatives import alternatives, built_alternatives  # noqa: F401  (fixtures)

SEED = ROOT / "seeds" / "ptables" / "ptable_5_3.csv"


def test_the_shipped_ptable_is_the_generators():
    with open(SEED, newline="", encoding="utf-8") as handle:
        rows = [tuple(int(v) for v in row) for row in list(csv.reader(handle))[1:]]
    assert rows == ptable.rows(bound=5, variance=3.0, smallest=3)


@pytest.mark.parametrize(
    ("bound", "variance", "smallest", "keys"), [(5, 3.0, 3, 256), (2, 1.0, 1, 256), (7, 9.0, 5, 4096)]
)
def test_noise_is_unbiased_bounded_and_of_the_variance(bound, variance, smallest, keys):
    rows = ptable.rows(bound, variance, smallest, keys)
    assert [(n, k) for n, k, _ in rows] == [(n, k) for n in range(1, bound + smallest + 1) for k in range(keys)]
    for count in range(1, bound + smallest + 1):
        noise = np.array([v for n, _, v in rows if n == count])
        assert noise.sum() == 0 and np.abs(noise).max() <= bound
        assert all(count + v == 0 or count + v >= smallest for v in noise)
        if count == bound + smallest:
            assert noise.var() == pytest.approx(variance, rel=0.1)


def test_the_distribution_has_maximum_entropy():
    """Against a grid: no other distribution on {-2..2} with mean 0 and the same variance has more entropy."""
    _, found = ptable.transition(10, 2, 1.0, 1)

    def entropy(p):
        return -sum(x * np.log(x) for x in p if x > 0)

    others = []
    for far in np.linspace(0.001, 0.249, 500):  # p(-2) + p(2) = 2 far; variance 1 = 8 far + 2 near
        near = (1.0 - 8.0 * far) / 2.0
        if near >= 0 and 1 - 2 * far - 2 * near >= 0:
            others.append(entropy([far, near, 1 - 2 * far - 2 * near, near, far]))
    assert entropy(found) >= max(others) - 1e-4


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"bound": 0, "variance": 1.0}, "`bound` must be a whole number, 1 or more"),
        ({"bound": 3, "variance": 0.0}, "`variance` must be above 0"),
        ({"bound": 3, "variance": 10.0}, "at most the bound's square 9"),
        ({"bound": 2, "variance": 1.0, "smallest": 5}, "a bound of 2 is too small"),
        ({"bound": 2, "variance": 1.0, "keys": 1}, "`keys` must be a whole number, 2 or more"),
    ],
)
def test_impossible_ptables_are_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        ptable.rows(**arguments)


@pytest.mark.xdist_group("alternatives")
@pytest.mark.parametrize("least_published", [0, 10])
def test_equal_to_the_ons_package(alternatives, least_published):  # noqa: F811
    """Counts up to some thousand, so that the rows for 501 to 750 are used again; margins too."""
    ons = pytest.importorskip(
        "cell_key_perturbation.create_perturbed_table", reason="the extra `peers` is not installed"
    )
    import pandas as pd

    rng = np.random.default_rng(2025)
    size = 12_000
    records = pd.DataFrame(
        {
            "area": rng.choice(["N1", "N2", "S1", "S2"], size, p=[0.6, 0.3, 0.0992, 0.0008]),
            "size_band": rng.choice(["0-9", "10-49", "50+"], size, p=[0.7, 0.29, 0.01]),
            "record_key": rng.integers(0, 256, size),
        }
    )
    pairs = [(n, k) for n in range(1, 751) for k in range(256)]
    noise = rng.integers(-3, 4, len(pairs))
    table = pd.DataFrame(pairs, columns=["pcv", "ckey"]).assign(pvalue=noise)
    table["pvalue"] = np.maximum(table["pvalue"], -table["pcv"])

    alternatives.edit(
        "models/intermediate/int_perturbed__protected.sql", "cycle=1", f"cycle=250, least_published={least_published}"
    )
    compiled = alternatives.dbt("compile", "--select", "int_perturbed__protected")
    assert compiled, compiled.text
    sql = next((alternatives.folder / "target" / "compiled").rglob("int_perturbed__protected.sql")).read_text()

    ours = {}
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as restricted")
        connection.execute("create schema restricted.intermediate; create schema restricted.seeds")
        connection.register("given_records", records)
        connection.register("given_ptable", table)
        connection.execute("create table restricted.seeds.toy_ptable as from given_ptable")
        connection.execute(
            "create table restricted.intermediate.int_perturbed__cells as "
            "select '2025' as period, coalesce(area, 'Total') as area, coalesce(size_band, 'Total') as size_band, "
            "count(*) as shops, count(*) as shops_contributors, sum(record_key) as shop_keys, "
            "count(*) as shop_keys_contributors, 0 as turnover "
            "from given_records group by cube (area, size_band)"
        )
        for area, band, count in connection.execute(f"select area, size_band, shops from ({sql})").fetchall():
            ours[area, band] = count

    theirs = {}
    for columns in (["area", "size_band"], ["area"], ["size_band"]):
        result = ons.create_perturbed_table(
            data=records, ptable=table, geog=[], tab_vars=columns, record_key="record_key", threshold=least_published
        )
        for row in result.to_dict("records"):
            if row["pre_sdc_count"] > 0:
                published = None if pd.isna(row["count"]) else int(row["count"])
                theirs[row.get("area", "Total"), row.get("size_band", "Total")] = published
    ours.pop(("Total", "Total"))
    assert ours == theirs
    assert Counter(v is None for v in ours.values())[True] == (
        0 if least_published == 0 else sum(v is None for v in theirs.values())
    )
    assert max(v for v in ours.values() if v is not None) > 750
