"""Close what the relations alone give away: primaries that follow exactly, for everybody or for an insider.

Exact elimination finds them all at once. Each is repaired by the cheapest displacement that moves it and nothing the
insider knows; one displacement often serves several pairs of a round.
"""

from __future__ import annotations

import numpy as np

from sdc.engine import deadlines
from sdc.engine.errors import EngineError, named
from sdc.engine.insiders import Insiders, computed
from sdc.engine.pattern import Pattern
from sdc.engine.repair import SIZES, Repairer
from sdc.engine.repair_many import TOGETHER, repair_many, serves
from sdc.engine.system import System
from sdc.engine.thin import superfluous

# Rounds of elimination and repair; what a round breaks for others is the next one's work, and ends soon.
ROUNDS = 30
# From so many pairs on each is repaired with what its first neighbourhood offers, many at a time.
MANY = 1000


def close(
    pattern: Pattern,
    repairer: Repairer,
    attackers: tuple[Insiders, ...],
    *,
    thinning: bool = False,
    deadline: float | None = None,
    threads: int | None = None,
) -> None:
    """Suppress until no primary follows from the relations for an outsider or an insider.

    With `thinning` secondaries that no primary needs against that are published, once nothing follows; that is for
    systems without levels. Raises EngineError naming the cells when nothing protects them, when `deadline`
    (time.monotonic) passes, and when elimination runs out of work.
    """
    for _ in range(ROUNDS):
        if pattern.space().basis is None:
            raise EngineError("suppress: the relations are too entangled for exact elimination; nothing was suppressed")
        work = _given_away(pattern, attackers)
        if work:
            repair_pairs(pattern, repairer, work, deadline, threads)
            continue
        gone = superfluous(pattern, attackers, threads=threads) if thinning else np.zeros(0, dtype=np.int64)
        if len(gone) == 0:
            return
        pattern.suppressed[gone] = False
        thinning = False
    bad = pattern.system.cell_id[sorted({cell for cell, _ in work})]
    raise EngineError(
        f"suppress: cells {named(bad)}: no suppression found protects them; nothing was suppressed", cells=bad
    )


def _given_away(pattern: Pattern, attackers: tuple[Insiders, ...]) -> list[tuple[int, np.ndarray]]:
    """Pairs of a primary that follows and the cells one must know for it (none for an outsider)."""
    system, space = pattern.system, pattern.space()
    nobody = np.zeros(0, dtype=np.int64)
    work = [(int(cell), nobody) for cell in np.flatnonzero(system.primary & space.determined)]
    for insiders in attackers:
        cells, who = computed(insiders, space.view, space.basis, pattern.suppressed, system.primary)
        known = {insider: insiders.known(insider, pattern.suppressed) for insider in np.unique(who).tolist()}
        work += [(cell, known[insider]) for cell, insider in zip(cells.tolist(), who.tolist(), strict=True)]
    return work


def repair_pairs(
    pattern: Pattern,
    repairer: Repairer,
    work: list[tuple[int, np.ndarray]],
    deadline: float | None,
    threads: int | None = None,
) -> None:
    """Repair pairs (cell, cells an insider knows), skipping what an earlier displacement of the round serves."""
    system, start = pattern.system, len(pattern.points)
    if len(work) >= MANY:
        left = _repair_side_by_side(pattern, repairer, work, deadline, threads)
        if len(left) < len(work):
            # Others may have served those: the next round knows.
            return
    moved = _Moved(pattern, start)
    for place, (cell, known) in enumerate(work):
        _in_time(system, work[place:], deadline)
        if moved.serve(cell, known):
            continue
        if not repairer.repair_against(cell, known):
            bad = system.cell_id[[cell]]
            others = f" against who knows cells {named(system.cell_id[known])}" if len(known) else ""
            raise EngineError(
                f"suppress: cells {named(bad)} cannot be protected{others}: no set of cells that may be suppressed"
                " gives them another value; look for frozen and zero cells and for tight bounds in their relations",
                cells=bad,
            )


def _repair_side_by_side(
    pattern: Pattern,
    repairer: Repairer,
    work: list[tuple[int, np.ndarray]],
    deadline: float | None,
    threads: int | None,
) -> list[tuple[int, np.ndarray]]:
    """Repair what small neighbourhoods can repair, many pairs at a time; returns the others."""
    moved = _Moved(pattern, len(pattern.points))
    for size in SIZES[:2]:
        rounds, left = -(-len(work) // TOGETHER), []
        for first in range(rounds):
            # Pairs are in the order of their cells: so these lie far apart, and others use what they suppress.
            some = work[first::rounds]
            _in_time(pattern.system, some, deadline)
            left += repair_many(repairer, [pair for pair in some if not moved.serve(*pair)], size, threads)
        work = sorted(left, key=lambda pair: pair[0])
    return work


class _Moved:
    """The displacements of a pattern from the number `start` on, by the cells they move."""

    def __init__(self, pattern: Pattern, start: int) -> None:
        self._pattern, self._seen = pattern, start
        self._through: dict[int, list[set[int]]] = {}

    def serve(self, cell: int, known: np.ndarray) -> bool:
        """Does one of them move `cell` and none of the cells `known`?"""
        for cells, _ in self._pattern.points[self._seen :]:
            moved = set(cells.tolist())
            for each in moved:
                self._through.setdefault(each, []).append(moved)
        self._seen = len(self._pattern.points)
        return any(serves(cell, known, moved) for moved in self._through.get(cell, ()))


def _in_time(system: System, work: list[tuple[int, np.ndarray]], deadline: float | None) -> None:
    """Raise once the deadline has passed, naming the cells that are left."""
    if deadlines.passed(deadline):
        bad = system.cell_id[sorted({cell for cell, _ in work})]
        raise EngineError(
            f"suppress: the time limit ended before cells {named(bad)} were protected; nothing was suppressed",
            cells=bad,
        )
