"""Improvement of safe patterns: cheaper or equal, as safe against everybody, and the same however often it is asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from engine.small_tables import is_safe
from engine.test_optimal import TABLES_AND_INSIDERS, cheapest, optimum, random_table
from sdc.engine.improve import improve, solve_components
from sdc.engine.system import System


def cost(instance: System, suppressed: np.ndarray) -> float:
    """Cost of the secondaries of a pattern."""
    return float(instance.cost[suppressed & ~instance.primary].sum())


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(TABLES_AND_INSIDERS, st.sampled_from([0, 20, 2000]))
def test_is_safe_and_no_dearer_whatever_the_work(case, work):
    instance, insiders = case
    start = instance.primary | instance.candidate
    assume(is_safe(instance, start, insiders))
    better = improve(instance, start, insiders, work=work)
    assert is_safe(instance, better, insiders)
    assert cost(instance, better) <= cost(instance, start)
    solved = solve_components(instance, start, insiders, work=work)
    assert is_safe(instance, solved.suppressed, insiders)
    best = cheapest(instance, insiders)
    assert solved.bound - 1e-6 <= best <= solved.cost + 1e-6
    assert not solved.proven or solved.cost == pytest.approx(best)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(TABLES_AND_INSIDERS, st.data())
def test_cells_to_keep_and_cells_outside_the_window_stay(case, data):
    instance, insiders = case
    start = instance.primary | instance.candidate
    assume(is_safe(instance, start, insiders))
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=instance.n, max_size=instance.n)))
    better = improve(instance, start, insiders, keep=keep, work=200)
    assert is_safe(instance, better, insiders)
    assert (better[keep] == start[keep]).all()
    everything = [np.flatnonzero(start)]
    inside = improve(instance, start, insiders, window=keep, movements=everything, work=200)
    assert (inside[~keep] == start[~keep]).all()
    assert is_safe(instance, inside, insiders)


def test_an_unsafe_pattern_is_left_as_it_is():
    instance = random_table(2)
    assert np.array_equal(improve(instance, instance.primary), instance.primary)


@pytest.mark.parametrize("seed", range(3))
def test_a_window_keeps_what_its_movements_hold(seed):
    """Protection that reaches across the edge of the window survives, because its cells are kept."""
    instance = random_table(seed)
    rng = np.random.default_rng(seed)
    start = instance.primary | (instance.candidate & (rng.random(instance.n) < 0.8))
    assert is_safe(instance, start)
    window = np.zeros(instance.n, bool)
    window[: instance.n // 2] = True
    movements = [
        displacement(instance, start, cell, sign) for cell in np.flatnonzero(instance.primary) for sign in (1, -1)
    ]
    others = [displacement(instance, start, cell, 1) for cell in np.flatnonzero(start & ~instance.primary)]
    better = improve(instance, start, window=window, movements=movements + others)
    assert is_safe(instance, better)
    assert cost(instance, better) < cost(instance, start)


def displacement(instance: System, suppressed: np.ndarray, cell: int, sign: int) -> np.ndarray:
    """Cells of one movement that takes `cell` as far as its level, or a little, the given way."""
    level = max((instance.upl if sign > 0 else instance.lpl)[cell], 1e-3)
    moving = np.flatnonzero(suppressed)
    n = len(moving)
    own = int(np.flatnonzero(moving == cell)[0])
    A = instance.A.tocsc()[:, moving].toarray()
    up, down = np.full(n, np.inf), instance.value[moving].copy()
    bounds = [(0, u) for u in up] + [(0, d) for d in down]
    bounds[own], bounds[n + own] = ((level, level), (0, 0)) if sign > 0 else ((0, 0), (level, level))
    answer = linprog(np.ones(2 * n), A_eq=np.hstack([A, -A]), b_eq=np.zeros(len(A)), bounds=bounds, method="highs")
    assert answer.status == 0
    return moving[np.abs(answer.x[:n] - answer.x[n:]) > 1e-9]


def test_the_work_bounds_the_search_and_decides_the_result():
    instance = random_table(4)
    start = instance.primary | instance.candidate
    first, second = (improve(instance, start, work=300) for _ in range(2))
    assert np.array_equal(first, second)
    best = optimum(4)
    assert best.cost <= cost(instance, first) < cost(instance, start)
    assert cost(instance, improve(instance, start, work=100_000)) == best.cost


def test_large_blocks_stay_as_they_are():
    instance = random_table(4)
    start = instance.primary | instance.candidate
    assert np.array_equal(improve(instance, start, largest=10), start)
    result = solve_components(instance, start, largest=10)
    assert np.array_equal(result.suppressed, start)
    assert (result.proven, result.bound, result.cost) == (False, 0.0, cost(instance, start))
