"""Costs: the distance from the primaries against a search cell by cell; patterns that stay from release to release."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle import checks, cubes, strategies
from sdc.engine import suppress
from sdc.engine.costs import PREVIOUS
from sdc.engine.errors import EngineError
from sdc.engine.system import System


def steps_by_search(cube: cubes.Cube) -> dict[int, int]:
    """Relations between each cell and the nearest primary, one cell after another; cells without a way are left out."""
    members: dict[int, list[int]] = {}
    for row in cube.relations.to_pylist():
        members.setdefault(row["relation_id"], []).append(row["cell_id"])
    status = zip(cube.cells["cell_id"].to_pylist(), cube.cells["status"].to_pylist(), strict=True)
    steps = {cell: 0 for cell, is_ in status if is_ == "primary"}
    queue = list(steps)
    for cell in queue:
        for line in members.values():
            for other in line if cell in line else ():
                if other not in steps:
                    steps[other] = steps[cell] + 1
                    queue.append(other)
    return steps


@checks.examples(15)
@given(st.one_of(strategies.count_cubes(), strategies.magnitude_cubes()))
def test_distance_counts_relations(cube: cubes.Cube) -> None:
    system = System.from_arrow(cube.cells, cube.relations, "distance")
    steps = steps_by_search(cube)
    furthest = max(steps.values(), default=0)
    for cell, cost, value in zip(system.cell_id.tolist(), system.cost, system.value, strict=True):
        if steps.get(cell) == 0:
            assert cost == 0
        else:
            assert steps.get(cell, furthest + 1) <= cost <= steps.get(cell, furthest + 1) + 1, (cell, value)
    others = ~system.primary
    order = np.argsort(np.abs(system.value[others]), kind="stable")
    whole = np.array([steps.get(cell, furthest + 1) for cell in system.cell_id[others].tolist()])
    assert (np.diff((system.cost[others] - whole)[order]) >= -1e-9).all(), "of cells equally far the smaller is cheaper"


def test_distance_keeps_the_pattern_near() -> None:
    """The optimum by distance is never further from the primaries than the optimum by value, and sometimes nearer."""
    by_distance = by_value = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        leaves = rng.integers(5, 60, (6, 6))
        for _ in range(3):
            leaves[tuple(rng.integers(0, 6, 2))] = 2
        cube = cubes.count_cube([cubes.flat(6), cubes.flat(6)], leaves, threshold=5)
        steps = steps_by_search(cube)
        near, cheap = (
            sum(steps[cell] for cell, status in checks.statuses(pattern).items() if status == "secondary")
            for pattern in (
                suppress(cube.cells, cube.relations, cost=c, method="optimal") for c in ("distance", "value")
            )
        )
        assert near <= cheap
        by_distance, by_value = by_distance + near, by_value + cheap
    assert by_distance < by_value


def two_periods(seed: int) -> tuple[cubes.Cube, cubes.Cube]:
    """A hierarchical table and the same a period later: safe counts moved by about 15 %, the primaries are the same."""
    rng = np.random.default_rng(seed)
    earlier = rng.poisson(rng.lognormal(2.5, 0.3, (8, 5)))
    moved = np.maximum(6, np.rint(earlier * rng.normal(1.0, 0.15, earlier.shape))).astype(int)
    dimensions = [cubes.tree([3, 3, 2]), cubes.tree([2, 3])]
    periods = (earlier, np.where(earlier < 6, earlier, moved))
    return tuple(cubes.count_cube(dimensions, leaves, threshold=6) for leaves in periods)


@pytest.mark.parametrize("method", ["heuristic", "auto"])
def test_the_pattern_of_the_period_before_is_preferred(method: str) -> None:
    """How many cells change their status between the periods, with and without a look at the earlier one."""
    changed = {False: 0, True: 0}
    for seed in range(3):
        earlier, later = two_periods(seed)
        before = checks.statuses(suppress(earlier.cells, earlier.relations, method=method, work=50))
        hidden = [status != "safe" for status in before.values()]
        for looks in changed:
            cells = checks.with_column(later.cells, "previous", hidden) if looks else later.cells
            pattern = suppress(cells, later.relations, method=method, work=50)
            checks.assert_well_formed(cells, pattern)
            checks.assert_protected(cells, later.relations, pattern)
            after = checks.statuses(pattern)
            changed[looks] += sum((after[cell] == "safe") != (before[cell] == "safe") for cell in after)
    assert changed[True] * 2 < changed[False], changed


@checks.examples(10)
@given(
    st.one_of(strategies.count_cubes(crossings=12), strategies.magnitude_cubes(crossings=10)), st.integers(0, 10_000)
)
def test_whatever_was_suppressed_before_the_pattern_is_safe(cube: cubes.Cube, seed: int) -> None:
    """A pattern of anything, of other cells too: it moves the choice, never the protection, in any order of rows."""
    rng = np.random.default_rng(seed)
    previous = [None if draw < 0.1 else bool(draw < 0.5) for draw in rng.random(cube.cells.num_rows)]
    cells = checks.with_column(cube.cells, "previous", previous)
    pattern = suppress(cells, cube.relations, work=50)
    checks.assert_well_formed(cells, pattern)
    checks.assert_protected(cells, cube.relations, pattern)
    shuffled = cells.take(pa.array(rng.permutation(cells.num_rows)))
    assert suppress(shuffled, cube.relations, work=50).equals(pattern)


def test_a_wasteful_pattern_is_given_up() -> None:
    """Two complements for one primary: the old one stays until it costs more than the other by the documented share."""
    relations = pa.table({"relation_id": [1] * 4, "cell_id": [1, 2, 3, 4], "coefficient": [1.0, -1.0, -1.0, -1.0]})
    for old, stays in ((10 / PREVIOUS - 1, True), (10 / PREVIOUS + 1, False)):
        cells = pa.table(
            {
                "cell_id": [1, 2, 3, 4],
                "value": [2.0 + 10.0 + old, 2.0, 10.0, old],
                "status": ["safe", "primary", "safe", "safe"],
                "previous": [False, True, False, True],
            }
        )
        pattern = checks.statuses(suppress(cells, relations))
        assert pattern == {
            1: "safe",
            2: "primary",
            3: "safe" if stays else "secondary",
            4: "secondary" if stays else "safe",
        }


def test_previous_must_be_boolean() -> None:
    cells = pa.table({"cell_id": [1], "value": [1.0], "status": ["safe"], "previous": ["secondary"]})
    with pytest.raises(EngineError, match="previous: expected booleans"):
        suppress(cells, pa.table({"relation_id": [1], "cell_id": [1], "coefficient": [0.0]}))
