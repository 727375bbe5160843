"""Small systems and a plain attacker for the tests of the exact method; no code of the engine's solvers."""

from __future__ import annotations

from collections.abc import Sequence

import highspy
import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from sdc.engine.insiders import Insider
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
    """What an attacker learns about one cell: a linear program in the cells' values."""
    columns = instance.A.tocsc()
    program = highspy.HighsLp()
    program.num_row_, program.num_col_ = instance.m, instance.n
    program.col_cost_ = (np.arange(instance.n) == cell).astype(float)
    program.col_lower_ = np.where(suppressed, instance.lower, instance.value)
    program.col_upper_ = np.where(suppressed, instance.upper, instance.value)
    program.row_lower_ = program.row_upper_ = np.zeros(instance.m)
    program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    program.a_matrix_.start_, program.a_matrix_.index_ = columns.indptr, columns.indices
    program.a_matrix_.value_ = columns.data
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("presolve", "off")
    solver.passModel(program)
    ends = []
    for sense, end in ((highspy.ObjSense.kMinimize, -np.inf), (highspy.ObjSense.kMaximize, np.inf)):
        solver.clearSolver()  # a stale basis of an unbounded program can mislead the next
        solver.changeObjectiveSense(sense)
        solver.run()
        status = solver.getModelStatus()
        assert status in (highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kUnbounded), status
        unbounded = status == highspy.HighsModelStatus.kUnbounded
        ends.append(end if unbounded else float(solver.getInfo().objective_function_value))
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


def is_safe(
    instance: System,
    suppressed: np.ndarray,
    insiders: Sequence[Insider] = (),
    *,
    pinning: bool = True,
    secondaries: bool = True,
) -> bool:
    """Whether every primary is protected and none is exact to an insider whose it is not, and no secondary is exact.

    Without `pinning` insiders compute from the relations and reckon with no bounds; without `secondaries` these are not
    looked at.
    """
    primary, secondary = np.flatnonzero(instance.primary), np.flatnonzero(suppressed & ~instance.primary)
    # Most patterns fail by the relations alone, which is told without a program.
    if any(follows(instance, suppressed, cell) for cell in (np.append(primary, secondary) if secondaries else primary)):
        return False
    if not all(is_protected(instance, suppressed, cell) for cell in primary):
        return False
    computes = is_exact if pinning else follows
    for insider in insiders:
        hidden = suppressed.copy()
        hidden[insider.known] = False
        secret = instance.primary & hidden
        secret[insider.own] = False
        if any(computes(instance, hidden, cell) for cell in np.flatnonzero(secret)):
            return False
    return not (secondaries and any(is_exact(instance, suppressed, cell) for cell in secondary))


def is_exact(instance: System, suppressed: np.ndarray, cell: int) -> bool:
    """Whether the outsider computes a suppressed cell."""
    if follows(instance, suppressed, cell):
        return True
    low, high = interval(instance, suppressed, cell)
    slip = 1e-6
    return np.floor(high + slip) - np.ceil(low - slip) < 1 if instance.integer[cell] else high - low < slip


def follows(instance: System, suppressed: np.ndarray, cell: int) -> bool:
    """Whether a suppressed cell follows from the relations: its unit vector is a combination of their rows."""
    # It does not iff a solution of the relations moves it: iff it stands in the way of a smaller rank.
    rows = instance.A.toarray()[:, suppressed]
    others = np.flatnonzero(suppressed) != cell
    return np.linalg.matrix_rank(rows[:, others]) < np.linalg.matrix_rank(rows)


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
def insiders_of(draw, instance: System) -> list[Insider]:
    """One to three insiders, each knowing one to three cells and owning up to two more; they may know the same."""
    cell = st.integers(0, instance.n - 1)
    cells = st.tuples(st.lists(cell, min_size=1, max_size=3), st.lists(cell, max_size=2))
    return [Insider.of(known, own) for known, own in draw(st.lists(cells, min_size=1, max_size=3))]


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
