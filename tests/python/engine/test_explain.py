"""Explanations against the published example and against publishing each cell in turn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from engine.small_tables import (
    PAPER,
    insiders_of,
    interval,
    is_exact,
    is_protected,
    small_linear,
    small_two_way,
    system,
    two_way,
)
from oracle import attack, checks, cubes
from sdc import engine
from sdc.engine import optimal
from sdc.engine.errors import EngineError
from sdc.engine.explain import explain
from sdc.engine.insiders import Insider
from sdc.engine.system import SAFE, SECONDARY, System

SENSITIVE = 6


def example() -> System:
    """The 3 x 3 example with its optimal pattern."""
    values, relations = two_way(PAPER)
    instance = system(values, relations, {SENSITIVE: {"upl": 8, "lpl": 5}})
    return instance.with_suppressed(optimal.solve(instance).suppressed)


def by_cell(table: pa.Table) -> dict[int, dict]:
    """Rows by cell id."""
    return {row["cell_id"]: row for row in table.to_pylist()}


def test_example_of_the_paper():
    rows = by_cell(explain(example()))
    assert sorted(rows) == [4, 6, 8, 10]
    assert rows[SENSITIVE] == {
        "cell_id": SENSITIVE,
        "status": "primary",
        "basis": "examined",
        "protects": None,
        "relation_id": None,
        "lower": pytest.approx(5),
        "upper": pytest.approx(30),
        "margin": pytest.approx(0),
    }
    # Cell 4 shares row 1 with the sensitive cell, cell 10 column 2 (relation 6); cell 8 is across the table.
    assert [(rows[i]["protects"], rows[i]["relation_id"]) for i in (4, 8, 10)] == [
        ([6], 1),
        ([6], 2),
        ([6], 6),
    ]
    assert all(rows[i]["lower"] is None and rows[i]["margin"] is None for i in (4, 8, 10))


def test_without_programs_the_nearest_primary_is_named():
    rows = by_cell(explain(example(), most_cells=0))
    assert [(rows[i]["basis"], rows[i]["protects"], rows[i]["relation_id"]) for i in (4, 8, 10)] == [
        ("linked", [6], 1),
        ("linked", [6], 2),
        ("linked", [6], 6),
    ]
    assert rows[SENSITIVE]["lower"] is None
    assert by_cell(explain(example(), most_programs=0)) == rows


def test_intervals_of_an_audit_are_used_where_nothing_is_examined():
    audit = pa.table({"cell_id": [6, 4], "lower": [5.0, 0.0], "upper": [30.0, 25.0], "verdict": ["safe", "safe"]})
    row = by_cell(explain(example(), audit=audit, most_cells=0))[SENSITIVE]
    assert (row["lower"], row["upper"], row["margin"]) == (5, 30, 0)


def test_a_cell_that_nothing_needs_protects_nothing():
    instance = example()
    extra = instance.suppressed.copy()
    extra[15] = True  # the grand total alone: exactly known, no use to anybody
    rows = by_cell(explain(instance.with_suppressed(extra)))
    assert (rows[15]["basis"], rows[15]["protects"], rows[15]["relation_id"]) == ("examined", [], None)


def test_an_unprotected_primary_has_a_negative_margin():
    values, relations = two_way(PAPER)
    rows = by_cell(explain(system(values, relations, {SENSITIVE: {"upl": 8}})))
    assert rows[SENSITIVE]["margin"] == pytest.approx(-8)
    whole = system(values, relations, {SENSITIVE: {}}, integer=[True] * len(values))
    assert by_cell(explain(whole))[SENSITIVE]["margin"] == pytest.approx(-1)


def test_no_limit_above_is_reported_as_infinite():
    values, relations = two_way(PAPER)
    instance = system(values, relations, {i: {} for i in range(len(values))})
    assert by_cell(explain(instance))[0]["upper"] == np.inf


def test_a_pattern_that_publishes_a_primary_is_refused():
    instance = example()
    with pytest.raises(EngineError, match="publishes primary cells 6"):
        explain(instance, np.full(instance.n, SAFE))
    with pytest.raises(EngineError, match="entries"):
        explain(instance, np.zeros(3))


def test_nothing_suppressed_gives_no_rows():
    values, relations = two_way(PAPER)
    assert explain(system(values, relations, {})).num_rows == 0


def test_the_audit_with_explanations():
    """The audit's own rows and verdicts; true intervals of primaries, or the audit's where work is not allowed."""
    leaves = np.random.default_rng(2).poisson(9.0, (5, 4))
    cube = cubes.count_cube([cubes.flat(5), cubes.flat(4)], leaves, threshold=6)
    cells = checks.with_pattern(cube.cells, engine.suppress(cube.cells, cube.relations, work=50))
    audited = engine.audit(cells, cube.relations)
    explained = engine.explain(cells, cube.relations, audited)
    assert explained.column_names == [*audited.column_names, "basis", "protects", "relation_id", "margin"]
    assert set(explained["basis"].to_pylist()) == {"examined"}
    assert explained.select(["cell_id", "verdict", "attacker"]).equals(
        audited.select(["cell_id", "verdict", "attacker"])
    )
    true = attack.intervals(attack.View.from_arrow(cells, cube.relations))
    primaries = [row for row in explained.to_pylist() if row["protects"] is None]
    assert primaries and all((row["lower"], row["upper"]) == pytest.approx(true[row["cell_id"]]) for row in primaries)
    assert all(row["margin"] >= 0 for row in primaries)
    without = engine.explain(cells, cube.relations, audited, programs=0)
    assert without.select(audited.column_names).equals(audited)
    assert all(row["protects"] for row in without.to_pylist() if row["margin"] is None)


def test_what_is_hidden_from_an_insider_only():
    """A primary of two and a cell that its only contributor knows: the third hides it from that contributor."""
    values, relations = np.array([2.0, 1.0, 6.0, 20.0, 29.0]), [[(0, 1.0), (1, 1.0), (2, 1.0), (3, 1.0), (4, -1.0)]]
    instance = system(values, relations, {0: {}, 1: {}}, integer=[True] * 5, contributor=[None, 7, None, None, None])
    pattern = instance.with_suppressed(np.isin(np.arange(5), (0, 1, 2)))
    assert by_cell(explain(pattern))[2]["protects"] == []
    row = by_cell(explain(pattern, insiders=[Insider.of([1])]))[2]
    assert (row["basis"], row["protects"], row["relation_id"]) == ("examined", [0], 0)


def assert_explained(instance: System, insiders: Sequence[Insider] = ()) -> None:
    """Every answer is what publishing the cell, or an attack by SciPy, says."""
    try:
        result = optimal.solve(instance)
    except EngineError:
        assume(False)
    suppressed = result.suppressed | (np.arange(instance.n) % 3 == 0) & instance.candidate
    rows = by_cell(explain(instance, np.where(suppressed, SECONDARY, SAFE), insiders=insiders))
    assert sorted(rows) == np.flatnonzero(suppressed).tolist()
    links = instance.A.tocsc()
    for cell, row in rows.items():
        if instance.primary[cell]:
            assert (row["lower"], row["upper"]) == pytest.approx(interval(instance, suppressed, cell), abs=1e-6)
            assert row["margin"] >= -1e-5
            continue
        without = suppressed.copy()
        without[cell] = False
        primaries = np.flatnonzero(instance.primary)
        assert row["protects"] == [
            int(p)
            for p in primaries
            if not is_protected(instance, without, p)
            or any(opened_to(instance, insider, suppressed, without, int(p)) for insider in insiders)
        ]
        if row["protects"]:
            assert row["relation_id"] in links.indices[links.indptr[cell] : links.indptr[cell + 1]]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(small_two_way())
def test_two_way_agrees_with_publishing_each_cell(instance):
    assert_explained(instance)


def opened_to(instance: System, insider: Insider, before: np.ndarray, after: np.ndarray, primary: int) -> bool:
    """Whether an insider computes a primary after the change that it did not compute before."""
    unknown = ~np.isin(np.arange(instance.n), insider.known)
    exact = [is_exact(instance, pattern & unknown, primary) for pattern in (before, after)]
    return primary not in insider.own and exact == [False, True]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_insiders_agree_with_publishing_each_cell(data):
    instance = data.draw(small_two_way())
    assert_explained(instance, data.draw(insiders_of(instance)))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(small_linear())
def test_linear_relations_agree_with_publishing_each_cell(instance):
    assert_explained(instance)
