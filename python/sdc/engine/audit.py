"""The audit: a verdict for every suppressed cell, proven or `not_examined`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sdc.engine import deadlines
from sdc.engine.attackers.reader import Reader
from sdc.engine.certify import COVER, certify
from sdc.engine.circuits import certify_by_basis
from sdc.engine.insiders import Insiders, computed
from sdc.engine.intervals import interval
from sdc.engine.needs import V_EXACT, V_NOT_EXAMINED, V_SAFE
from sdc.engine.pattern import Pattern
from sdc.engine.pinning import pinned

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Finding:
    """Verdict codes and interval bounds of the suppressed cells `cells` (indices, ascending).

    `attacker` is -1 for safe cells, 0 where the outsider breaks them, else the number of the attackers who do, from 1:
    insiders, then readers. `insiders` lists (primary, cells known to an insider) for all that insiders break, `members`
    by cell the sum that gives it away, where one does. `unsettled` masks cells that are `not_examined` only because the
    work for what insiders pin down ended.
    """

    cells: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    verdict: np.ndarray
    attacker: np.ndarray
    insiders: list[tuple[int, np.ndarray]]
    members: dict[int, np.ndarray]
    unsettled: np.ndarray

    @property
    def failing(self) -> np.ndarray:
        """Indices of cells that are not safe, but for those that are unsettled."""
        return self.cells[(self.verdict != V_SAFE) & ~self.unsettled]


def examine(
    pattern: Pattern,
    attackers: tuple[Insiders, ...] = (),
    readers: tuple[Reader, ...] = (),
    *,
    intervals: bool = False,
    pinning: bool = True,
    thorough: bool = False,
    time_limit: float | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Finding:
    """Audit a pattern against the outsider who knows published cells, relations and prior bounds.

    What the pattern's recorded displacements prove is taken as proven; the rest is examined cell by cell. Lower and
    upper of a safe cell are the certified part of the attacker's interval (at least what the levels need), of any other
    cell what the interval cannot exceed; with `intervals` both are the exact interval. Insiders are examined after the
    outsider: what they compute from the relations and their own cells in every system, what they pin down with bounds
    and whole numbers within a fixed amount of work (`pinning`, unless it is switched off), which is larger if
    `thorough`. Readers come last.
    """
    system = pattern.system
    deadline = deadlines.after(time_limit)
    cells = np.flatnonzero(pattern.suppressed)
    view = pattern.space().view
    if not intervals and len(pattern.unmet()):
        certify_by_basis(pattern, deadline)
        certify(pattern, view, COVER, deadline=deadline, threads=threads)
    if intervals or len(pattern.unmet()):
        view = pattern.space().rigid(system)
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
        if deadlines.passed(deadline):
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
    pairs = _examine_insiders(pattern, attackers, cells, verdict, attacker)
    unsettled = np.zeros(len(cells), dtype=bool)
    if pinning:
        more, unsettled = _examine_pinning(pattern, attackers, cells, verdict, attacker, thorough, threads)
        pairs += more
    members = _examine_readers(pattern, readers, len(attackers), cells, verdict, attacker, deadline, threads)
    return Finding(cells, value + low, value + high, verdict, attacker, pairs, members, unsettled)


def _examine_insiders(
    pattern: Pattern,
    attackers: tuple[Insiders, ...],
    cells: np.ndarray,
    verdict: np.ndarray,
    attacker: np.ndarray,
) -> list[tuple[int, np.ndarray]]:
    """Enter what insiders compute, or `not_examined` without elimination; returns (cell, cells known) to repair."""
    if not attackers or len(cells) == 0:
        return []
    system, pairs = pattern.system, []
    space = pattern.space()
    for number, insiders in enumerate(attackers, 1):
        safe = verdict == V_SAFE
        if space.basis is None:
            open_, code = system.primary[cells], V_NOT_EXAMINED
        else:
            harmed, who = computed(insiders, space.view, space.basis, pattern.suppressed, system.primary)
            open_, code = np.isin(cells, harmed), V_EXACT
            pairs += [
                (cell, insiders.known(insider, pattern.suppressed))
                for cell, insider in zip(harmed.tolist(), who.tolist(), strict=True)
            ]
        verdict[safe & open_] = code
        attacker[safe & open_] = number
    return pairs


def _examine_pinning(
    pattern: Pattern,
    attackers: tuple[Insiders, ...],
    cells: np.ndarray,
    verdict: np.ndarray,
    attacker: np.ndarray,
    thorough: bool,
    threads: int | None,
) -> tuple[list[tuple[int, np.ndarray]], np.ndarray]:
    """Enter what insiders pin down; returns (cell, cells known) to repair, and a mask of cells that are unsettled."""
    found, undecided = pinned(pattern, attackers, thorough=thorough, threads=threads)
    unsettled = np.zeros(len(cells), dtype=bool)
    pairs = []
    for each in found:
        at = int(np.searchsorted(cells, each.cell))
        if verdict[at] == V_SAFE or attacker[at] > 0:
            pairs.append((each.cell, each.known))
        if verdict[at] == V_SAFE:
            verdict[at], attacker[at] = V_EXACT, each.attacker + 1
    for cell, kind in undecided.items():
        at = int(np.searchsorted(cells, cell))
        if verdict[at] == V_SAFE:
            verdict[at], attacker[at], unsettled[at] = V_NOT_EXAMINED, kind + 1, True
    return pairs, unsettled


def _examine_readers(
    pattern: Pattern,
    readers: tuple[Reader, ...],
    before: int,
    cells: np.ndarray,
    verdict: np.ndarray,
    attacker: np.ndarray,
    deadline: float | None,
    threads: int | None,
) -> dict[int, np.ndarray]:
    """Enter what readers find in cells that are safe from those before them; returns the sums, by cell.

    A cell that a reader could not examine gives way to what a later reader finds.
    """
    members: dict[int, np.ndarray] = {}
    for number, reader in enumerate(readers, before + 1):
        for leak in reader.leaks(pattern, deadline, threads):
            at = int(np.searchsorted(cells, leak.cell))
            waiting = attacker[at] > before and verdict[at] == V_NOT_EXAMINED and leak.verdict != V_NOT_EXAMINED
            if verdict[at] == V_SAFE or waiting:
                verdict[at], attacker[at] = leak.verdict, number
                if leak.members is not None:
                    members[leak.cell] = leak.members
    return members


def replay(pattern: Pattern) -> Pattern:
    """A fresh pattern whose proofs are those of `pattern`, each checked again against the relations."""
    fresh = pattern.bare()
    fresh.add_points(pattern.points)
    return fresh
