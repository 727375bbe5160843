"""What publishing gives away by the relations alone: linear algebra modulo a prime against plain ranks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.small_tables import insiders_of, small_linear, small_two_way, system, two_way
from sdc.engine.cutting.block import Block, blocks_of
from sdc.engine.cutting.spaces import Spaces

TABLES = st.one_of(small_two_way(), small_linear()).flatmap(lambda s: st.tuples(st.just(s), insiders_of(s)))


def exact(block: Block, pattern: np.ndarray) -> set[tuple[int, int]]:
    """Pairs (attacker, primary) of what follows from the relations, the outsider being -1."""
    found = set()
    for attacker in range(-1, len(block.insiders)):
        hidden = pattern.copy()
        if attacker >= 0:
            hidden[block.insiders[attacker].known] = False
        matrix = block.A.toarray() * hidden
        for target in block.targets:
            if attacker >= 0 and target.cell in block.insiders[attacker].own:
                continue
            if hidden[target.cell] and (target.exactness or attacker < 0):
                row = np.zeros((1, block.n))
                row[0, target.cell] = 1.0
                if np.linalg.matrix_rank(np.vstack([matrix, row])) == np.linalg.matrix_rank(matrix):
                    found.add((attacker, target.cell))
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TABLES, st.randoms(use_true_random=False))
def test_tells_what_publishing_a_cell_opens(case, random):
    instance, insiders = case
    for block in blocks_of(instance, insiders=insiders):
        pattern = np.ones(block.n, bool)
        if exact(block, pattern):
            continue
        spaces = Spaces.of(block, pattern)
        cells = np.flatnonzero(~block.primary).tolist()
        random.shuffle(cells)
        for cell in cells:
            without = pattern.copy()
            without[cell] = False
            assert spaces.opens(cell) == bool(exact(block, without))
            if not spaces.opens(cell):
                spaces.publish(cell)
                pattern = without


@pytest.mark.parametrize(("cells", "numbers"), [(8, 10**6), (10**6, 20)])
def test_is_left_to_programs_where_it_would_be_too_much(cells, numbers, monkeypatch):
    values, relations = two_way(np.arange(1.0, 10.0).reshape(3, 3))
    block = blocks_of(system(values, relations, {0: {}}))[0]
    assert Spaces.of(block, np.ones(block.n, bool)) is not None
    monkeypatch.setattr("sdc.engine.cutting.spaces.CELLS", cells)
    monkeypatch.setattr("sdc.engine.cutting.spaces.LARGEST", numbers)
    assert Spaces.of(block, np.ones(block.n, bool)) is None


def test_coefficients_that_are_not_whole_are_left_to_programs():
    block = blocks_of(system(np.array([2.0, 2.0, 2.0]), [[(0, 0.5), (1, 0.5), (2, -1.0)]], {0: {}}))[0]
    assert Spaces.of(block, np.ones(block.n, bool)) is None
