"""The same audit is computed once, and only the same: whatever the engine looks at makes it another."""

from __future__ import annotations

import threading

import numpy as np
import pyarrow as pa
import pytest

from oracle import checks, cubes
from sdc.engine import audit
from sdc.engine.errors import EngineError
from sdc.once import once

CUBE = cubes.random_cube(3, cells=60, magnitude=True)


@pytest.fixture
def counted():
    """(calls so far, the audit computed once)."""
    calls = []

    def method(cells, relations, **keywords):
        calls.append(keywords)
        return audit(cells, relations, **keywords)

    return calls, once(method)


def test_the_same_system_in_any_order_is_audited_once(counted):
    calls, asked = counted
    expected = audit(CUBE.cells, CUBE.relations, attackers="outsider")
    rng = np.random.default_rng(1)
    for _ in range(4):
        cells = CUBE.cells.take(pa.array(rng.permutation(CUBE.cells.num_rows)))
        relations = CUBE.relations.take(pa.array(rng.permutation(CUBE.relations.num_rows)))
        assert asked(cells, relations, attackers="outsider").equals(expected)
    assert len(calls) == 1


def test_anything_else_is_audited_anew(counted):
    """Every column of the cells, every coefficient, every option: one bit in one row is another question."""
    calls, asked = counted
    asked(CUBE.cells, CUBE.relations)
    others = [(CUBE.cells, CUBE.relations, {"attackers": "outsider"})]
    for table in ("cells", "relations"):
        given = getattr(CUBE, table)
        for name in given.column_names:
            values = given[name].to_pylist()
            if name == "status":
                at, new = next((i, "secondary") for i, v in enumerate(values) if v == "safe")
            elif isinstance(values[0], bool):
                at, new = 0, not values[0]
            elif isinstance(values[0], float):
                at, new = 0, float(np.nextafter(values[0], np.inf))
            else:
                continue
            changed = checks.with_column(
                given, name, pa.array([*values[:at], new, *values[at + 1 :]], given[name].type)
            )
            others.append((changed, CUBE.relations, {}) if table == "cells" else (CUBE.cells, changed, {}))
    others.append((CUBE.cells.slice(1), CUBE.relations, {}))
    for asked_before, (cells, relations, keywords) in enumerate(others, start=1):
        try:
            answer = asked(cells, relations, **keywords)
        except EngineError:
            answer = None  # no longer a system, and found so by the engine
        assert len(calls) == asked_before + 1
        if answer is not None:
            assert answer.equals(audit(cells, relations, **keywords))
    assert len(others) > 6


def test_who_asks_meanwhile_waits_and_an_error_is_not_kept():
    calls, begun, go_on = [], threading.Event(), threading.Event()

    def slow(cells, relations):
        calls.append(1)
        begun.set()
        go_on.wait(60)
        if len(calls) == 1:
            raise EngineError("the first fails")
        return cells

    asked, found = once(slow), []

    def ask():
        try:
            found.append(asked(CUBE.cells, CUBE.relations))
        except EngineError:
            found.append(None)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert begun.wait(60)
    go_on.set()
    for thread in threads:
        thread.join()
    assert len(calls) == 2 and sum(answer is None for answer in found) == 1
