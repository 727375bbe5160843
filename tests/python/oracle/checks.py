"""What the tests assert of the engine's answers, in the oracle's terms."""

from __future__ import annotations

import os

import numpy as np
import pyarrow as pa
from hypothesis import HealthCheck, settings

from . import attack


def examples(number: int) -> settings:
    """Hypothesis settings: the same examples on every run, ten times as many fresh ones with
    ``SDC_EXPLORE=1``.
    """
    explore = bool(os.environ.get("SDC_EXPLORE"))
    return settings(
        max_examples=number * (10 if explore else 1),
        derandomize=not explore,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        print_blob=explore,
    )


def with_column(cells: pa.Table, name: str, values: object) -> pa.Table:
    """The table with a column set or replaced."""
    kept = cells.drop_columns([name]) if name in cells.column_names else cells
    return kept.append_column(name, pa.array(values))


def with_pattern(cells: pa.Table, pattern: pa.Table) -> pa.Table:
    """The cells carrying the statuses of a pattern."""
    status = dict(zip(pattern["cell_id"].to_pylist(), pattern["status"].to_pylist(), strict=True))
    return with_column(cells, "status", [status[cell] for cell in cells["cell_id"].to_pylist()])


def statuses(table: pa.Table) -> dict[int, str]:
    """Status by cell id."""
    return dict(zip(table["cell_id"].to_pylist(), table["status"].to_pylist(), strict=True))


def verdicts(table: pa.Table) -> dict[int, str]:
    """Verdict by cell id."""
    return dict(zip(table["cell_id"].to_pylist(), table["verdict"].to_pylist(), strict=True))


def assert_well_formed(cells: pa.Table, pattern: pa.Table) -> None:
    """One row per cell in order; primaries unchanged; no zero and no frozen cell taken as a complement."""
    assert pattern.column_names[:3] == ["cell_id", "status", "reason"]
    assert pattern["cell_id"].to_pylist() == sorted(cells["cell_id"].to_pylist())
    after = statuses(pattern)
    frozen = cells["frozen"].to_pylist() if "frozen" in cells.column_names else [False] * cells.num_rows
    for cell, before, value, fixed in zip(
        cells["cell_id"].to_pylist(),
        cells["status"].to_pylist(),
        cells["value"].to_pylist(),
        frozen,
        strict=True,
    ):
        assert after[cell] in {"safe", "primary", "secondary"}
        assert (after[cell] == "primary") == (before == "primary"), cell
        if after[cell] == "secondary":
            assert value != 0 and not fixed, cell


def assert_protected(cells: pa.Table, relations: pa.Table, pattern: pa.Table) -> None:
    """No leak for the oracle, and no exactly determined cell by linear algebra either."""
    view = attack.View.from_arrow(cells, relations, pattern)
    assert attack.exact_cells(view) == set()
    assert attack.leaks(view) == {}


def assert_protected_from_insiders(cells: pa.Table, relations: pa.Table, pattern: pa.Table) -> None:
    """No contributor who knows all cells it makes up alone learns a primary of others exactly."""
    view = attack.View.from_arrow(cells, relations, pattern)
    assert attack.insider_leaks(view, levels=False) == {}


def can_be_protected(cells: pa.Table, relations: pa.Table) -> bool:
    """Whether hiding every cell that may be hidden protects all primaries.

    Hiding more never narrows an interval, so if this does not, nothing does.
    """
    view = attack.View.from_arrow(cells, relations)
    frozen = np.zeros(view.value.size, dtype=bool)
    if "frozen" in cells.column_names:
        rows = sorted(cells.select(["cell_id", "frozen"]).to_pylist(), key=lambda row: row["cell_id"])
        frozen = np.array([row["frozen"] for row in rows])
    hidden = view.primary | ((view.value != 0) & ~frozen)
    primary = set(view.cell_id[view.primary].tolist())
    return primary.isdisjoint(attack.leaks(attack.View(**{**view.__dict__, "hidden": hidden})))


def assert_verdicts_match(cells: pa.Table, relations: pa.Table, audited: pa.Table) -> None:
    """The audit has one row per suppressed cell, calls exactly the oracle's leaks unsafe, and names a true
    finding.
    """
    view = attack.View.from_arrow(cells, relations)
    expected = attack.findings(view)
    got = verdicts(audited)
    assert audited["cell_id"].to_pylist() == sorted(expected)
    missed = {cell: what for cell, what in expected.items() if what and got[cell] == "safe"}
    assert not missed, f"leaks the audit calls safe: {missed}"
    false_alarms = {cell: got[cell] for cell, what in expected.items() if not what and got[cell] != "safe"}
    assert not false_alarms, f"protected cells the audit does not pass: {false_alarms}"
    misnamed = {cell: (got[cell], what) for cell, what in expected.items() if what and got[cell] not in what}
    assert not misnamed, f"verdicts that are not among the findings: {misnamed}"


def assert_intervals_match(cells: pa.Table, relations: pa.Table, audited: pa.Table) -> None:
    """Exact intervals, asked for, are the oracle's."""
    expected = attack.intervals(attack.View.from_arrow(cells, relations))
    for row in audited.to_pylist():
        low, high = expected[row["cell_id"]]
        assert np.isclose(row["lower"], low, rtol=1e-6, atol=1e-5) or row["lower"] == low, (row, low)
        assert np.isclose(row["upper"], high, rtol=1e-6, atol=1e-5) or row["upper"] == high, (row, high)
