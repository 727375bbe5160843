"""The scale of utility: known answers, and the SQL macro against the Python function."""

from __future__ import annotations

import math
import re

import duckdb
import pytest

from conftest import ROOT
from sdc.utility import compare


def test_known_answers():
    same = compare([4, 9], [4, 9])
    assert (same.hellinger, same.mean_distance, same.withheld_cells) == (0, 0, 0)
    half = compare([1, 1, 2], [1, 1, None])
    assert half.withheld_cells == pytest.approx(1 / 3) and half.withheld_value == 0.5
    assert half.hellinger == pytest.approx(math.sqrt(1 - 2 / math.sqrt(4 * 2)))
    moved = compare([3, 5], [0, 10])
    assert moved.mean_distance == 4 and moved.largest_distance == 5
    assert compare([1, 0], [0, 1]).hellinger == 1
    assert compare([1, 2], [None, None]).hellinger == 1
    with pytest.raises(ValueError, match="no cells"):
        compare([], [])
    with pytest.raises(ValueError, match="not negative"):
        compare([-1], [1])


def test_the_macro_says_the_same():
    text = (ROOT / "macros/perturbation/utility.sql").read_text(encoding="utf-8")
    body = re.search(r"utility\(true_value, published\) -%\}(.*?)\{%- endmacro", text, re.S).group(1)
    sql = body.replace("{{ true_value }}", "t").replace("{{ published }}", "p")
    rows = [(10, 10), (3, None), (7, 5), (0, 0), (120, 125)]
    values = ", ".join(f"({t}, {'null' if p is None else p})" for t, p in rows)
    found = duckdb.sql(f"select {sql} from (values {values}) as v (t, p)").fetchone()
    want = compare([t for t, _ in rows], [p for _, p in rows])
    assert found[0] == want.cells
    assert found[1] == pytest.approx(100 * want.withheld_cells, abs=0.01)
    assert found[2] == pytest.approx(100 * want.withheld_value, abs=0.01)
    assert found[3] == pytest.approx(want.mean_distance, abs=1e-4)
    assert found[4] == want.largest_distance
    assert found[5] == pytest.approx(want.hellinger, abs=1e-6)
