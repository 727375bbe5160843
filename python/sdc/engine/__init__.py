"""Complementary suppression and its audit: cells and relations in, statuses and intervals out.

The engine knows linear systems, not dbt and not DuckDB. Definitions follow the Handbook on Statistical Disclosure
Control (2nd ed.) and Fischetti & Salazar-Gonzalez (2001).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from sdc.engine.attackers import OUTSIDER, named_attackers
from sdc.engine.audit import Progress, examine
from sdc.engine.errors import EngineError
from sdc.engine.heuristic import suppress_heuristically
from sdc.engine.insiders import Insiders
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
    attackers: Sequence[str] | None = None,
    time_limit: float | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> pa.Table:
    """Choose secondary cells so that every primary is protected; one row per cell: cell_id, status, reason.

    Args:
        cells, relations: the tables of the engine's contract.
        cost: what to keep small: value, count, unity, log, power or `column:<name>`.
        method: heuristic; optimal (cutting planes, for some thousand cells); auto: optimal where few cells can be
            chosen, heuristic elsewhere.
        attackers: whom to protect against beside the outsider: names in `sdc.engine.attackers`; None for all that the
            cells tell of (columns `contributor`, `holding`).
        time_limit: seconds; when it ends before the pattern is proven an EngineError is raised, never an unsafe result.
        threads: for independent blocks; None for the machine's cores. The result does not depend on it.
        progress: called with (stage, done, total).

    Secondaries in the input are the starting pattern. The result passed its own audit. Raises EngineError, naming the
    cells, for malformed input and for primaries that no suppression can protect.
    """
    if method not in METHODS:
        raise EngineError(f"method: unknown {method!r}; use one of {', '.join(METHODS)}")
    system = System.from_arrow(cells, relations, cost)
    insiders = named_attackers(system, attackers)
    options = {"time_limit": time_limit, "threads": threads, "progress": progress}
    if method == "optimal" or (method == "auto" and 0 < int(system.candidate.sum()) <= AUTO_OPTIMAL):
        suppressed = _optimal(system, insiders, only_proven=method == "auto", **options)
    else:
        suppressed = suppress_heuristically(system, insiders, **options)[0].suppressed
    status = system.with_suppressed(suppressed).status
    return pa.table(
        {
            "cell_id": system.cell_id,
            "status": np.array(STATUS_NAMES, dtype=object)[status],
            "reason": pa.array(np.array([None, "primary", "complementary"], dtype=object)[status], pa.string()),
        }
    )


def _optimal(
    system: System,
    insiders: tuple[Insiders, ...],
    *,
    only_proven: bool,
    time_limit: float | None,
    threads: int | None,
    progress: Progress | None,
) -> np.ndarray:
    """Mask of the best pattern found by cutting planes, audited; the heuristic's pattern where it fails the audit."""
    options = {"time_limit": time_limit, "threads": threads, "progress": progress}
    start, _ = suppress_heuristically(system, insiders, **options)
    if not start.suppressed.any():
        return start.suppressed
    limit = time_limit
    if only_proven:
        limit = AUTO_SECONDS if limit is None else min(limit, AUTO_SECONDS)
    result = solve(system, time_limit=limit, start=start.suppressed)
    if only_proven and not result.proven:
        return start.suppressed
    best = result.suppressed
    finding = examine(Pattern(system, best), insiders, **options)
    safe = len(finding.failing) == 0 and system.cost[best].sum() <= system.cost[start.suppressed].sum()
    return best if safe else start.suppressed


def audit(
    cells: pa.Table,
    relations: pa.Table,
    *,
    attackers: Sequence[str] | None = None,
    intervals: bool = False,
    time_limit: float | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> pa.Table:
    """Verdict of every suppressed cell of `cells`, one row each, ascending: cell_id, lower, upper, verdict, attacker.

    Verdicts: safe, exact, under_above, under_below, too_narrow, not_examined; only `safe` is proven protection.
    `lower` and `upper` are certified bounds: for a safe cell values the attacker cannot rule out (at least as far
    apart as the levels need), for any other the values he cannot go beyond. With `intervals` both are the exact
    interval, the outsider's. `attacker` names whom a cell is not safe from (NULL for safe cells): the outsider, or the
    insiders among `attackers` (as for `suppress`) who compute a primary from what they know.
    `time_limit` in seconds: cells not reached in time are not_examined.
    """
    system = System.from_arrow(cells, relations)
    insiders = named_attackers(system, attackers)
    options = {"time_limit": time_limit, "threads": threads, "progress": progress}
    finding = examine(Pattern(system), insiders, intervals=intervals, **options)
    names = np.array([None, OUTSIDER, *(each.name for each in insiders)], dtype=object)
    return pa.table(
        {
            "cell_id": system.cell_id[finding.cells],
            "lower": finding.lower,
            "upper": finding.upper,
            "verdict": pa.array(np.array(VERDICTS, dtype=object)[finding.verdict], pa.string()),
            "attacker": pa.array(names[finding.attacker + 1], pa.string()),
        }
    )
