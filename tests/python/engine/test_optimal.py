"""The exact method against the published example, an exhaustive search and its own promises."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.small_tables import PAPER, insiders_of, interval, is_safe, small_linear, small_two_way, system, two_way
from sdc.engine import optimal
from sdc.engine.cutting.block import blocks_of
from sdc.engine.cutting.inequalities import Company
from sdc.engine.cutting.master import Master
from sdc.engine.errors import EngineError
from sdc.engine.insiders import Insider
from sdc.engine.system import System

TABLES_AND_INSIDERS = st.one_of(small_two_way(), small_linear()).flatmap(
    lambda table: st.tuples(st.just(table), insiders_of(table))
)


def cheapest(
    instance: System, insiders: Sequence[Insider] = (), *, pinning: bool = True, secondaries: bool = True
) -> float | None:
    """Cost of the best safe pattern by trying all of them, cheapest first; None if there is none."""
    free = np.flatnonzero(instance.candidate)
    everything = instance.primary | instance.candidate
    if not is_safe(instance, everything, insiders, pinning=pinning, secondaries=False):
        # What all cells together do not protect, some of them do not either.
        return None
    patterns = itertools.chain.from_iterable(itertools.combinations(free, k) for k in range(len(free) + 1))
    for chosen in sorted(patterns, key=lambda cells: instance.cost[list(cells)].sum()):
        suppressed = instance.primary.copy()
        suppressed[list(chosen)] = True
        if is_safe(instance, suppressed, insiders, pinning=pinning, secondaries=secondaries):
            return float(instance.cost[list(chosen)].sum())
    return None


def assert_optimal(instance: System, insiders: Sequence[Insider] = (), *, pinning: bool = True) -> None:
    """`solve` finds what exhaustive search finds, and what it finds is safe."""
    expected = cheapest(instance, insiders, pinning=pinning)
    if expected is None:
        with pytest.raises(EngineError) as refusal:
            optimal.solve(instance, insiders=insiders, pinning=pinning)
        assert refusal.value.cells
        return
    result = optimal.solve(instance, insiders=insiders, pinning=pinning)
    assert result.proven and result.gap == 0
    assert result.cost == pytest.approx(expected, abs=1e-6)
    assert result.bound == pytest.approx(expected, abs=1e-6)
    assert is_safe(instance, result.suppressed, insiders, pinning=pinning)
    secondary = result.suppressed & ~instance.primary
    assert not (secondary & ~instance.candidate).any()
    assert instance.cost[secondary].sum() == pytest.approx(expected, abs=1e-6)


def test_example_of_the_paper():
    """Fischetti and Salazar-González 2001: {22, 8, 17, 12}, cost 59 with the cell itself, interval [5, 30].

    methods.md gives the optimum and the interval; upl 8 and lpl 5 are levels that the interval attains.
    """
    values, relations = two_way(PAPER)
    instance = system(values, relations, {6: {"upl": 8, "lpl": 5}})
    result = optimal.solve(instance)
    assert sorted(instance.value[result.suppressed]) == [8, 12, 17, 22]
    assert instance.cost[result.suppressed].sum() == 59
    assert (result.cost, result.bound, result.proven) == (37, 37, True)
    assert interval(instance, result.suppressed, 6) == pytest.approx((5, 30))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(small_two_way())
def test_two_way_agrees_with_exhaustive_search(instance):
    assert_optimal(instance)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(small_linear())
def test_linear_relations_agree_with_exhaustive_search(instance):
    assert_optimal(instance)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.one_of(small_two_way(), small_linear()).flatmap(lambda s: st.tuples(st.just(s), insiders_of(s))), st.booleans()
)
def test_insiders_agree_with_exhaustive_search(case, pinning):
    assert_optimal(*case, pinning=pinning)


def random_table(seed: int, size: int = 9) -> System:
    """A two-way table with levels on a tenth of its cells."""
    rng = np.random.default_rng(seed)
    values, relations = two_way(np.ceil(rng.lognormal(3, 1, (size, size))))
    inner = [i for i in range(len(values)) if i % (size + 1) != size and i < size * (size + 1)]
    chosen = rng.choice(inner, size * size // 10, replace=False)
    return system(values, relations, {int(i): {"upl": 0.2 * values[i], "lpl": 0.2 * values[i]} for i in chosen})


@functools.cache
def optimum(seed: int) -> optimal.OptimalResult:
    """The optimum of a random table, found once for all tests."""
    return optimal.solve(random_table(seed))


def by_movements(instance: System) -> tuple[np.ndarray | None, float]:
    """The optimum of the integer program with the movements of all targets and no inequality; None if there is none."""
    suppressed, cost = instance.primary.copy(), 0.0
    for block in blocks_of(instance):
        pattern, bound = Master(block).solve_integer([], 0.0, np.inf, targets=block.targets)
        if pattern is None:
            return None, np.inf
        suppressed[block.cells[pattern]] = True
        cost += bound
    return suppressed, cost


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(small_two_way())
def test_movements_need_no_inequality_in_two_way_tables(instance):
    expected = cheapest(instance, secondaries=False)
    suppressed, cost = by_movements(instance)
    assert (suppressed is None) == (expected is None)
    if expected is not None:
        assert is_safe(instance, suppressed, secondaries=False)
        assert cost == pytest.approx(expected, abs=1e-6)
        assert instance.cost[suppressed & ~instance.primary].sum() == pytest.approx(expected, abs=1e-6)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(small_linear())
def test_movements_are_possible_for_any_relations(instance):
    suppressed, _ = by_movements(instance)
    assert suppressed is None or is_safe(instance, suppressed, secondaries=False)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(small_two_way(), small_linear()), st.integers(0, 2**32 - 1))
def test_secondaries_that_are_alone_are_told(instance, seed):
    chosen = np.random.default_rng(seed).random(instance.n) < 0.5
    suppressed = instance.primary | (chosen & instance.candidate)
    alone = False
    for block in blocks_of(instance):
        inside = suppressed[block.cells]
        hidden = abs(block.A.tocsr()[:, inside]).sign()
        without = abs(block.A) @ block.primary == 0
        alone |= bool((without & (np.ravel(hidden.sum(axis=1)) == 1)).any())
        for c in Company(block).violated(inside.astype(float), 1e-3):
            assert c @ inside < 0
            assert not is_safe(instance, suppressed)
    told = any(len(list(Company(b).violated(suppressed[b.cells].astype(float), 1e-3))) for b in blocks_of(instance))
    assert told == alone


@pytest.mark.parametrize("seed", range(3))
def test_movements_find_what_inequalities_find(seed):
    assert by_movements(random_table(seed))[1] == pytest.approx(optimum(seed).cost)


def test_does_not_depend_on_row_order():
    instance = random_table(5)
    order = np.random.default_rng(0).permutation(instance.n)
    table = {
        "cell_id": instance.cell_id,
        "value": instance.value,
        "status": np.where(instance.primary, "primary", "safe"),
        "upl": instance.upl,
        "lpl": instance.lpl,
    }
    shuffled = pa.table({name: pa.array(column[order]) for name, column in table.items()})
    entries = instance.A.tocoo()
    mixed = np.random.default_rng(1).permutation(entries.nnz)
    relations = pa.table(
        {
            "relation_id": entries.row[mixed].astype(np.int64),
            "cell_id": entries.col[mixed].astype(np.int64),
            "coefficient": entries.data[mixed],
        }
    )
    one, two = optimum(5), optimal.solve(System.from_arrow(shuffled, relations))
    assert np.array_equal(one.suppressed, two.suppressed)


@pytest.mark.parametrize("seed", range(3))
def test_time_limit_never_yields_an_unsafe_pattern(seed):
    instance = random_table(seed)
    result = optimal.solve(instance, time_limit=0.0)
    assert is_safe(instance, result.suppressed)
    assert result.bound <= result.cost + 1e-9
    assert result.bound - 1e-6 <= optimum(seed).cost <= result.cost + 1e-6


def test_start_is_repaired_and_never_made_worse():
    instance = random_table(1)
    best = optimum(1)
    again = optimal.solve(instance, start=best.suppressed, time_limit=0.0)
    assert again.cost <= best.cost + 1e-9
    assert is_safe(instance, optimal.solve(instance, start=np.zeros(instance.n, bool)).suppressed)


def test_blocks_are_solved_apart():
    values, relations = two_way(PAPER)
    twice = relations + [[(c + len(values), a) for c, a in relation] for relation in relations]
    instance = system(np.tile(values, 2), twice, {6: {"upl": 8, "lpl": 5}, 22: {"upl": 8, "lpl": 5}})
    result = optimal.solve(instance)
    assert (result.blocks, result.cost) == (2, 74)


def test_nothing_to_protect_costs_nothing():
    values, relations = two_way(PAPER)
    result = optimal.solve(system(values, relations, {}))
    assert (result.cost, result.proven, result.blocks) == (0, True, 0)
    assert not result.suppressed.any()


def test_unprotectable_primary_is_named():
    values, relations = two_way(PAPER)
    frozen = [i != 6 for i in range(len(values))]
    with pytest.raises(EngineError, match="6") as refusal:
        optimal.solve(system(values, relations, {6: {"upl": 8}}, frozen=frozen))
    assert refusal.value.cells == [6]
