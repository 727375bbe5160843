"""Readers of the whole publication: sums of suppressed cells, and what whole numbers and the public rule leave."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle import attack, checks, cubes, strategies
from sdc.engine import EngineError, System, audit, composite, deadlines, parallel, suppress
from sdc.engine.attackers import unions
from sdc.engine.attackers.unions import unsafe_unions
from sdc.engine.rules import Judge, Rules, Statistics

LISTED = pa.list_(pa.struct([("contributor", pa.int64()), ("amount", pa.float64())]))


def table(values: list[float], status: list[str], **columns: list) -> tuple[pa.Table, pa.Table]:
    """One total and its parts, the total first."""
    cells = pa.table({"cell_id": list(range(len(values))), "value": values, "status": status, **columns})
    signs = [1.0] + [-1.0] * (len(values) - 1)
    ids = list(range(len(values)))
    return cells, pa.table({"relation_id": [0] * len(values), "cell_id": ids, "coefficient": signs})


def unions_and_rest(
    cells: pa.Table, relations: pa.Table, rules: dict, **options
) -> tuple[set[tuple[int, ...]], set[int]]:
    """The unsafe sums the engine finds, and the cells that were not examined, by cell ids."""
    system = System.from_arrow(cells, relations)
    in_force = Rules.of(rules)
    judge = Judge(in_force, Statistics.from_arrow(cells, system, in_force))
    found, unexamined = unsafe_unions(system, system.suppressed, judge, **options)
    sets = {tuple(system.cell_id[found.cells(number)].tolist()) for number in range(len(found))}
    return sets, set(system.cell_id[unexamined].tolist())


def unions_of(cells: pa.Table, relations: pa.Table, rules: dict) -> set[tuple[int, ...]]:
    """The unsafe sums the engine finds, by cell ids; it examines all cells."""
    found, unexamined = unions_and_rest(cells, relations, rules)
    assert not unexamined
    return found


def hide_more(cells: pa.Table, seed: int, most: int = 13) -> pa.Table:
    """Some further cells suppressed, without leaving more than the oracle can try."""
    rng = np.random.default_rng(seed)
    status = np.array(cells["status"].to_pylist(), dtype=object)
    free = np.flatnonzero((status == "safe") & (np.array(cells["value"].to_pylist()) != 0))
    room = max(0, most - int((status != "safe").sum()))
    status[rng.permutation(free)[: min(room, int(rng.integers(0, 6)))]] = "secondary"
    return checks.with_column(cells, "status", status.tolist())


def together(held: list[dict[int, float]], cells: tuple[int, ...]) -> dict[int, float]:
    """What each contributor has in several cells."""
    out: dict[int, float] = {}
    for cell in cells:
        for who, amount in held[cell].items():
            out[who] = out.get(who, 0.0) + amount
    return out


def counts(shape: tuple[cubes.Dimension, ...], leaves: np.ndarray, threshold: float) -> cubes.Cube:
    cube = cubes.count_cube(shape, leaves, threshold)
    number = [int(value) for value in cube.cells["value"].to_pylist()]
    return cubes.Cube(
        cube.cells.append_column("contributors", pa.array(number)), cube.relations, cube.codes, cube.dimensions
    )


def minimal(sums: set[tuple[int, ...]]) -> set[tuple[int, ...]]:
    """Those that contain no other."""
    return {each for each in sums if not any(set(other) < set(each) for other in sums)}


@checks.examples(40)
@given(st.data())
def test_every_sum_below_the_threshold_is_found(data: st.DataObject) -> None:
    """Sums of any number of cells, however they follow, against trying all sets of hidden cells."""
    shape = data.draw(strategies.shapes(12))
    size = tuple(dimension.leaves for dimension in shape)
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    threshold = data.draw(st.integers(3, 9))
    cube = counts(shape, rng.choice([0, 1, 1, 2, 3, 9], size), threshold)
    cells = hide_more(cube.cells, data.draw(st.integers(0, 1000)))
    view = attack.View.from_arrow(cells, cube.relations)
    if view.hidden.sum() > 13:
        return
    number = dict(zip(view.cell_id.tolist(), view.value.tolist(), strict=True))
    # A person who is alone in several cells counts once in their sum.
    sole = dict(zip(view.cell_id.tolist(), view.contributor, strict=True))

    def contributors(chosen: tuple[int, ...]) -> float:
        alone = {sole[cell] for cell in chosen if sole[cell] is not None}
        return len(alone) + sum(number[cell] for cell in chosen if sole[cell] is None)

    expected = {
        chosen for chosen in attack.derivable_sums(view, int(view.hidden.sum())) if 0 < contributors(chosen) < threshold
    }
    found = unions_of(cells, cube.relations, {"threshold": threshold})
    assert minimal(expected) <= found <= expected
    failing = {
        row["cell_id"]
        for row in audit(cells, cube.relations, rules={"threshold": threshold}).to_pylist()
        if row["attacker"] is not None
    }
    primary = set(view.cell_id[view.primary].tolist())
    assert {cell for each in minimal(expected) for cell in each if cell in primary} <= failing


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_sums_of_any_relations_and_contributors_are_found(seed: int, listed: bool, monkeypatch) -> None:
    """Coefficients up to 2, cells that move together, nobody or the same persons in them: against trying all sets."""
    # The basis at hand settles small systems: half of them do without.
    monkeypatch.setattr(unions, "FIRST", seed % 2 * unions.FIRST)
    rng = np.random.default_rng(seed)
    n, threshold = int(rng.integers(5, 10)), int(rng.integers(2, 6))
    matrix = rng.choice([0.0, 0.0, 1.0, 1.0, -1.0, 2.0], (int(rng.integers(1, 5)), n))
    # Some cells stand in all relations as others do, up to the sign.
    for cell in range(1, n):
        if rng.random() < 0.4:
            matrix[:, cell] = matrix[:, rng.integers(cell)] * rng.choice([1.0, 1.0, -1.0])
    value = rng.integers(1, 4, n).astype(float)
    total = matrix @ value
    held = [sorted(set(rng.integers(0, 6, rng.integers(0, 4)).tolist())) for _ in range(n)]
    number = [len(one) if listed else int(rng.integers(0, 4)) for one in held]
    sole = [int(rng.integers(0, 2)) if few == 1 and rng.random() < 0.6 else None for few in number]
    columns = {"contributors": [*number, *[9] * len(total)]}
    if listed:
        lists = [[{"contributor": who, "amount": 1.0} for who in one] for one in held]
        columns["largest"] = pa.array([*lists, *[[]] * len(total)], LISTED)
    else:
        columns["contributor"] = pa.array([*sole, *[None] * len(total)], pa.int64())
    # What each relation adds up to is published.
    cells = pa.table(
        {"cell_id": np.arange(n + len(total)), "value": [*value, *total]}
        | {"status": ["primary"] * n + ["safe"] * len(total), "lower": np.full(n + len(total), -np.inf)}
        | columns
    )
    row, cell = np.nonzero(matrix)
    own = np.arange(len(total))
    relations = pa.table(
        {
            "relation_id": np.concatenate((row, own)),
            "cell_id": np.concatenate((cell, n + own)),
            "coefficient": np.concatenate((matrix[row, cell], -np.ones(len(total)))),
        }
    )

    def fewest(chosen: tuple[int, ...]) -> int:
        if listed:
            return len(set().union(*(held[one] for one in chosen)))
        people = {sole[one] for one in chosen if sole[one] is not None}
        return len(people) + sum(number[one] for one in chosen if sole[one] is None)

    derivable = attack.derivable_sums(attack.View.from_arrow(cells, relations), n)
    expected = {chosen for chosen in derivable if 0 < fewest(chosen) < threshold}
    found, unexamined = unions_and_rest(cells, relations, {"threshold": threshold})
    # Where elimination ends in numbers modulo a prime the engine may give up, and then says so.
    assert {each for each in minimal(expected) if not unexamined.issuperset(each)} <= found <= expected
    # One of those that differ in cells that are alike is enough for suppression: each such cell is in one.
    some, _ = unions_and_rest(cells, relations, {"threshold": threshold}, every=False)
    assert some <= found and set().union(*some) == set().union(*found)


def drawn_magnitudes(data: st.DataObject, most: int, *spread: float):
    """A small cube under p%, of fewer than `most` contributors, and what each of them has in every cell."""
    shape = data.draw(strategies.shapes(8))
    size = tuple(dimension.leaves for dimension in shape)
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    microdata = cubes.contributions(rng, size, int(rng.integers(3, most)), *spread)
    return cubes.magnitude_cube(shape, *microdata, percent=20.0), cubes.amounts(shape, *microdata)


@checks.examples(60)
@given(st.data())
def test_sums_are_judged_as_their_contributors_are(data: st.DataObject) -> None:
    """Magnitudes, contributors in several cells: all sets of hidden cells against the microdata themselves."""
    cube, held = drawn_magnitudes(data, 30, 0.4, 1.5)
    cube = cubes.with_contributors(cube, held, largest=100)
    rules = data.draw(
        st.sampled_from(
            [
                {"p_percent": 20},
                {"threshold": 3},
                {"threshold": 3, "p_percent": {"p": 20}},
                {"dominance": 75},
            ]
        )
    )
    asked = {
        "threshold": rules.get("threshold", 0),
        "percent": 20.0 if "p_percent" in rules else 0.0,
        "share": rules.get("dominance", 0.0),
    }
    cells = hide_more(cube.cells, data.draw(st.integers(0, 1000)))
    view = attack.View.from_arrow(cells, cube.relations)
    if view.hidden.sum() > 13:
        return
    found = unions_of(cells, cube.relations, rules)
    derivable = set(attack.derivable_sums(view, int(view.hidden.sum())))
    short = {each: attack.shortfall(together(held, each), **asked) for each in derivable}
    failing = {each for each in derivable if short[each] > (-1e-9 if "threshold" in rules else 1e-6)}
    assert found <= {each for each in derivable if short[each] > -1e-6}
    assert {each for each in minimal(failing) if not any(set(other) < set(each) for other in derivable)} <= found
    for each in failing:
        assert any(set(other) <= set(each) for other in found)


@checks.examples(40)
@given(st.data())
def test_what_the_lists_leave_out_is_taken_at_its_worst(data: st.DataObject) -> None:
    """With the two largest only: no sum that fails by the microdata passes."""
    cube, held = drawn_magnitudes(data, 40, 0.5, 1.0)
    cells = hide_more(cubes.with_contributors(cube, held, largest=2).cells, data.draw(st.integers(0, 1000)))
    view = attack.View.from_arrow(cells, cube.relations)
    found = unions_of(cells, cube.relations, {"threshold": 3, "p_percent": 20})
    if view.hidden.sum() > 13:
        return
    for each in attack.derivable_sums(view, int(view.hidden.sum())):
        if attack.shortfall(together(held, each), 3, 20.0) > 1e-6:
            assert any(set(other) <= set(each) for other in found)


def test_a_suppressed_part_is_looked_into() -> None:
    """Neither relation gives a small sum away; the second in the place of the first's cell does: {4, 3}."""
    cells = pa.table(
        {
            "cell_id": [0, 1, 2, 3, 4, 5],
            "value": [60.0, 30.0, 29.0, 1.0, 1.0, 29.0],
            "status": ["safe", "secondary", "safe", "primary", "primary", "safe"],
            "contributors": [60, 30, 29, 1, 1, 29],
        }
    )
    rows = [(0, 0, 1.0), (0, 1, -1.0), (0, 2, -1.0), (0, 3, -1.0), (1, 1, 1.0), (1, 4, -1.0), (1, 5, -1.0)]
    relation, cell, coefficient = zip(*rows, strict=True)
    relations = pa.table({"relation_id": relation, "cell_id": cell, "coefficient": coefficient})
    assert unions_of(cells, relations, {"threshold": 3}) == {(3, 4)}
    found = audit(cells, relations, rules={"threshold": 3}).to_pylist()
    assert [(row["cell_id"], row["attacker"], row["members"]) for row in found if row["verdict"] != "safe"] == [
        (3, "unions", [3, 4]),
        (4, "unions", [3, 4]),
    ]
    pattern = suppress(cells, relations, rules={"threshold": 3})
    assert not unions_of(checks.with_pattern(cells, pattern), relations, {"threshold": 3})


def test_one_contributor_in_two_cells_counts_once() -> None:
    """Two cells of 2 make 4 contributors, or 3 if one is in both, who must be listed for that to be known."""
    parts = [[(1, 5.0), (2, 5.0)], [(2, 6.0), (3, 6.0)], []]
    lists = [[{"contributor": who, "amount": much} for who, much in part] for part in ([], *parts)]
    cells, relations = table(
        [62.0, 10.0, 12.0, 40.0], ["safe", "primary", "primary", "safe"], contributors=[20, 2, 2, 20]
    )
    assert unions_of(cells, relations, {"threshold": 4}) == set()
    listed = cells.append_column("largest", pa.array(lists, LISTED))
    assert unions_of(listed, relations, {"threshold": 4}) == {(1, 2)}
    sole = checks.with_column(cells, "contributors", [20, 1, 1, 20])
    sole = sole.append_column("contributor", pa.array([None, 7, 7, None], pa.int64()))
    assert unions_of(sole, relations, {"threshold": 2}) == {(1, 2)}
    assert unions_of(sole.drop_columns("contributor"), relations, {"threshold": 2}) == set()


def test_waived_contributors_are_nobodys_target() -> None:
    parts = [[(1, 90.0, True)], [(2, 5.0, False), (3, 5.0, False)]]
    kind = pa.list_(pa.struct([("contributor", pa.int64()), ("amount", pa.float64()), ("waived", pa.bool_())]))
    lists = [[{"contributor": w, "amount": a, "waived": v} for w, a, v in part] for part in ([], *parts, [])]
    cells, relations = table(
        [140.0, 90.0, 10.0, 40.0], ["safe", "secondary", "secondary", "safe"], contributors=[20, 1, 2, 9]
    )
    # The target has 5; the one attacker who counts has 90; 5 are left, which is more than 20 % of 5.
    cells = cells.append_column("largest", pa.array(lists, kind))
    assert unions_of(cells, relations, {"p_percent": 20}) == set()
    unwaived = [[{**one, "waived": False} for one in part] for part in lists]
    assert unions_of(checks.with_column(cells, "largest", pa.array(unwaived, kind)), relations, {"p_percent": 20}) == {
        (1, 2)
    }


@checks.examples(20)
@given(st.data())
def test_suppression_leaves_no_unsafe_sum(data: st.DataObject) -> None:
    """Counts: every set of up to four hidden cells tried by the oracle, besides whole relations."""
    shape = data.draw(strategies.shapes(12))
    size = tuple(dimension.leaves for dimension in shape)
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    threshold = data.draw(st.integers(3, 5))
    leaves = rng.choice([0, 1, 2, 9, 30], size, p=[0.2, 0.15, 0.1, 0.3, 0.25])
    leaves.flat[0] += 40
    cube = counts(shape, leaves, threshold)
    rules = {"threshold": threshold}
    try:
        pattern = suppress(cube.cells, cube.relations, rules=rules, work=50)
    except EngineError as error:
        assert error.cells and set(error.cells) <= set(cube.cells["cell_id"].to_pylist())
        return
    checks.assert_well_formed(cube.cells, pattern)
    checks.assert_protected(cube.cells, cube.relations, pattern)
    checks.assert_protected_from_insiders(cube.cells, cube.relations, pattern)
    cells = checks.with_pattern(cube.cells, pattern)
    view = attack.View.from_arrow(cells, cube.relations)
    assert not attack.union_leaks(view, threshold)
    number = dict(zip(view.cell_id.tolist(), view.value.tolist(), strict=True))
    if view.hidden.sum() <= 16:
        small = [
            chosen for chosen in attack.derivable_sums(view, 4) if sum(number[cell] for cell in chosen) < threshold
        ]
        assert small == []
    assert set(checks.verdicts(audit(cells, cube.relations, rules=rules)).values()) <= {"safe"}


@pytest.mark.parametrize("seed", range(12))
def test_many_sums_are_protected_without_programs(seed: int, monkeypatch) -> None:
    """As where sums are many: further cells in their relations first, then vectors, programs for what is left."""
    monkeypatch.setattr(composite, "MANY", 1)
    monkeypatch.setattr(composite, "FEW", 1)
    rng = np.random.default_rng(seed)
    leaves = rng.choice([0, 1, 2, 3, 9, 30], (5, 4, 2), p=[0.2, 0.2, 0.15, 0.15, 0.2, 0.1])
    cube = counts((cubes.tree([2, 3]), cubes.flat(4), cubes.flat(2)), leaves, threshold=5)
    pattern = suppress(cube.cells, cube.relations, rules={"threshold": 5}, work=0)
    checks.assert_well_formed(cube.cells, pattern)
    checks.assert_protected(cube.cells, cube.relations, pattern)
    checks.assert_protected_from_insiders(cube.cells, cube.relations, pattern)
    cells = checks.with_pattern(cube.cells, pattern)
    assert not unions_of(cells, cube.relations, {"threshold": 5})
    assert set(checks.verdicts(audit(cells, cube.relations, rules={"threshold": 5})).values()) <= {"safe"}


@pytest.mark.parametrize("step", range(0, 60, 3))
def test_time_that_ends_in_the_search_leaves_no_unsafe_sum(step: int, monkeypatch) -> None:
    """However far it got: an error that says so, or a pattern as safe as any."""
    asked = 0

    def clock() -> float:
        nonlocal asked
        asked += 1
        return float(asked > step) + 1e-6 * asked

    rng = np.random.default_rng(3)
    leaves = rng.choice([0, 1, 2, 3, 9, 30], (5, 4, 2), p=[0.2, 0.2, 0.15, 0.15, 0.2, 0.1])
    cube = counts((cubes.tree([2, 3]), cubes.flat(4), cubes.flat(2)), leaves, threshold=5)
    monkeypatch.setattr(deadlines, "time", SimpleNamespace(monotonic=clock))
    try:
        pattern = suppress(cube.cells, cube.relations, rules={"threshold": 5}, time_limit=0.5)
    except EngineError as error:
        assert "time limit ended" in str(error) and "nothing was suppressed" in str(error)
        assert set(error.cells) <= set(cube.cells["cell_id"].to_pylist())
        return
    monkeypatch.undo()
    checks.assert_protected(cube.cells, cube.relations, pattern)
    assert not unions_of(checks.with_pattern(cube.cells, pattern), cube.relations, {"threshold": 5})


@pytest.mark.parametrize("seed", range(8))
def test_suppression_of_magnitudes_leaves_no_unsafe_sum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = [cubes.tree([3, 2, 2]), cubes.flat(4)]
    size = tuple(dimension.leaves for dimension in shape)
    microdata = cubes.contributions(rng, size, 130, 0.3, 1.5)
    held = cubes.amounts(shape, *microdata)
    cube = cubes.with_contributors(cubes.magnitude_cube(shape, *microdata, percent=10.0), held, largest=5)
    rules = {"threshold": 3, "p_percent": 10}
    pattern = suppress(cube.cells, cube.relations, rules=rules, work=50)
    checks.assert_protected(cube.cells, cube.relations, pattern)
    cells = checks.with_pattern(cube.cells, pattern)
    view = attack.View.from_arrow(cells, cube.relations)
    for union in attack.unions(view):
        assert len(union.cells) < 2 or attack.shortfall(together(held, union.cells), 3, 10.0) < 1e-6
    assert set(checks.verdicts(audit(cells, cube.relations, rules=rules)).values()) <= {"safe"}


def test_one_thread_is_one_thread(monkeypatch) -> None:
    """Searches by programs, suppression and audit start no threads where one is asked for, and answer the same."""
    started = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, threads: int) -> None:
            started.append(threads)
            super().__init__(threads)

    monkeypatch.setattr(parallel, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(parallel.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(unions, "EACH", 0)
    shape = [cubes.tree([3, 2]), cubes.flat(4)]
    microdata = cubes.contributions(np.random.default_rng(1), (5, 4), 60, 0.3, 1.5)
    held = cubes.amounts(shape, *microdata)
    cube = cubes.with_contributors(cubes.magnitude_cube(shape, *microdata, percent=10.0), held, largest=5)
    answers = []
    for threads in (None, 1):
        started.clear()
        asked = {"rules": {"threshold": 3, "p_percent": 10}, "threads": threads}
        cells = checks.with_pattern(cube.cells, suppress(cube.cells, cube.relations, work=50, **asked))
        answers.append((cells, audit(cells, cube.relations, **asked)))
        assert set(started) == (set() if threads == 1 else {2})
    assert answers[0] == answers[1]


def test_suppression_without_rules_leaves_such_sums() -> None:
    """What the tests above rule out does occur: the rules make the difference."""
    cells, relations = table(
        [30.0, 1.0, 1.0, 8.0, 20.0], ["safe", "primary", "primary", "safe", "safe"], contributors=[30, 1, 1, 8, 20]
    )
    plain = suppress(cells, relations)
    assert plain["status"].to_pylist().count("secondary") == 0
    found = audit(cells, relations, rules={"threshold": 3}).to_pylist()
    assert [(row["verdict"], row["attacker"], row["members"]) for row in found] == [("exact", "unions", [1, 2])] * 2
    assert suppress(cells, relations, rules={"threshold": 3})["status"].to_pylist() == [
        "safe",
        "primary",
        "primary",
        "secondary",
        "safe",
    ]


def test_a_sum_that_cannot_be_protected_is_named() -> None:
    cells, relations = table(
        [30.0, 1.0, 1.0, 28.0],
        ["safe", "primary", "primary", "safe"],
        contributors=[30, 1, 1, 28],
        frozen=[True, False, False, True],
    )
    with pytest.raises(EngineError, match="the sum of cells 1, 2 fails the rules") as error:
        suppress(cells, relations, rules={"threshold": 3})
    assert error.value.cells == [1, 2]


@checks.examples(15)
@given(st.integers(0, 10_000))
def test_sums_beside_frozen_cells_are_protected_or_refused(seed: int) -> None:
    """An error is right only if hiding everything that may be hidden leaves a primary or a sum open, too."""
    rng = np.random.default_rng(seed)
    cube = counts((cubes.tree([2, 3]), cubes.flat(3)), rng.choice([0, 1, 2, 4, 9, 30], (5, 3)), threshold=4)
    status = np.array(cube.cells["status"].to_pylist())
    frozen = (status == "safe") & (rng.random(status.size) < 0.4)
    cells = checks.with_column(cube.cells, "frozen", frozen.tolist())
    try:
        pattern = suppress(cells, cube.relations, rules={"threshold": 4}, work=30)
    except EngineError as error:
        assert error.cells and set(error.cells) <= set(cells["cell_id"].to_pylist())
        may_be = (status == "safe") & ~frozen & (np.array(cells["value"].to_pylist()) != 0)
        cells = checks.with_column(cells, "status", np.where(may_be, "secondary", status).tolist())
        rows = audit(cells, cube.relations, rules={"threshold": 4}).to_pylist()
        primary = {cell for cell, old in zip(cells["cell_id"].to_pylist(), status, strict=True) if old == "primary"}
        assert any(row["verdict"] != "safe" and row["cell_id"] in primary for row in rows)
    else:
        view = attack.View.from_arrow(checks.with_pattern(cells, pattern), cube.relations)
        assert attack.leaks(view) == {} and not attack.union_leaks(view, 4)


@checks.examples(40)
@given(st.data())
def test_sums_that_were_not_tried_are_not_examined(data: st.DataObject) -> None:
    """Whatever the work allowed, each primary of a sum that fails is exact or not examined; no cell seems safe."""
    shape = data.draw(strategies.shapes(10))
    size = tuple(dimension.leaves for dimension in shape)
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    if data.draw(st.booleans()):
        rules = {"threshold": data.draw(st.integers(3, 9))}
        cube = counts(shape, rng.choice([0, 1, 1, 2, 3, 9], size), rules["threshold"])
    else:
        rules = {"p_percent": 20}
        microdata = cubes.contributions(rng, size, int(rng.integers(3, 30)), 0.4, 1.5)
        held = cubes.amounts(shape, *microdata)
        cube = cubes.with_contributors(cubes.magnitude_cube(shape, *microdata, percent=20.0), held, largest=100)
    cells = hide_more(cube.cells, data.draw(st.integers(0, 1000)))
    asked = {"rules": rules, "attackers": "unions"}
    everything = audit(cells, cube.relations, **asked).to_pylist()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unions, "WORK", data.draw(st.sampled_from([0, 1, 3, 10])))
        limited = checks.verdicts(audit(cells, cube.relations, **asked))
    for row in everything:
        if row["verdict"] != "safe":
            assert limited[row["cell_id"]] in (row["verdict"], "not_examined")


def test_the_audit_says_where_the_work_ended(monkeypatch) -> None:
    """Nine persons, one a cell: rows and columns have three, and no sum of two follows; but pairs must be tried."""
    cube = counts((cubes.flat(3), cubes.flat(3)), np.ones((3, 3), dtype=int), threshold=3)
    asked = {"rules": {"threshold": 3}, "attackers": "unions"}
    assert set(checks.verdicts(audit(cube.cells, cube.relations, **asked)).values()) == {"safe"}
    monkeypatch.setattr(unions, "WORK", 0)
    rows = audit(cube.cells, cube.relations, **asked).to_pylist()
    assert [(row["verdict"], row["attacker"]) for row in rows] == [("not_examined", "unions")] * 9
    # A pattern is returned all the same; it is for the audit to say what is known of it.
    assert suppress(cube.cells, cube.relations, **asked).num_rows == cube.cells.num_rows


def test_time_that_runs_out_is_no_pass() -> None:
    cells, relations = table(
        [30.0, 1.0, 2.0, 8.0, 19.0],
        ["safe", "primary", "primary", "secondary", "safe"],
        contributors=[30, 1, 2, 8, 19],
        integer=[True] * 5,
    )
    rules = {"threshold": 3}
    for attackers in ("unions", "integers"):
        asked = {"rules": rules, "attackers": attackers}
        assert set(checks.verdicts(audit(cells, relations, **asked)).values()) == {"safe"}
        verdict = checks.verdicts(audit(cells, relations, **asked, time_limit=0.0))
        assert verdict[1] == verdict[2] == "not_examined"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rules": {"treshold": 3}}, "unknown 'treshold'"),
        ({"rules": {"threshold": 0}}, "threshold: contributors must be a whole number"),
        ({"rules": {"threshold": 2.5}}, "threshold: contributors must be a whole number"),
        ({"rules": {"p_percent": {"p": 10, "n": 2}}}, "p_percent has no parameter 'n'"),
        ({"rules": {"dominance": {"n": 2}}}, "dominance: k must be"),
        ({"rules": {"threshold": 3}}, "need the column `contributors`"),
        ({"rules": {"p_percent": 10}}, "need the column `contributors`, `largest`"),
        ({"attackers": "unions"}, "unions needs rules"),
        ({"attackers": "public_rule"}, "public_rule needs the threshold"),
    ],
)
@pytest.mark.parametrize("entry", [audit, suppress])
def test_rules_that_cannot_be_applied_are_refused(entry, options: dict, message: str) -> None:
    cells, relations = table([5.0, 1.0, 4.0], ["safe", "primary", "primary"])
    with pytest.raises(EngineError, match=message):
        entry(cells, relations, **options)


def test_statistics_that_cannot_be_read_are_refused() -> None:
    cells, relations = table([5.0, 1.0, 4.0], ["safe", "primary", "primary"], contributors=[3, 1, -2])
    with pytest.raises(EngineError, match="contributors: not a whole number") as error:
        audit(cells, relations, rules={"threshold": 3})
    assert error.value.cells == [2]
    cells = checks.with_column(cells, "contributors", [3, 1, 2])
    with pytest.raises(EngineError, match="largest: expected a list"):
        audit(cells.append_column("largest", pa.array([1.0, 2.0, 3.0])), relations, rules={"p_percent": 10})
    lists = pa.array([[], [{"contributor": None, "amount": 1.0}], []], LISTED)
    with pytest.raises(EngineError, match="largest: NULL contributor"):
        audit(cells.append_column("largest", lists), relations, rules={"p_percent": 10})


# --- whole numbers and the public rule
# --------------------------------------------------------------------------------


def whole_tables(view: attack.View, threshold: int = 0) -> tuple[np.ndarray, np.ndarray] | None:
    """All whole tables of suppressed counts that are at least one, if they can be enumerated.

    With a threshold those where each connected part has a cell below it.
    """
    least = np.where(view.value > 0, np.maximum(view.lower, 1.0), view.lower)
    least = view.lower if (view.value[view.hidden] == 0).any() else least
    try:
        ids, tables = attack.enumerate_tables(attack.View(**{**view.__dict__, "lower": least}), limit=20_000)
    except attack.AttackError:
        return None
    if threshold:
        for _, part in view.blocks():
            if (view.value[part] < threshold).any():
                at = np.searchsorted(ids, view.cell_id[part])
                tables = tables[(tables[:, at] < threshold).any(axis=1)]
    return ids, tables


@checks.examples(60)
@given(st.data())
def test_whole_ranges_against_enumeration(data: st.DataObject) -> None:
    """Cells with one value in all whole tables, and no others, are added to what the outsider finds."""
    shape = data.draw(strategies.shapes(12))
    size = tuple(dimension.leaves for dimension in shape)
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    threshold = data.draw(st.integers(2, 5))
    cube = counts(shape, rng.choice([0, 1, 2, 3, 5], size), threshold)
    cells = hide_more(cube.cells, data.draw(st.integers(0, 1000)), most=9)
    view = attack.View.from_arrow(cells, cube.relations)
    public = data.draw(st.booleans())
    listed = whole_tables(view, threshold if public else 0)
    if listed is None:
        return
    ids, tables = listed
    pinned = {int(cell) for cell, column in zip(ids, tables.T, strict=True) if len(set(column.tolist())) == 1}
    asked = {"attackers": "public_rule", "rules": {"threshold": threshold}} if public else {"attackers": "integers"}
    rows = audit(cells, cube.relations, **asked).to_pylist()
    assert {row["cell_id"] for row in rows if row["verdict"] != "safe"} == pinned
    assert all(row["verdict"] in ("safe", "exact") for row in rows)


def test_only_whole_numbers_tell() -> None:
    """7 = 2x + 3y: between 0 and 3.5 for who reckons with fractions, x = 2 and y = 1 for who does not."""
    cells = pa.table(
        {
            "cell_id": [0, 1, 2],
            "value": [7.0, 2.0, 1.0],
            "status": ["safe", "primary", "primary"],
            "integer": [True] * 3,
        }
    )
    relations = pa.table({"relation_id": [0] * 3, "cell_id": [0, 1, 2], "coefficient": [1.0, -2.0, -3.0]})
    view = attack.View.from_arrow(cells, relations)
    assert attack.leaks(view) == {} and set(attack.leaks(view, whole=True)) == {1, 2}
    assert set(checks.verdicts(audit(cells, relations)).values()) == {"safe"}
    assert checks.verdicts(audit(cells, relations, attackers="integers")) == {1: "exact", 2: "exact"}


def test_the_public_example() -> None:
    """15 = 10 + 3 + x + x leaves only 1 + 1, where zeros are published."""
    cells, relations = table([15.0, 10.0, 3.0, 1.0, 1.0], ["safe"] * 3 + ["primary"] * 2, integer=[True] * 5)
    assert set(checks.verdicts(audit(cells, relations)).values()) == {"safe"}
    found = audit(cells, relations, attackers="integers").to_pylist()
    assert [(row["verdict"], row["attacker"]) for row in found] == [("exact", "integers")] * 2
    pattern = suppress(cells, relations, attackers="integers")
    assert pattern["status"].to_pylist() == ["safe", "safe", "secondary", "primary", "primary"]


def test_the_public_rule_tells_more_than_whole_numbers() -> None:
    """Two suppressed counts that differ by 5, neither above 7: (1, 6) or (2, 7); below a threshold of 2 is only 1."""
    columns = {"integer": [True] * 2, "contributors": [6, 1], "upper": [7.0, 7.0], "lower": [0.0, 0.0]}
    cells = pa.table(
        {"cell_id": [0, 1, 2], "value": [6.0, 1.0, 5.0], "status": ["secondary", "primary", "safe"]}
        | {
            name: [*column, column[0] if name == "integer" else 5 if name == "contributors" else 5.0]
            for name, column in columns.items()
        }
    )
    relations = pa.table({"relation_id": [0] * 3, "cell_id": [0, 1, 2], "coefficient": [1.0, -1.0, -1.0]})
    assert set(checks.verdicts(audit(cells, relations, attackers="integers")).values()) == {"safe"}
    found = audit(cells, relations, attackers="public_rule", rules={"threshold": 2}).to_pylist()
    assert [(row["verdict"], row["attacker"]) for row in found] == [("exact", "public_rule")] * 2


@checks.examples(20)
@given(st.data())
def test_suppression_leaves_a_second_whole_number(data: st.DataObject) -> None:
    shape = data.draw(strategies.shapes(10))
    size = tuple(dimension.leaves for dimension in shape)
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    cube = counts(shape, rng.choice([0, 1, 2, 9], size), threshold=3)
    try:
        pattern = suppress(cube.cells, cube.relations, attackers=["contributors", "integers"], work=50)
    except EngineError as error:
        assert error.cells
        return
    checks.assert_well_formed(cube.cells, pattern)
    checks.assert_protected(cube.cells, cube.relations, pattern)
    checks.assert_protected_from_insiders(cube.cells, cube.relations, pattern)
    cells = checks.with_pattern(cube.cells, pattern)
    listed = whole_tables(attack.View.from_arrow(cells, cube.relations))
    if listed is not None:
        assert all(len(set(column.tolist())) > 1 for column in listed[1].T)
    assert set(checks.verdicts(audit(cells, cube.relations, attackers="integers")).values()) <= {"safe"}


def test_what_was_not_examined_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without work left nothing is safe from who counts; the outsider's verdicts are as they were."""
    from sdc.engine.attackers import integers

    cells, relations = table([15.0, 10.0, 3.0, 1.0, 1.0], ["safe"] * 3 + ["primary"] * 2, integer=[True] * 5)
    monkeypatch.setattr(integers, "WORK", 0)
    found = audit(cells, relations, attackers="integers").to_pylist()
    assert [(row["verdict"], row["attacker"]) for row in found] == [("not_examined", "integers")] * 2
    assert set(checks.verdicts(audit(cells, relations)).values()) == {"safe"}


def test_large_parts_are_safe_by_tables_found_near(monkeypatch: pytest.MonkeyPatch) -> None:
    """Part sizes beyond the limit: what is called safe is safe by the oracle's integer programs."""
    from sdc.engine.attackers import integers

    monkeypatch.setattr(integers, "LARGEST", 3)
    examined = 0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        cube = counts((cubes.flat(4), cubes.flat(4)), rng.choice([1, 2, 6, 9], (4, 4)), threshold=3)
        pattern = suppress(cube.cells, cube.relations)
        cells = checks.with_pattern(cube.cells, pattern)
        view = attack.View.from_arrow(cells, cube.relations)
        least = np.where(view.value > 0, 1.0, view.lower)
        leaking = set(attack.leaks(attack.View(**{**view.__dict__, "lower": least}), whole=True))
        verdict = checks.verdicts(audit(cells, cube.relations, attackers="integers"))
        assert all(
            found == "not_examined" or (found == "safe") == (cell not in leaking) for cell, found in verdict.items()
        )
        examined += sum(found == "safe" for found in verdict.values())
    assert examined > 0


@pytest.mark.parametrize("seed", range(3))
def test_readers_do_not_depend_on_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cube = counts((cubes.tree([2, 3]), cubes.flat(4)), rng.choice([0, 1, 2, 6, 20], (5, 4)), threshold=4)
    asked = {"rules": {"threshold": 4}, "attackers": ["contributors", "unions", "integers"], "work": 50}
    pattern = suppress(cube.cells, cube.relations, **asked)
    shuffled = cube.cells.take(pa.array(rng.permutation(cube.cells.num_rows)))
    relations = cube.relations.take(pa.array(rng.permutation(cube.relations.num_rows)))
    assert suppress(shuffled, relations, **asked).equals(pattern)
    cells = checks.with_pattern(cube.cells, pattern)
    again = {name: asked[name] for name in ("rules", "attackers")}
    mixed = cells.take(pa.array(rng.permutation(cells.num_rows)))
    assert audit(mixed, relations, **again).equals(audit(cells, cube.relations, **again))
