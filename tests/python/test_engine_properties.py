"""Properties of the engine on random cubes, judged by an oracle that shares no code with it
(``oracle.attack``).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle import attack, checks, cubes, strategies
from sdc.engine import audit, suppress
from sdc.engine.errors import EngineError


def protect(cube: cubes.Cube, **options: object) -> pa.Table:
    """Suppress, check the form of the answer, and let oracle and audit both examine it."""
    pattern = suppress(cube.cells, cube.relations, **{"work": 50, **options})
    checks.assert_well_formed(cube.cells, pattern)
    checks.assert_protected(cube.cells, cube.relations, pattern)
    if "attackers" not in options:
        checks.assert_protected_from_insiders(cube.cells, cube.relations, pattern)
    cells = checks.with_pattern(cube.cells, pattern)
    audited = audit(cells, cube.relations, attackers=options.get("attackers"))
    hidden = [cell for cell, status in sorted(checks.statuses(pattern).items()) if status != "safe"]
    assert audited["cell_id"].to_pylist() == hidden
    assert set(audited["verdict"].to_pylist()) <= {"safe"}
    return pattern


@checks.examples(60)
@given(strategies.count_cubes())
def test_counts_are_protected(cube: cubes.Cube) -> None:
    protect(cube)


@checks.examples(40)
@given(strategies.count_cubes(crossings=16, lower=(1.0,)))
def test_counts_are_protected_where_zeros_are_known(cube: cubes.Cube) -> None:
    """The attacker knows that a hidden count is at least 1: linear algebra alone does not see what that gives
    away.
    """
    protect(cube)


@checks.examples(40)
@given(strategies.magnitude_cubes())
def test_magnitudes_keep_their_levels(cube: cubes.Cube) -> None:
    protect(cube)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("magnitude", [False, True])
def test_larger_cubes_are_protected(seed: int, magnitude: bool) -> None:
    protect(cubes.random_cube(1000 + seed, cells=500, magnitude=magnitude))


@checks.examples(50)
@given(st.data())
def test_audit_agrees_with_the_oracle_on_arbitrary_patterns(data: st.DataObject) -> None:
    """Patterns that nobody made safe: primaries and random further cells, zeros and all."""
    cube = data.draw(st.one_of(strategies.count_cubes(lower=(0.0, 1.0)), strategies.magnitude_cubes()))
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    share = data.draw(st.sampled_from([0.0, 0.2, 0.5]))
    extra = rng.random(cube.cells.num_rows) < share
    status = [
        "secondary" if more and old == "safe" else old
        for more, old in zip(extra.tolist(), cube.cells["status"].to_pylist(), strict=True)
    ]
    cells = checks.with_column(cube.cells, "status", status)
    checks.assert_verdicts_match(cells, cube.relations, audit(cells, cube.relations, attackers="outsider"))


@checks.examples(20)
@given(st.one_of(strategies.count_cubes(crossings=12), strategies.magnitude_cubes(crossings=10)))
def test_exact_intervals_on_request(cube: cubes.Cube) -> None:
    cells = checks.with_pattern(cube.cells, suppress(cube.cells, cube.relations, work=50))
    checks.assert_intervals_match(cells, cube.relations, audit(cells, cube.relations, intervals=True))


@checks.examples(30)
@given(st.data())
def test_publishing_one_secondary_again_is_caught(data: st.DataObject) -> None:
    """Whatever the removal of one secondary gives away, to the oracle, the audit gives as verdict."""
    cube = data.draw(st.one_of(strategies.count_cubes(lower=(0.0, 1.0)), strategies.magnitude_cubes()))
    pattern = checks.statuses(suppress(cube.cells, cube.relations, work=50))
    secondary = sorted(cell for cell, status in pattern.items() if status == "secondary")
    if not secondary:
        return
    pattern[data.draw(st.sampled_from(secondary))] = "safe"
    cells = checks.with_column(cube.cells, "status", [pattern[cell] for cell in cube.cells["cell_id"].to_pylist()])
    checks.assert_verdicts_match(cells, cube.relations, audit(cells, cube.relations, attackers="outsider"))


@checks.examples(30)
@given(st.data())
def test_frozen_cells_are_respected_or_refused(data: st.DataObject) -> None:
    """An error is right only if hiding everything that may be hidden would not do either."""
    cube = data.draw(st.one_of(strategies.count_cubes(crossings=12), strategies.magnitude_cubes(crossings=10)))
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    safe = np.array(cube.cells["status"].to_pylist()) == "safe"
    frozen = safe & (rng.random(safe.size) < data.draw(st.sampled_from([0.1, 0.4])))
    frozen_cube = cubes.Cube(
        checks.with_column(cube.cells, "frozen", frozen.tolist()), cube.relations, cube.codes, cube.dimensions
    )
    try:
        protect(frozen_cube, attackers="outsider")
    except EngineError as error:
        assert not checks.can_be_protected(frozen_cube.cells, frozen_cube.relations)
        assert error.cells
    else:
        assert checks.can_be_protected(frozen_cube.cells, frozen_cube.relations)


@checks.examples(20)
@given(st.one_of(strategies.count_cubes(), strategies.magnitude_cubes()), st.integers(0, 10_000))
def test_pattern_does_not_depend_on_order_or_on_the_ids_themselves(cube: cubes.Cube, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pattern = suppress(cube.cells, cube.relations, work=50)
    shuffled_cells = cube.cells.take(pa.array(rng.permutation(cube.cells.num_rows)))
    shuffled_relations = cube.relations.take(pa.array(rng.permutation(cube.relations.num_rows)))
    assert suppress(shuffled_cells, shuffled_relations, work=50).equals(pattern)

    def relabel(column: pa.ChunkedArray) -> pa.Array:
        return pa.array(7 * column.to_numpy() + 11)

    relabelled = suppress(
        checks.with_column(cube.cells, "cell_id", relabel(cube.cells["cell_id"])),
        checks.with_column(
            checks.with_column(cube.relations, "cell_id", relabel(cube.relations["cell_id"])),
            "relation_id",
            relabel(cube.relations["relation_id"]),
        ),
        work=50,
    )
    assert relabelled["status"].to_pylist() == pattern["status"].to_pylist()


@checks.examples(20)
@given(strategies.magnitude_cubes(), st.sampled_from(["value", "count", "unity", "log", "power", "distance"]))
def test_every_cost_gives_a_protected_pattern(cube: cubes.Cube, cost: str) -> None:
    protect(cube, cost=cost)


@checks.examples(20)
@given(st.one_of(strategies.count_cubes(), strategies.magnitude_cubes()), st.sampled_from([0.0, 1e-9, 1e-3]))
def test_time_that_runs_out_is_never_a_pass(cube: cubes.Cube, seconds: float) -> None:
    """The audit says `safe` of no cell that is not; suppression gives a protected pattern or an error,
    nothing between.
    """
    rng = np.random.default_rng(cube.cells.num_rows)
    status = ["secondary" if old == "safe" and rng.random() < 0.2 else old for old in cube.cells["status"].to_pylist()]
    cells = checks.with_column(cube.cells, "status", status)
    expected = attack.findings(attack.View.from_arrow(cells, cube.relations))
    got = checks.verdicts(audit(cells, cube.relations, time_limit=seconds))
    assert got.keys() == expected.keys()
    for cell, verdict in got.items():
        assert verdict == "not_examined" or (verdict == "safe") == (not expected[cell]), (cell, verdict)
    try:
        pattern = suppress(cube.cells, cube.relations, time_limit=seconds)
    except EngineError:
        return
    checks.assert_protected(cube.cells, cube.relations, pattern)


@checks.examples(20)
@given(st.one_of(strategies.count_cubes(), strategies.magnitude_cubes()), st.integers(0, 10_000))
def test_a_starting_pattern_is_completed(cube: cubes.Cube, seed: int) -> None:
    """Secondaries of an earlier release come in as statuses; whatever they were, the result is protected."""
    rng = np.random.default_rng(seed)
    status = [
        "secondary" if old == "safe" and value != 0 and rng.random() < 0.3 else old
        for old, value in zip(cube.cells["status"].to_pylist(), cube.cells["value"].to_pylist(), strict=True)
    ]
    pattern = suppress(checks.with_column(cube.cells, "status", status), cube.relations)
    checks.assert_well_formed(cube.cells, pattern)
    checks.assert_protected(cube.cells, cube.relations, pattern)


def test_nothing_to_protect_and_nothing_hidden() -> None:
    cube = cubes.count_cube([cubes.flat(3)], np.array([20, 30, 40]), threshold=5)
    assert set(suppress(cube.cells, cube.relations)["status"].to_pylist()) == {"safe"}
    assert audit(cube.cells, cube.relations).num_rows == 0


def test_linked_tables_are_one_system() -> None:
    """Two tables with one margin in common, each protected alone by hiding what the other needs published."""
    rng = np.random.default_rng(5)
    leaves = rng.poisson(1.2, (4, 5, 4))
    whole = cubes.count_cube([cubes.flat(4), cubes.flat(5), cubes.flat(4)], leaves, threshold=4)
    # Only the margins (0, 1) and (1, 2): crossings where either the last or the first dimension is at its
    # total.
    total = whole.codes == np.array([4, 5, 4])
    kept = total[:, 2] | total[:, 0]
    ids = set(whole.cells["cell_id"].to_numpy()[kept].tolist())
    cells = whole.cells.filter(pa.array(kept))
    complete = {}
    for row in whole.relations.to_pylist():
        complete.setdefault(row["relation_id"], []).append(row)
    rows = [row for group in complete.values() if all(one["cell_id"] in ids for one in group) for row in group]
    linked = cubes.Cube(cells, pa.Table.from_pylist(rows, whole.relations.schema), whole.codes[kept], whole.dimensions)
    protect(linked)
    assert attack.View.from_arrow(linked.cells, linked.relations).primary.any()
