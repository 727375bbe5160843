"""The engine's parts one by one: elimination, classes of cells, fixpoint, certificates, thinning, intervals."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from sdc.engine import EngineError, audit, elimination, suppress
from sdc.engine.closing import close
from sdc.engine.fixpoint import local_fixpoint
from sdc.engine.pattern import Pattern
from sdc.engine.repair import Repairer
from sdc.engine.system import System
from sdc.engine.view import View


def table(values: np.ndarray, primary: np.ndarray, **columns: np.ndarray) -> tuple[pa.Table, pa.Table]:
    """A two-way table with totals: cells numbered row by row, totals last in each row and column."""
    full = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    full[:-1, :-1] = values
    full[-1, :] = full[:-1, :].sum(axis=0)
    full[:, -1] = full[:, :-1].sum(axis=1)
    status = np.full(full.shape, "safe", dtype=object)
    status[:-1, :-1][primary] = "primary"
    number = np.arange(full.size).reshape(full.shape)
    lines = [*number, *number.T]
    relations = {
        "relation_id": np.repeat(np.arange(len(lines)), [len(line) for line in lines]),
        "cell_id": np.concatenate(lines),
        "coefficient": np.concatenate([[*np.ones(len(line) - 1), -1.0] for line in lines]),
    }
    cells = {"cell_id": number.ravel(), "value": full.ravel(), "status": status.ravel().tolist(), **columns}
    return pa.table(cells), pa.table(relations)


@pytest.fixture
def counts() -> tuple[pa.Table, pa.Table]:
    """A 12 x 9 count table with its cells below 5 primary."""
    values = np.random.default_rng(4).poisson(9, (12, 9)).astype(float)
    return table(values, (values > 0) & (values < 5), integer=np.ones(13 * 10, dtype=bool))


def test_elimination_finds_what_follows_and_what_moves_together() -> None:
    matrix = sp.csr_matrix([[1.0, 1, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 2, 0], [0, 0, 0, 1, 0]])
    assert elimination.determined(matrix).tolist() == [False, False, False, True, False]
    number, ratio = elimination.rigid_classes(matrix)
    assert number.tolist() == [0, 0, 0, -1, 1]
    assert ratio.tolist() == [1.0, -1.0, 1.0, 0.0, 1.0]


def test_elimination_without_work_knows_nothing() -> None:
    assert elimination.determined(sp.csr_matrix(np.ones((3, 3))), work=0) is None


def test_classes_agree_with_the_rank(counts) -> None:
    system = System.from_arrow(*counts)
    view = View.rigid(system, system.suppressed)
    cells = np.flatnonzero(system.suppressed)
    dense = system.A[:, cells].toarray()
    rank = np.linalg.matrix_rank(dense)
    for position, cell in enumerate(cells):
        unit = np.eye(len(cells))[position]
        assert (np.linalg.matrix_rank(np.vstack([dense, unit])) == rank) == (view.column[cell] < 0)


def test_fixpoint_leaves_no_relation_that_reveals_a_cell(counts) -> None:
    system = System.from_arrow(*counts)
    pattern = Pattern(system)
    local_fixpoint(pattern)
    assert 1 not in (abs(system.A).sign() @ pattern.suppressed.astype(int)).tolist()
    assert not (pattern.suppressed & (system.value == 0)).any()


def test_a_point_that_breaks_a_relation_is_no_proof(counts) -> None:
    system = System.from_arrow(*counts)
    pattern = Pattern(system, np.ones(system.n, dtype=bool))
    assert not pattern.add_point(np.array([0, 1]), np.array([1.0, 1.0]))
    assert pattern.add_point(np.array([0, 1, 10, 11]), np.array([1.0, -1.0, -1.0, 1.0]))
    assert pattern.met(np.array([0, 1, 10, 11])).all()


def test_thinning_never_exposes_a_primary(counts) -> None:
    system = System.from_arrow(*counts)
    pattern = Pattern(system, (system.value != 0))
    close(pattern, Repairer(pattern), (), thinning=True)
    assert pattern.suppressed.sum() < (system.value != 0).sum()
    assert (View.rigid(system, pattern.suppressed).column[system.primary] >= 0).all()


def test_suppression_passes_its_audit_and_is_the_same_in_any_order(counts) -> None:
    cells, relations = counts
    pattern = suppress(cells, relations)
    rng = np.random.default_rng(0)
    again = suppress(cells.take(rng.permutation(len(cells))), relations.take(rng.permutation(len(relations))))
    assert pattern == again
    protected = cells.set_column(cells.column_names.index("status"), "status", pattern["status"])
    finding = audit(protected, relations)
    assert set(finding["verdict"].to_pylist()) == {"safe"}
    hidden = [row["cell_id"] for row in pattern.to_pylist() if row["status"] != "safe"]
    assert finding["cell_id"].to_pylist() == hidden


def test_audit_tells_the_four_kinds_of_finding() -> None:
    values = np.array([[10.0, 20.0], [30.0, 40.0]])
    cells, relations = table(values, np.ones((2, 2), dtype=bool))
    level = np.zeros(9)
    for name, amount, verdict in (
        ("upl", 25.0, "under_above"),
        ("lpl", 15.0, "under_below"),
        ("spl", 60.0, "too_narrow"),
    ):
        level[0] = amount
        bounds = cells.append_column(name, pa.array(level)).append_column("lower", pa.array(np.zeros(9)))
        row = audit(bounds, relations, intervals=True).to_pylist()[0]
        assert (row["lower"], row["upper"], row["verdict"]) == (0.0, 30.0, verdict)
    alone = table(values, np.array([[True, False], [False, False]]))
    assert audit(*alone)["verdict"].to_pylist() == ["exact"]


def test_a_cell_in_no_relation_is_bounded_by_prior_knowledge_only() -> None:
    nothing = pa.table(
        {
            "relation_id": pa.array([], pa.int64()),
            "cell_id": pa.array([], pa.int64()),
            "coefficient": pa.array([], pa.float64()),
        }
    )
    cells = pa.table({"cell_id": [1], "value": [2.0], "status": ["primary"], "integer": [True], "upper": [2.0]})
    assert audit(cells, nothing).to_pylist() == [
        {"cell_id": 1, "lower": 0.0, "upper": 2.0, "verdict": "safe", "attacker": None}
    ]


def test_what_cannot_be_protected_is_named_and_nothing_is_returned() -> None:
    values = np.array([[3.0, 0.0], [0.0, 4.0]])
    with pytest.raises(EngineError) as error:
        suppress(*table(values, values == 3.0, frozen=np.arange(9) >= 6))
    assert error.value.cells == [0]


def test_a_time_limit_never_yields_a_pattern_that_was_not_finished(counts) -> None:
    cells, relations = counts
    try:
        pattern = suppress(cells, relations, method="heuristic", time_limit=1e-9)
    except EngineError:
        return
    protected = cells.set_column(cells.column_names.index("status"), "status", pattern["status"])
    assert set(audit(protected, relations)["verdict"].to_pylist()) == {"safe"}
