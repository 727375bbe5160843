"""Public known answers, and optima of tiny tables found by trying every pattern with the oracle."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pyarrow as pa
import pytest

from oracle import attack, checks, cubes
from sdc.engine import EngineError, audit, suppress
from sdc.engine.cutting.incumbent import Unprotectable
from sdc.engine.cutting.solver import SolverError
from sdc.engine.improve import solve_components
from sdc.engine.optimal import Search


def two_way(values: list[list[int]], **levels: dict[tuple[int, int], float]) -> cubes.Cube:
    """A two-way table with totals; ``levels`` name a column and give it for some (row, column); those cells
    are primary.
    """
    array = np.array(values, dtype=float)
    dimensions = [cubes.flat(array.shape[0]), cubes.flat(array.shape[1])]
    value = cubes.aggregate(array, dimensions)
    primary = np.zeros(value.shape, dtype=bool)
    columns = {}
    for name, given in levels.items():
        columns[name] = np.zeros(value.shape)
        for place, level in given.items():
            columns[name][place] = level
            primary[place] = True
    return cubes.build(dimensions, value, primary, **columns)


def hidden_values(cube: cubes.Cube, pattern: pa.Table) -> list[float]:
    status = checks.statuses(pattern)
    pairs = zip(cube.cells["cell_id"].to_pylist(), cube.cells["value"].to_pylist(), strict=True)
    return sorted(value for cell, value in pairs if status[cell] != "safe")


PAPER = [[20, 50, 10], [8, 19, 22], [17, 32, 12]]


@pytest.mark.parametrize("method", ["auto", "optimal"])
def test_fischetti_salazar_gonzalez_example(method: str) -> None:
    """The 3 x 3 investment table of Fischetti and Salazar-Gonzalez (2001): {22, 8, 17, 12} at a cost of 59,
    [5, 30].
    """
    cube = two_way(PAPER, upl={(1, 2): 8.0}, lpl={(1, 2): 5.0})
    pattern = suppress(cube.cells, cube.relations, method=method)
    assert hidden_values(cube, pattern) == [8, 12, 17, 22]
    cells = checks.with_pattern(cube.cells, pattern)
    rows = {row["cell_id"]: row for row in audit(cells, cube.relations, intervals=True).to_pylist()}
    sensitive = rows[cube.cells["cell_id"].to_pylist()[cube.cells["status"].to_pylist().index("primary")]]
    assert (sensitive["lower"], sensitive["upper"], sensitive["verdict"]) == (
        pytest.approx(5),
        pytest.approx(30),
        "safe",
    )


def test_the_result_says_how_near_the_optimum_it_is() -> None:
    cube = two_way(PAPER, upl={(1, 2): 8.0}, lpl={(1, 2): 5.0})
    said = {
        method: {
            name.decode(): text.decode()
            for name, text in suppress(cube.cells, cube.relations, method=method).schema.metadata.items()
        }
        for method in ("auto", "optimal", "heuristic")
    }
    proven = {"cost": "37.0", "bound": "37.0", "gap": "0.0", "proven": "True"}
    assert said["auto"] == said["optimal"] == proven
    assert said["heuristic"] == {"cost": "37.0", "bound": "0.0", "gap": "1.0", "proven": "False"}


def test_a_search_that_is_cut_off_leaves_time_for_the_audit_of_what_it_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that spends all its time still hands over a cheaper pattern, which is audited and returned."""
    cube = cubes.magnitude_cube([cubes.flat(12)] * 2, *cubes.contributions(np.random.default_rng(2), (12, 12), 1500))

    def slow(*arguments: object, time_limit: float, **options: object) -> object:
        until = time.monotonic() + time_limit
        found = solve_components(*arguments, **options)
        time.sleep(max(until - time.monotonic(), 0.0))
        return found

    plain = suppress(cube.cells, cube.relations, method="heuristic", work=1, attackers=["outsider"]).schema.metadata
    monkeypatch.setattr("sdc.engine.solve_components", slow)
    asked = {"method": "optimal", "time_limit": 3.0, "attackers": ["outsider"]}
    cut_off = suppress(cube.cells, cube.relations, **asked).schema.metadata
    assert float(cut_off[b"cost"]) < float(plain[b"cost"])


def test_who_knows_one_of_several_own_cells_has_a_proven_optimum_too() -> None:
    cube = cubes.count_cube([cubes.flat(6)] * 2, np.random.default_rng(9).poisson(6, (6, 6)), threshold=4)
    cells = cube.cells.set_column(
        cube.cells.column_names.index("contributor"),
        "contributor",
        pa.array([7 if status == "primary" else None for status in cube.cells["status"].to_pylist()], pa.int64()),
    )
    for method in ("auto", "optimal"):
        pattern = suppress(cells, cube.relations, method=method, attackers=["singletons"])
        assert pattern.schema.metadata[b"proven"] == b"True"
        again = audit(checks.with_pattern(cells, pattern), cube.relations, attackers=["singletons"])
        assert set(again["verdict"].to_pylist()) == {"safe"}


def test_what_needs_no_secondary_is_proven() -> None:
    cube = two_way(PAPER)
    said = suppress(cube.cells, cube.relations, method="heuristic").schema.metadata
    assert (said[b"cost"], said[b"proven"]) == (b"0.0", b"True")


def test_heuristic_is_near_the_optimum_of_the_example() -> None:
    cube = two_way(PAPER, upl={(1, 2): 8.0}, lpl={(1, 2): 5.0})
    pattern = suppress(cube.cells, cube.relations, method="heuristic")
    checks.assert_protected(cube.cells, cube.relations, pattern)
    assert sum(hidden_values(cube, pattern)) <= 1.05 * 59


@pytest.mark.parametrize("error", [Unprotectable([0]), SolverError("no luck")])
def test_a_search_for_a_cheaper_pattern_cannot_undo_a_safe_one(monkeypatch, error: Exception) -> None:
    """The heuristic's pattern has passed its audit; that cells cannot be protected is for the heuristic to say."""

    def fails(*_arguments, **_options):
        raise error

    cube = two_way(PAPER, upl={(1, 2): 8.0}, lpl={(1, 2): 5.0})
    monkeypatch.setattr(Search, "run", fails)
    for method in ("heuristic", "auto", "optimal"):
        pattern = suppress(cube.cells, cube.relations, method=method)
        checks.assert_protected(cube.cells, cube.relations, pattern)
        assert (pattern.schema.metadata[b"bound"], pattern.schema.metadata[b"proven"]) == (b"0.0", b"False")


def test_two_hidden_cells_in_each_line_are_not_enough() -> None:
    """Two hidden 2 x 2 blocks joined by one cell: every line has two or three, and the joint is 5 all the
    same.
    """
    hidden = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 2), (2, 3), (3, 2), (3, 3)]
    cube = two_way([[9, 8, 40, 41], [7, 6, 5, 42], [43, 44, 9, 8], [45, 46, 7, 6]], upl=dict.fromkeys(hidden, 0.0))
    audited = checks.verdicts(audit(cube.cells, cube.relations))
    joint = int(np.flatnonzero((cube.codes == [1, 2]).all(axis=1))[0])
    assert [cell for cell, verdict in audited.items() if verdict != "safe"] == [joint]
    assert audited[joint] == "exact"
    checks.assert_protected(cube.cells, cube.relations, suppress(cube.cells, cube.relations))


def test_public_rule_and_published_zeros() -> None:
    """15 = 10 + 3 + x + x: where zeros are published, the hidden counts are 1 + 1."""
    cube = cubes.count_cube([cubes.flat(4)], np.array([10, 3, 1, 1]), threshold=3, lower=1.0)
    assert set(checks.verdicts(audit(cube.cells, cube.relations)).values()) == {"exact"}
    pattern = suppress(cube.cells, cube.relations, attackers="outsider")
    checks.assert_protected(cube.cells, cube.relations, pattern)
    assert hidden_values(cube, pattern) == [1, 1, 3]
    unknown = cubes.count_cube([cubes.flat(4)], np.array([10, 3, 1, 1]), threshold=3, lower=0.0)
    assert hidden_values(unknown, suppress(unknown.cells, unknown.relations, attackers="outsider")) == [1, 1]


def test_whole_numbers_need_two_in_the_interval() -> None:
    """An interval of [0.6, 1.4] is wide for a magnitude and a point for a count."""
    cells = pa.table(
        {
            "cell_id": [1, 2, 3],
            "value": [20.0, 1.0, 19.0],
            "status": ["safe", "primary", "secondary"],
            "lower": [0.0, 0.6, 0.0],
            "upper": [100.0, 1.4, 100.0],
            "integer": [True, True, True],
        }
    )
    relations = pa.table({"relation_id": [1, 1, 1], "cell_id": [1, 2, 3], "coefficient": [1.0, -1.0, -1.0]})
    assert checks.verdicts(audit(cells, relations))[2] == "exact"
    measured = checks.with_column(cells, "integer", [False, False, False])
    assert set(checks.verdicts(audit(measured, relations)).values()) == {"safe"}


@pytest.mark.parametrize(
    ("upl", "lpl", "spl", "verdict"),
    [
        (8, 17, 25, "safe"),
        (8.5, 17, 25, "under_above"),
        (8, 17.5, 25, "under_below"),
        (8, 17, 25.5, "too_narrow"),
    ],
)
def test_each_level_has_its_own_verdict(upl: float, lpl: float, spl: float, verdict: str) -> None:
    """The pattern of the 3 x 3 example gives exactly [5, 30] around 22."""
    cube = two_way(PAPER, upl={(1, 2): upl}, lpl={(1, 2): lpl}, spl={(1, 2): spl})
    status = list(cube.cells["status"].to_pylist())
    for place in ((1, 0), (2, 0), (2, 2)):
        status[int(np.flatnonzero((cube.codes == place).all(axis=1))[0])] = "secondary"
    cells = checks.with_column(cube.cells, "status", status)
    sensitive = int(np.flatnonzero((cube.codes == (1, 2)).all(axis=1))[0])
    assert checks.verdicts(audit(cells, cube.relations))[sensitive] == verdict


def test_p_percent_levels_of_the_methods_page() -> None:
    """p = 10: [50,30,20] safe; [900,50,40,5] short by 45; [100,100,9] by 1; [100,100,10] safe."""
    groups = [[50, 30, 20], [900, 50, 40, 5], [100, 100, 9], [100, 100, 10]]
    leaf = np.repeat(np.arange(4), [len(group) for group in groups])
    amounts = np.concatenate([np.array(group, dtype=float) for group in groups])
    cube = cubes.magnitude_cube([cubes.flat(4)], leaf, np.arange(amounts.size), amounts)
    assert cube.cells["status"].to_pylist() == ["safe", "primary", "primary", "safe", "safe"]
    assert cube.cells["upl"].to_pylist() == pytest.approx([0, 45, 1, 0, 0])
    pattern = suppress(cube.cells, cube.relations)
    checks.assert_protected(cube.cells, cube.relations, pattern)


def best_by_trying(cube: cubes.Cube) -> float:
    """Cheapest total value of secondaries of any protected pattern, every set of candidates tried.

    A set is a solution when the primaries are protected. Sets that leave one hidden cell alone on a relation
    are passed over: it is as good as published, so it is either a primary or a waste that a cheaper set has
    not."""
    view = attack.View.from_arrow(cube.cells, cube.relations)
    candidates = np.flatnonzero(~view.primary & (view.value > 0))
    primary = set(view.cell_id[view.primary].tolist())
    incidence = (view.relations != 0).astype(int)
    sets = itertools.chain.from_iterable(
        itertools.combinations(candidates, size) for size in range(candidates.size + 1)
    )
    for chosen in sorted(sets, key=lambda chosen: view.value[list(chosen)].sum()):
        hidden = view.primary.copy()
        hidden[list(chosen)] = True
        if np.any(incidence @ hidden == 1):
            continue
        if primary.isdisjoint(attack.leaks(attack.View(**{**view.__dict__, "hidden": hidden}))):
            return float(view.value[list(chosen)].sum())
    raise AssertionError("no pattern protects this table")


@pytest.mark.parametrize("seed", range(8))
def test_optimal_is_the_brute_force_optimum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    dimensions = [cubes.flat(3), cubes.flat(3)] if seed % 2 else [cubes.tree([2, 1]), cubes.flat(2)]
    shape = tuple(dimension.leaves for dimension in dimensions)
    if seed % 4 < 2:
        cube = cubes.count_cube(dimensions, rng.negative_binomial(1, 0.12, shape), threshold=3)
    else:
        cube = cubes.magnitude_cube(dimensions, *cubes.contributions(rng, shape, 40), percent=15)
    pattern = suppress(cube.cells, cube.relations, method="optimal", attackers="outsider")
    checks.assert_protected(cube.cells, cube.relations, pattern)
    status = checks.statuses(pattern)
    pairs = zip(cube.cells["cell_id"].to_pylist(), cube.cells["value"].to_pylist(), strict=True)
    assert sum(value for cell, value in pairs if status[cell] == "secondary") == pytest.approx(best_by_trying(cube))


def test_a_level_that_no_suppression_reaches_is_refused_with_its_cell() -> None:
    """The lower level asks for less than nothing: no attacker's interval of a non-negative cell reaches
    there.
    """
    cube = two_way(PAPER, lpl={(1, 2): 23.0})
    with pytest.raises(EngineError) as refused:
        suppress(cube.cells, cube.relations)
    primary = cube.cells["cell_id"].to_pylist()[cube.cells["status"].to_pylist().index("primary")]
    assert primary in list(refused.value.cells)
    assert str(primary) in str(refused.value)
