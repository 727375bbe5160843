"""What insiders pin down with bounds and whole numbers: decided in each of the ways there are, and by the oracle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.optimize import linprog

from oracle import attack, checks, cubes
from sdc.engine import audit, others, pinning, suppress
from sdc.engine.attackers import named_attackers
from sdc.engine.audit import examine
from sdc.engine.pattern import Pattern
from sdc.engine.system import STATUS_NAMES, System
from sdc.engine.view import Space


def whole_cube(seed: int, lower: float = 0.0) -> cubes.Cube:
    """Counts in many dimensions: relations give many primaries other values, but half units only."""
    rng = np.random.default_rng(seed)
    leaves = rng.negative_binomial(1, 0.2, (2,) * 6)
    return cubes.count_cube([cubes.flat(2)] * 6, leaves, threshold=4, sparse=lower > 0, lower=lower)


def loose_pattern(cube: cubes.Cube) -> tuple[Pattern, tuple]:
    """A pattern that is safe but for what insiders pin down, with the attackers."""
    cells = checks.with_pattern(cube.cells, suppress(cube.cells, cube.relations, pinning=False, work=0))
    system = System.from_arrow(cells, cube.relations)
    pattern, attackers = Pattern(system), named_attackers(system, None)
    assert not len(examine(pattern, attackers, pinning=False).failing)
    return pattern, attackers


def cells_of(found: list[pinning.Pinned]) -> list[int]:
    return [each.cell for each in found]


def statuses(pattern: Pattern) -> pa.Table:
    status = pattern.system.with_suppressed(pattern.suppressed).status
    return pa.table({"cell_id": pattern.system.cell_id, "status": np.array(STATUS_NAMES, dtype=object)[status]})


def test_every_way_of_deciding_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neighbourhoods first or not, in terms of a basis or of the relations; and it is what the oracle finds."""
    met = 0
    for seed in (1, 2):
        cube = whole_cube(seed, lower=float(seed % 2))
        pattern, attackers = loose_pattern(cube)
        found, undecided = pinning.pinned(pattern, attackers)
        assert not undecided
        view = attack.View.from_arrow(cube.cells, cube.relations, statuses(pattern))
        oracle = {cell for harmed in attack.insider_leaks(view, levels=False).values() for cell in harmed}
        assert {int(cell) for cell in pattern.system.cell_id[cells_of(found)]} == oracle
        with monkeypatch.context() as patch:
            patch.setattr(pinning, "SIZES", (4, 12))
            patch.setattr(pinning, "TURNS", 1)
            assert cells_of(pinning.pinned(pattern, attackers)[0]) == cells_of(found)
        space = pattern.space()
        basis = replace(space.basis, whole=np.zeros_like(space.basis.whole))
        pattern._space = pattern.suppressed.copy(), Space(space.view, basis)
        assert cells_of(pinning.pinned(pattern, attackers)[0]) == cells_of(found)
        assert all(not reaches(pattern, each.cell, each.known) for each in found)
        met += len(found)
    assert met > 10


def reaches(pattern: Pattern, cell: int, known: np.ndarray) -> bool:
    """Has the suppressed cell a second value for one who knows the cells `known`, by a program over all cells?"""
    hidden = np.flatnonzero(pattern.suppressed)
    free = ~np.isin(hidden, known)
    up, down = np.minimum(pattern.room_up[hidden], 50.0) * free, pattern.room_down[hidden] * free
    matrix = pattern.system.A[:, hidden].toarray()
    moves = [
        sign * linprog(sign * (hidden == cell), A_eq=matrix, b_eq=np.zeros(len(matrix)), bounds=np.c_[-down, up]).fun
        for sign in (-1.0, 1.0)
    ]
    return max(np.abs(moves)) >= pattern.needs.second[cell]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("few", [True, False])
def test_other_tables_keep_what_is_known_and_move_least_of_what_is_avoided(
    few: bool, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against programs of scipy's, with the vectors of a basis and without."""
    monkeypatch.setattr(others, "VECTORS", 10_000 if few else 0)
    asked, denied, spared = 0, 0, 0
    for seed in range(3):
        pattern, attackers = loose_pattern(whole_cube(seed, lower=1.0))
        if not whole:
            pattern = Pattern(
                replace(pattern.system, integer=np.zeros(pattern.system.n, dtype=bool)), pattern.suppressed
            )
        program, rng = others.Others(pattern), np.random.default_rng(seed)
        hidden = np.flatnonzero(pattern.suppressed & (pattern.system.value > 0))
        for cell in rng.choice(hidden, 25, replace=False).tolist():
            known = np.setdiff1d(rng.choice(hidden, 2), cell)
            avoided = np.setdiff1d(rng.choice(hidden, 6), cell)
            answer = program.move(cell, known, np.append(avoided, avoided[:1]))
            assert answer.second == reaches(pattern, cell, known) == bool(answer.shown)
            asked, denied = asked + 1, denied + (not answer.second)
            for cells, displacement in answer.shown:
                assert not np.isin(known, cells).any()
                change = np.zeros(pattern.system.n)
                change[cells] = displacement
                assert np.abs(pattern.system.A @ change).max() < 1e-6
                assert (change <= pattern.room_up + 1e-6).all()
                assert (change >= -pattern.room_down - 1e-6).all()
                assert abs(change[cell]) >= pattern.needs.second[cell]
                if reaches(pattern, cell, np.union1d(known, avoided)):
                    assert not np.isin(avoided, cells).any()
                    spared += 1
    assert asked == 75
    assert denied > 5
    assert spared >= 5


def test_what_the_work_does_not_settle_is_not_safe() -> None:
    """With no work the pairs that are left are undecided: a superset of what is pinned down."""
    pattern, attackers = loose_pattern(whole_cube(2))
    found, _ = pinning.pinned(pattern, attackers)
    none, undecided = pinning.pinned(pattern, attackers, work=0)
    assert found and not none and {each.cell for each in found} <= set(undecided)


@pytest.mark.parametrize("seed", range(2))
def test_blocks_of_many_cells_leave_nothing_to_insiders(seed: int) -> None:
    """Published zeros: hidden counts are at least one, so that bounds tell insiders a lot."""
    rng = np.random.default_rng(seed)
    dimensions = [cubes.tree([3, 3]), cubes.tree([4, 4]), cubes.flat(3)]
    leaves = rng.negative_binomial(1, 0.35, tuple(dimension.leaves for dimension in dimensions))
    cube = cubes.count_cube(dimensions, leaves, threshold=3, sparse=True, lower=1.0)
    pattern = suppress(cube.cells, cube.relations, work=0)
    checks.assert_protected_from_insiders(cube.cells, cube.relations, pattern)
    cells = checks.with_pattern(cube.cells, pattern)
    assert set(audit(cells, cube.relations)["verdict"].to_pylist()) == {"safe"}


@pytest.mark.parametrize("seed", [1, 2, 7])
def test_with_rules_the_result_leaves_nothing_to_insiders(seed: int) -> None:
    """What is asked once, of the result, is asked: its repair opens no sum below the threshold."""
    cube = whole_cube(seed, lower=1.0)
    number = pa.array([round(value) for value in cube.cells["value"].to_pylist()], pa.int64())
    cells, rules = cube.cells.append_column("contributors", number), {"threshold": 4}
    loose = suppress(cells, cube.relations, rules=rules, pinning=False, work=0)
    assert "exact" in audit(checks.with_pattern(cells, loose), cube.relations, rules=rules)["verdict"].to_pylist()
    pattern = suppress(cells, cube.relations, rules=rules, work=0)
    checks.assert_protected_from_insiders(cells, cube.relations, pattern)
    audited = audit(checks.with_pattern(cells, pattern), cube.relations, rules=rules)
    assert set(audited["verdict"].to_pylist()) == {"safe"}
