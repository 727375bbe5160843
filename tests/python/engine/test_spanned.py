"""Cubes of many dimensions, where few solutions span all others: programs over a basis against those over cells."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from oracle import checks, cubes
from sdc.engine import elimination, heuristic, lp, suppress
from sdc.engine.attackers import named_attackers
from sdc.engine.closing import close
from sdc.engine.cutting.block import blocks_of
from sdc.engine.cutting.incumbent import Carrier
from sdc.engine.fixpoint import local_fixpoint
from sdc.engine.heuristic import Work
from sdc.engine.insiders import Insiders, computed
from sdc.engine.others import has_few, prove_each
from sdc.engine.pattern import Pattern
from sdc.engine.repair import Repairer
from sdc.engine.spanned import Spanned
from sdc.engine.system import System
from sdc.engine.view import View


def cube(seed: int, dimensions: int = 4, leaves: int = 2, mean: float = 4.0) -> cubes.Cube:
    """Counts of a cube of flat dimensions, T = 4; cells of 1 have a sole contributor."""
    counts = np.random.default_rng(seed).poisson(mean, (leaves,) * dimensions)
    return cubes.count_cube([cubes.flat(leaves)] * dimensions, counts, threshold=4)


def read(seed: int, **options: float) -> tuple[System, tuple[Insiders, ...]]:
    drawn = cube(seed, **options)
    system = System.from_arrow(drawn.cells, drawn.relations)
    return system, named_attackers(system, None)


def exposed(pattern: Pattern, insiders: tuple[Insiders, ...]) -> int:
    """How many primaries follow from the relations, for everybody or for an insider."""
    system, space = pattern.system, pattern.space()
    pairs = [computed(each, space.view, space.basis, pattern.suppressed, system.primary)[0] for each in insiders]
    return int(space.determined[system.primary].sum()) + sum(len(cells) for cells in pairs)


@pytest.mark.parametrize("bounded", [True, False])
def test_a_program_over_a_basis_finds_what_one_over_cells_does(bounded: bool) -> None:
    found = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        system, _ = read(seed, mean=2.0)
        view = View.paired(system, system.value != 0)
        spanned = Spanned.of(view.by_relation, view.room_up, view.room_down)
        count = view.columns
        both = sp.hstack((view.by_relation, -view.by_relation), format="csr")
        for _ in range(12):
            price = rng.choice([0.01, 1.0, 3.0, 7.0], 2 * count)
            column, amount = int(rng.integers(count)), float(rng.choice([-2.0, -1.0, 1.0, 3.0]))
            held = np.setdiff1d(rng.choice(count, 3), [column])
            upper = np.concatenate((view.room_up, view.room_down)) if bounded else np.full(2 * count, np.inf)
            least = np.zeros(2 * count)
            upper[held] = upper[count + held] = 0.0
            upper[[column, count + column]] = max(amount, 0.0), max(-amount, 0.0)
            least[column if amount > 0 else count + column] = abs(amount)
            expected = lp.minimise(np.where(np.arange(2 * count) % count == column, 0.0, price), both, least, upper)
            moves = spanned.cheapest(price, column, amount, held, bounded)
            assert (moves is None) == (expected.x is None)
            if moves is None:
                continue
            found += 1
            assert moves[column] == pytest.approx(amount)
            assert np.abs(view.by_relation @ moves).max() < 1e-7
            assert np.abs(moves[held]).max(initial=0.0) < 1e-7
            parts = np.maximum(np.concatenate((moves, -moves)), 0.0)
            assert not bounded or (np.delete(parts - upper, [column, count + column]) < 1e-6).all()
            parts[[column, count + column]] = 0.0
            assert price @ parts == pytest.approx(expected.objective, abs=1e-6)
    assert found > 60


def test_two_way_tables_are_left_to_neighbourhoods() -> None:
    drawn = cubes.count_cube([cubes.flat(12)] * 2, np.full((12, 12), 3), threshold=4)
    system = System.from_arrow(drawn.cells, drawn.relations)
    assert Repairer(Pattern(system)).spanned is None


def test_movements_are_as_cheap_by_a_basis_as_by_relations() -> None:
    for seed in range(4):
        for block in blocks_of(read(seed)[0]):
            carrier, plain = Carrier(block), Carrier(block)
            plain.__dict__["spanned"] = None
            assert carrier.spanned is not None
            for target in block.targets[:6]:
                for sense in target.senses:
                    asked = target, sense, 1.0, block.primary, block.cost
                    added, expected = carrier.carry(*asked), plain.carry(*asked)
                    assert (added is None) == (expected is None)
            assert carrier.work > 0


def test_what_is_not_proven_of_few_solutions_has_one_value() -> None:
    proven, left = 0, 0
    for seed in range(10):
        drawn = cube(seed, dimensions=3)
        system = System.from_arrow(drawn.cells, drawn.relations)
        hidden = (system.value > 0) & (np.random.default_rng(seed).random(system.n) < 0.7)
        pattern = Pattern(system.with_suppressed(hidden))
        assert has_few(pattern)
        prove_each(pattern)
        for cell in np.flatnonzero(pattern.suppressed).tolist():
            met = bool(pattern.met(np.array([cell]))[0])
            assert met == (_reach(pattern, cell) >= 1 - 1e-6)
            proven, left = proven + met, left + (not met)
    assert proven > 50
    assert left > 20


def _reach(pattern: Pattern, cell: int) -> float:
    """How far a suppressed cell can move in one direction."""
    system, cells = pattern.system, np.flatnonzero(pattern.suppressed)
    best = 0.0
    for sign in (-1.0, 1.0):
        cost = np.where(cells == cell, sign, 0.0)
        up = np.minimum(pattern.room_up[cells], 10.0)
        found = lp.minimise(cost, system.A[:, cells].tocsr(), -pattern.room_down[cells], up)
        best = max(best, -found.objective)
    return best


def test_variants_never_make_a_pattern_dearer_and_expose_nothing() -> None:
    cheaper = 0
    for seed in range(6):
        system, insiders = read(seed, leaves=3, mean=2.0)
        assert insiders
        pattern = Pattern(system)
        work = Work(pattern, Repairer(pattern), insiders, None, 1, None)
        local_fixpoint(pattern, insiders)
        close(pattern, work.repairer, insiders, thinning=True)
        before = system.cost[pattern.suppressed].sum()
        heuristic._vary(work)
        assert exposed(pattern, insiders) == 0
        assert system.cost[pattern.suppressed].sum() <= before
        cheaper += system.cost[pattern.suppressed].sum() < before
    assert cheaper > 1


@pytest.mark.parametrize("seed", range(4))
def test_cubes_of_many_dimensions_are_protected_from_outsiders_and_insiders(seed: int) -> None:
    drawn = cube(seed, mean=3.0)
    pattern = suppress(drawn.cells, drawn.relations)
    checks.assert_protected(drawn.cells, drawn.relations, pattern)
    checks.assert_protected_from_insiders(drawn.cells, drawn.relations, pattern)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 100])
def test_inverses_are_those_modulo_the_prime(count: int) -> None:
    numbers = np.random.default_rng(count).integers(-elimination.PRIME + 1, elimination.PRIME, count)
    numbers[::5] = 0
    found = elimination.inverse(numbers)
    assert ((numbers * found) % elimination.PRIME == (numbers != 0)).all()
