"""Complementary suppression by construction and proof: fixpoint, certificates, repair, thinning."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sdc.engine import deadlines
from sdc.engine.audit import Finding, Progress, examine, replay
from sdc.engine.certify import COVER, certify
from sdc.engine.circuits import FEW, certify_by_basis
from sdc.engine.closing import close, repair_pairs
from sdc.engine.errors import EngineError, named
from sdc.engine.fixpoint import local_fixpoint
from sdc.engine.insiders import Insiders
from sdc.engine.needs import TOLERANCE, V_NOT_EXAMINED
from sdc.engine.neighbourhood import grow
from sdc.engine.others import has_few, prove_each
from sdc.engine.pattern import Pattern
from sdc.engine.repair import Repairer
from sdc.engine.system import System
from sdc.engine.thin import superfluous
from sdc.engine.view import View

# Rounds of joint repair: what an open column is worth, in units of its block's median charge, the size of blocks, and
# the programs for each. What is cheap comes first, it often settles what is not; large blocks find what cells far apart
# can share.
JOINT = ((1.0, 1000, 5), *((worth, 8000, 2) for worth in (1.0, 3.0, 10.0, 30.0, 100.0, 1e3)))
# Joint repair pays from this many unproven primaries.
JOINT_FROM = 500
# Where so many primaries can move to one side only, bounds give more away than relations, and are looked at first.
ONE_SIDED = 5000
# Variants of the fixpoint, the standard deviation of the logarithm of their costs, and orders in which each is thinned.
VARIANTS, SPREAD, ORDERS = 6, 0.25, 2
# Largest neighbourhood of single repairs, round by round: what is easy first, it often settles what is not.
LIMITS = (600, 2000, 4000, 16_000, None)
# So many repairs in a row that needed no new cell mean that certificates would do better.
IDLE = 20
# Rounds of audit and repair; insiders who know many cells can take several.
ROUNDS = 20


def check_reachable(system: System) -> None:
    """Raise for primaries whose levels lie outside the attacker's prior bounds: no suppression can reach them."""
    up, down = system.upper - system.value, system.value - system.lower
    primary = system.primary
    part = 1 - TOLERANCE
    least = np.where(system.integer, 1.0, TOLERANCE * np.maximum(1.0, np.abs(system.value)))
    tests = (
        ("upl", "the level lies above the attacker's `upper` bound", up < part * system.upl),
        ("lpl", "the level lies below the attacker's `lower` bound", down < part * system.lpl),
        ("spl", "the level is wider than the attacker's bounds", up + down < part * system.spl),
        ("lower", "the attacker's bounds leave one value", up + down < part * least),
    )
    for name, text, mask in tests:
        bad = system.cell_id[primary & mask]
        if len(bad):
            raise EngineError(
                f"cells.{name}: no suppression can protect cells {named(bad)}: {text}; correct the level or the bounds",
                cells=bad,
            )


def suppress_heuristically(
    system: System,
    attackers: tuple[Insiders, ...] = (),
    *,
    pinning: bool = True,
    time_limit: float | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> tuple[Pattern, Finding]:
    """A safe pattern of small cost with its audit; EngineError names the cells that cannot be protected."""
    check_reachable(system)
    deadline = deadlines.after(time_limit)
    pattern = Pattern(system)
    if not pattern.suppressed.any():
        return pattern, examine(pattern, attackers)
    work = Work(pattern, Repairer(pattern), attackers, deadline, threads, progress)
    local_fixpoint(pattern, attackers)
    if system.levelled or _one_sided(pattern) >= ONE_SIDED:
        protect(work)
        close(pattern, work.repairer, attackers, deadline=deadline, threads=threads)
    else:
        close(pattern, work.repairer, attackers, thinning=True, deadline=deadline, threads=threads)
        if work.repairer.spanned is not None:
            _vary(work)
    for _ in range(ROUNDS):
        protect(work)
        limit = deadlines.left(deadline)
        pattern_again = replay(pattern)
        finding = examine(
            pattern_again, attackers, pinning=pinning, time_limit=limit, threads=threads, progress=progress
        )
        if len(finding.failing) == 0:
            return pattern_again, finding
        # What the audit proved on its way is not lost.
        pattern.points = pattern_again.points
        pattern.recredit()
        close(pattern, work.repairer, attackers, deadline=deadline, threads=threads)
        repair_pairs(pattern, work.repairer, finding.insiders, deadline, threads)
    bad = system.cell_id[finding.failing]
    unknown = bool((finding.verdict == V_NOT_EXAMINED).any())
    reason = "their protection could not be proven" if unknown else "no suppression found protects them"
    raise EngineError(f"suppress: cells {named(bad)}: {reason}; nothing was suppressed", cells=bad)


def _vary(work: Work) -> None:
    """Join the pattern with what the fixpoint finds for costs near to the true ones, and thin both, some times over.

    Where each cell is in many relations the fixpoint suppresses far more than is needed, and what is best kept of it is
    in no one of its answers. What contains a pattern from which nothing follows is such a pattern.
    """
    pattern, attackers, system = work.pattern, work.attackers, work.pattern.system
    for turn in range(VARIANTS):
        work.in_time()
        near = np.random.default_rng(turn).lognormal(0.0, SPREAD, system.n)
        other = Pattern(replace(system, cost=system.cost * near))
        local_fixpoint(other, attackers)
        both = Pattern(system, pattern.suppressed | other.suppressed)
        if both.space().basis is None:
            return
        both.suppressed[superfluous(both, attackers, orders=ORDERS, threads=work.threads)] = False
        if system.cost[both.suppressed].sum() < system.cost[pattern.suppressed].sum():
            pattern.suppressed[:] = both.suppressed


def _one_sided(pattern: Pattern) -> int:
    """How many primaries the attacker's bounds let only rise or only fall."""
    step = (1 - TOLERANCE) * pattern.needs.step
    return int((pattern.system.primary & (np.minimum(pattern.room_up, pattern.room_down) < step)).sum())


@dataclass
class Work:
    """A pattern being protected, with what its steps share."""

    pattern: Pattern
    repairer: Repairer
    attackers: tuple[Insiders, ...]
    deadline: float | None
    threads: int | None
    progress: Progress | None
    # The suppressed cells, and how many points there were, when `certify` had proven what it can.
    certified: tuple[np.ndarray | None, int] = (None, 0)

    def certify(self, rounds: tuple[tuple[int, bool], ...] = COVER) -> None:
        """Prove what blocks can prove of the pattern as it stands; nothing where that has just been done."""
        suppressed, points = self.certified
        if points == len(self.pattern.points) and np.array_equal(suppressed, self.pattern.suppressed):
            return
        # A space of its own is not worth its elimination for a few cells.
        if self.pattern.has_space or len(self.pattern.unmet()) > FEW * self.pattern.suppressed.sum():
            certify_by_basis(self.pattern, self.deadline)
        if not self.pattern.system.levelled and self.pattern.has_space and has_few(self.pattern):
            prove_each(self.pattern)
        elif len(self.pattern.unmet()):
            view = View.paired(self.pattern.system, self.pattern.suppressed)
            certify(self.pattern, view, rounds, deadline=self.deadline, threads=self.threads)
        if rounds == COVER:
            self.certified = self.pattern.suppressed.copy(), len(self.pattern.points)

    def in_time(self) -> None:
        """Raise once the deadline has passed: an unfinished pattern is not safe and is not handed out."""
        if deadlines.passed(self.deadline):
            bad = self.pattern.system.cell_id[self.pattern.unmet()]
            raise EngineError(
                f"suppress: the time limit ended before cells {named(bad)} were protected; nothing was suppressed",
                cells=bad,
            )


def protect(work: Work) -> None:
    """Suppress until every need is proven; secondaries that protect nothing are published again.

    Raises EngineError when the deadline passes first, or when nothing can protect a primary.
    """
    pattern, system = work.pattern, work.pattern.system
    pattern.forget()
    work.certified = None, 0
    work.certify()
    if len(pattern.unmet()) == 0:
        return
    _repair_jointly(work)
    _repair_singly(work, True)
    open_primaries = _open(pattern, True)
    if len(open_primaries):
        bad = system.cell_id[open_primaries]
        raise EngineError(
            f"suppress: cells {named(bad)} cannot be protected: no set of cells that may be suppressed gives them"
            " their interval; look for frozen and zero cells and for tight bounds in their relations",
            cells=bad,
        )
    pattern.publish_idle()
    _repair_singly(work, False)


def _open(pattern: Pattern, primary: bool) -> np.ndarray:
    """Unproven cells, only primaries or all; the largest level and value first."""
    system = pattern.system
    unmet = pattern.unmet()
    if primary:
        unmet = unmet[system.primary[unmet]]
    level = np.maximum.reduce((system.upl[unmet], system.lpl[unmet], system.spl[unmet]))
    return unmet[np.lexsort((unmet, -system.value[unmet], -level))]


def _repair_jointly(work: Work) -> None:
    """Protect many primaries per program, block by block, while there are many."""
    pattern, repairer = work.pattern, work.repairer
    view = repairer.view
    for worth, size, turns in JOINT:
        targets = _open(pattern, True)
        if len(targets) < JOINT_FROM:
            return
        before = int(pattern.suppressed.sum())
        visited = np.zeros(view.columns, dtype=bool)
        columns = np.unique(view.column[targets])
        for column in columns[columns >= 0]:
            work.in_time()
            if visited[column] or pattern.met(view.members(np.array([column]))[0]).all():
                continue
            block = grow(view, int(column), size)
            visited[block] = True
            for turn in range(turns):
                if not repairer.repair_block(block, worth, turn):
                    break
        if int(pattern.suppressed.sum()) > before:
            work.certify(COVER[:1])


def _repair_singly(work: Work, primary: bool) -> None:
    """Protect cell by cell: easy neighbourhoods first, and certificates again whenever repairs add nothing."""
    pattern, repairer, progress = work.pattern, work.repairer, work.progress
    for limit in LIMITS:
        while True:
            work.certify()
            targets = _open(pattern, primary)
            before, idle, failed = int(pattern.suppressed.sum()), 0, 0
            for done, target in enumerate(targets):
                work.in_time()
                if progress is not None:
                    progress("repair", done, len(targets))
                if pattern.met(targets[done : done + 1])[0]:
                    continue
                size = int(pattern.suppressed.sum())
                if not repairer.repair(int(target), limit):
                    failed += 1
                    continue
                idle = idle + 1 if int(pattern.suppressed.sum()) == size else 0
                if idle == IDLE:
                    break
            if failed == 0 and idle < IDLE:
                return
            if int(pattern.suppressed.sum()) == before and idle < IDLE:
                break
