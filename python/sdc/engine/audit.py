"""The audit: a verdict for every suppressed cell, proven or `not_examined`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sdc.engine.certify import COVER, certify
from sdc.engine.insiders import Insiders, computed, solutions
from sdc.engine.intervals import interval
from sdc.engine.needs import V_EXACT, V_NOT_EXAMINED, V_SAFE
from sdc.engine.pattern import Pattern
from sdc.engine.system import System
from sdc.engine.view import View

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Finding:
    """Verdict codes and interval bounds of the suppressed cells `cells` (indices, ascending), and whom they fail against."""

    cells: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    verdict: np.ndarray
    attacker: np.ndarray

    @property
    def failing(self) -> np.ndarray:
        """Indices of cells that are not safe."""
        return self.cells[self.verdict != V_SAFE]


def examine(
    pattern: Pattern,
    attackers: tuple[Insiders, ...] = (),
    *,
    intervals: bool = False,
    time_limit: float | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Finding:
    """Audit a pattern against the outsider who knows published cells, relations and prior bounds.

    What the pattern's recorded displacements prove is taken as proven; the rest is examined cell by cell. Lower and
    upper of a safe cell are the certified part of the attacker's interval (at least what the levels need), of any other
    cell what the interval cannot exceed; with `intervals` both are the exact interval. Insiders are examined after the
    outsider: `exact` with their name is a primary they compute from the relations and from what they know.
    """
    system = pattern.system
    deadline = None if time_limit is None else time.monotonic() + time_limit
    cells = np.flatnonzero(pattern.suppressed)
    view = View.paired(system, pattern.suppressed)
    if not intervals:
        certify(pattern, view, COVER, deadline=deadline, threads=threads)
    if intervals or len(pattern.unmet()):
        view = View.rigid(system, pattern.suppressed)
        if not intervals:
            certify(pattern, view, deadline=deadline, threads=threads)
    low, high = -pattern.down[cells], pattern.up[cells]
    verdict = pattern.needs.verdict(pattern.up[cells], pattern.down[cells], cells)
    todo = np.flatnonzero(intervals | (verdict != V_SAFE))
    for step, at in enumerate(todo):
        cell = int(cells[at])
        if progress is not None:
            progress("intervals", step, len(todo))
        if not intervals and pattern.met(cells[at : at + 1])[0]:
            low[at], high[at], verdict[at] = -pattern.down[cell], pattern.up[cell], V_SAFE
            continue
        if deadline is not None and time.monotonic() > deadline:
            verdict[at] = V_NOT_EXAMINED
            low[at], high[at] = -pattern.room_down[cell], pattern.room_up[cell]
            continue
        found = interval(pattern, view, cell, exact=intervals, deadline=deadline)
        verdict[at] = found.verdict
        if found.verdict == V_SAFE:
            low[at], high[at] = -found.inner_down, found.inner_up
        else:
            low[at], high[at] = -found.outer_down, found.outer_up
    value = system.value[cells]
    attacker = np.where(verdict == V_SAFE, -1, 0)
    _examine_insiders(pattern, attackers, cells, verdict, attacker)
    return Finding(cells, value + low, value + high, verdict, attacker)


def _examine_insiders(
    pattern: Pattern, attackers: tuple[Insiders, ...], cells: np.ndarray, verdict: np.ndarray, attacker: np.ndarray
) -> None:
    """Enter what insiders compute; where elimination cannot say, the primaries are not examined."""
    if not attackers or len(cells) == 0:
        return
    system = pattern.system
    view = View.paired(system, pattern.suppressed)
    rows = solutions(attackers, view, pattern.suppressed)
    for number, insiders in enumerate(attackers, 1):
        safe = verdict == V_SAFE
        if rows is None:
            open_, code = system.primary[cells], V_NOT_EXAMINED
        else:
            open_, code = np.isin(cells, computed(insiders, view, rows, pattern.suppressed, system.primary)[0]), V_EXACT
        verdict[safe & open_] = code
        attacker[safe & open_] = number


def replay(pattern: Pattern) -> Pattern:
    """A fresh pattern whose proofs are those of `pattern`, each checked again against the relations."""
    fresh = Pattern(pattern.system, pattern.suppressed)
    for cells, displacement in pattern.points:
        fresh.add_point(cells, displacement)
    return fresh


def audit_system(system: System, **options) -> Finding:
    """Audit the pattern of `system.status`."""
    return examine(Pattern(system), **options)
