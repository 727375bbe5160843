"""Small systems and a plain attacker for the tests of the exact method; no code of the engine's solvers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st
from scipy.optimize import linprog

from sdc.engine.system import System

PAPER = np.array([[20, 50, 10], [8, 19, 22], [17, 32, 12]], dtype=float)


def two_way(inner: np.ndarray) -> tuple[np.ndarray, list[list[tuple[int, float]]]]:
    """Values with margins, row by row, and relations of a two-way table as lists of (cell, coefficient)."""
    rows, columns = inner.shape
    full = np.zeros((rows + 1, columns + 1))
    full[:rows, :columns] = inner
    full[rows, :columns] = inner.sum(0)
    full[:, columns] = full.sum(1)
    cell = np.arange(full.size).reshape(full.shape)
    relations = [[(int(c), 1.0) for c in line[:-1]] + [(int(line[-1]), -1.0)] for line in (*cell, *cell.T)]
    return full.ravel(), relations


def system(values: np.ndarray, relations: list[list[tuple[int, float]]], primary: dict[int, dict], **columns) -> System:
    """A system whose primary cells carry the levels given for them."""
    n = len(values)
    table = {"cell_id": list(range(n)), "value": list(map(float, values)), "status": ["safe"] * n}
    for level in ("upl", "lpl", "spl"):
        table[level] = [float(primary.get(i, {}).get(level, 0.0)) for i in range(n)]
    for i in primary:
        table["status"][i] = "primary"
    table.update({name: list(column) for name, column in columns.items()})
    entries = [(r, c, a) for r, relation in enumerate(relations) for c, a in relation]
    ids, cells, coefficients = zip(*entries, strict=True)
    return System.from_arrow(
        pa.table(table), pa.table({"relation_id": ids, "cell_id": cells, "coefficient": coefficients})
    )


def interval(instance: System, suppressed: np.ndarray, cell: int) -> tuple[float, float]:
    """What an attacker learns about one cell: a linear program in the cells' values, by SciPy."""
    bounds = [
        (lo if np.isfinite(lo) else None, up if np.isfinite(up) else None) if s else (v, v)
        for v, lo, up, s in zip(instance.value, instance.lower, instance.upper, suppressed, strict=True)
    ]
    ends = []
    for sign in (1.0, -1.0):
        objective = np.zeros(instance.n)
        objective[cell] = sign
        answer = linprog(objective, A_eq=instance.A.toarray(), b_eq=np.zeros(instance.m), bounds=bounds, method="highs")
        assert answer.status in (0, 3), answer.message
        ends.append(-sign * np.inf if answer.status == 3 else float(answer.x[cell]))
    return ends[0], ends[1]


def is_protected(instance: System, suppressed: np.ndarray, cell: int) -> bool:
    """Whether a primary is as far from both ends of its interval as its levels ask."""
    low, high = interval(instance, suppressed, cell)
    value, slip = instance.value[cell], 1e-6
    if high < value + instance.upl[cell] - slip or low > value - instance.lpl[cell] + slip:
        return False
    if high - low < max(instance.spl[cell] - slip, slip):
        return False
    return not instance.integer[cell] or np.floor(high + slip) - np.ceil(low - slip) >= 1


def is_safe(instance: System, suppressed: np.ndarray, insiders: Sequence[Sequence[int]] = ()) -> bool:
    """Whether every primary is protected and none is exact to an insider who does not know it, and no secondary is."""
    if not all(is_protected(instance, suppressed, cell) for cell in np.flatnonzero(instance.primary)):
        return False
    for known in insiders:
        hidden = suppressed.copy()
        hidden[list(known)] = False
        if any(is_exact(instance, hidden, cell) for cell in np.flatnonzero(instance.primary & hidden)):
            return False
    return not any(is_exact(instance, suppressed, cell) for cell in np.flatnonzero(suppressed & ~instance.primary))


def is_exact(instance: System, suppressed: np.ndarray, cell: int) -> bool:
    """Whether the outsider computes a suppressed cell."""
    low, high = interval(instance, suppressed, cell)
    slip = 1e-6
    return np.floor(high + slip) - np.ceil(low - slip) < 1 if instance.integer[cell] else high - low < slip


@st.composite
def levels(draw, value: float, whole: bool) -> dict[str, float]:
    """Protection levels of one primary, often none."""
    if draw(st.booleans()):
        return {}
    unit = 1.0 if whole else 0.5
    return {name: unit * draw(st.integers(0, 6)) for name in draw(st.sets(st.sampled_from(["upl", "lpl", "spl"])))}


@st.composite
def decorated(draw, values: np.ndarray, relations: list, most_primary: int) -> System:
    """A table with random primaries, levels, attacker's bounds, costs, frozen and whole-number cells."""
    n = len(values)
    whole = draw(st.booleans())
    cells = draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=most_primary, unique=True))
    primary = {i: draw(levels(values[i], whole)) for i in cells}
    lower = [float(draw(st.sampled_from([0.0, 0.0, v - 1.0 if v >= 1 else 0.0, v]))) for v in values]
    upper = [float(draw(st.sampled_from([np.inf, np.inf, v + 2.0, v]))) for v in values]
    frozen = [i not in primary and draw(st.integers(0, 7)) == 0 for i in range(n)]
    cost = draw(st.sampled_from([list(map(float, values)), [1.0] * n, [float((7 * i) % 5) for i in range(n)]]))
    return system(values, relations, primary, lower=lower, upper=upper, frozen=frozen, cost=cost, integer=[whole] * n)


@st.composite
def small_two_way(draw) -> System:
    """2 x 2 and 2 x 3 tables of small whole numbers."""
    shape = draw(st.sampled_from([(2, 2), (2, 2), (2, 3)]))
    inner = np.array([draw(st.integers(0, 9)) for _ in range(shape[0] * shape[1])], dtype=float).reshape(shape)
    values, relations = two_way(inner)
    return draw(decorated(values, relations, 4))


@st.composite
def insiders_of(draw, instance: System) -> list[np.ndarray]:
    """One to three insiders, each knowing one to three cells; they may know the same."""
    cells = st.lists(st.integers(0, instance.n - 1), min_size=1, max_size=3, unique=True)
    return [np.array(sorted(known)) for known in draw(st.lists(cells, min_size=1, max_size=3))]


@st.composite
def small_linear(draw) -> System:
    """Relations that are no table: derived cells are sums of earlier ones with coefficients up to 3."""
    values = [float(draw(st.integers(0, 8))) for _ in range(draw(st.integers(3, 5)))]
    relations = []
    for _ in range(draw(st.integers(2, 3))):
        members = draw(st.lists(st.integers(0, len(values) - 1), min_size=2, max_size=4, unique=True))
        relation = [(i, float(draw(st.integers(1, 3)))) for i in members]
        relations.append([*relation, (len(values), -1.0)])
        values.append(sum(a * values[i] for i, a in relation))
    return draw(decorated(np.array(values), relations, 3))
