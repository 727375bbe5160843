"""Complementary suppression and its audit: cells and relations in, statuses and intervals out.

The engine knows linear systems, not dbt and not DuckDB. Definitions follow the Handbook on Statistical Disclosure
Control (2nd ed.) and Fischetti & Salazar-Gonzalez (2001).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sdc.engine.audit import Progress, examine
from sdc.engine.errors import EngineError
from sdc.engine.heuristic import suppress_heuristically
from sdc.engine.needs import VERDICTS
from sdc.engine.optimal import solve
from sdc.engine.pattern import Pattern
from sdc.engine.system import STATUS_NAMES, System

__all__ = ["EngineError", "System", "audit", "suppress"]

METHODS = ("auto", "heuristic", "optimal")
# `auto` solves to the optimum where so few cells can be chosen that it takes moments.
AUTO_OPTIMAL = 100
# `auto` gives up the proof after so many seconds, and then takes the heuristic's pattern.
AUTO_SECONDS = 10.0


def suppress(
    cells: pa.Table,
    relations: pa.Table,
    *,
    cost: str = "value",
    method: str = "auto",
    time_limit: float | None = None,
    progress: Progress | None = None,
) -> pa.Table:
    """Choose secondary cells so that every primary is protected; one row per cell: cell_id, status, reason.

    Args:
        cells, relations: the tables of the engine's contract.
        cost: what to keep small: value, count, unity, log, power or `column:<name>`.
        method: heuristic; optimal (cutting planes, for some thousand cells); auto: optimal where few cells can be
            chosen, heuristic elsewhere.
        time_limit: seconds; when it ends before the pattern is proven an EngineError is raised, never an unsafe result.
        progress: called with (stage, done, total).

    Secondaries in the input are the starting pattern. The result passed its own audit. Raises EngineError, naming the
    cells, for malformed input and for primaries that no suppression can protect.
    """
    if method not in METHODS:
        raise EngineError(f"method: unknown {method!r}; use one of {', '.join(METHODS)}")
    system = System.from_arrow(cells, relations, cost)
    if method == "optimal" or (method == "auto" and 0 < int(system.candidate.sum()) <= AUTO_OPTIMAL):
        suppressed = _optimal(system, time_limit, progress, only_proven=method == "auto")
    else:
        suppressed = suppress_heuristically(system, time_limit=time_limit, progress=progress)[0].suppressed
    status = system.with_suppressed(suppressed).status
    return pa.table(
        {
            "cell_id": system.cell_id,
            "status": np.array(STATUS_NAMES, dtype=object)[status],
            "reason": pa.array(np.array([None, "primary", "complementary"], dtype=object)[status], pa.string()),
        }
    )


def _optimal(system: System, time_limit: float | None, progress: Progress | None, *, only_proven: bool) -> np.ndarray:
    """Mask of the best pattern found by cutting planes, audited; the heuristic's pattern where it fails the audit."""
    start, _ = suppress_heuristically(system, time_limit=time_limit, progress=progress)
    if not start.suppressed.any():
        return start.suppressed
    limit = time_limit
    if only_proven:
        limit = AUTO_SECONDS if limit is None else min(limit, AUTO_SECONDS)
    result = solve(system, time_limit=limit, start=start.suppressed)
    if only_proven and not result.proven:
        return start.suppressed
    best = result.suppressed
    finding = examine(Pattern(system, best), time_limit=time_limit, progress=progress)
    safe = len(finding.failing) == 0 and system.cost[best].sum() <= system.cost[start.suppressed].sum()
    return best if safe else start.suppressed


def audit(
    cells: pa.Table,
    relations: pa.Table,
    *,
    intervals: bool = False,
    time_limit: float | None = None,
    progress: Progress | None = None,
) -> pa.Table:
    """Verdict of every suppressed cell of `cells`, one row each, ascending: cell_id, lower, upper, verdict.

    Verdicts: safe, exact, under_above, under_below, too_narrow, not_examined; only `safe` is proven protection.
    `lower` and `upper` are certified bounds: for a safe cell values the attacker cannot rule out (at least as far
    apart as the levels need), for any other the values he cannot go beyond. With `intervals` both are the exact
    interval.
    `time_limit` in seconds: cells not reached in time are not_examined.
    """
    system = System.from_arrow(cells, relations)
    finding = examine(Pattern(system), intervals=intervals, time_limit=time_limit, progress=progress)
    return pa.table(
        {
            "cell_id": system.cell_id[finding.cells],
            "lower": finding.lower,
            "upper": finding.upper,
            "verdict": pa.array(np.array(VERDICTS, dtype=object)[finding.verdict], pa.string()),
        }
    )
