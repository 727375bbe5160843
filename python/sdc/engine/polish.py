"""Lower the cost of a protected pattern by publishing one secondary at a time and repairing what that breaks.

Dearest first; a try is kept when the pattern comes out cheaper with every need proven, else undone. The work is limited
by the number of tries and the size of the pattern, never by time, so that the result does not depend on the machine.
"""

from __future__ import annotations

import numpy as np

from sdc.engine.certify import COVER, certify
from sdc.engine.pattern import Pattern
from sdc.engine.repair import Repairer
from sdc.engine.view import View

TRIES = 40
# So many tries in vain in a row end it.
VAIN = 8
# Larger patterns are left as they are: a try would take too long.
LARGEST = 4000
# While a cell is on trial it costs this many times as much, so that a repair prefers others.
BARRED = 1e3


def polish(pattern: Pattern) -> None:
    """Try to publish secondaries, dearest first; every need of the pattern stays proven."""
    system = pattern.system
    if int(pattern.suppressed.sum()) > LARGEST:
        return
    repairer = Repairer(pattern)
    tried = np.zeros(system.n, dtype=bool)
    vain = 0
    for _ in range(TRIES):
        left = np.flatnonzero(pattern.suppressed & ~system.primary & ~tried)
        if len(left) == 0 or vain == VAIN:
            return
        cell = left[np.lexsort((left, -system.cost[left]))[0]]
        tried[cell] = True
        before, points = pattern.suppressed.copy(), list(pattern.points)
        cost = system.cost[before].sum()
        if not _without(pattern, repairer, int(cell)) or system.cost[pattern.suppressed].sum() >= cost:
            pattern.suppressed[:] = before
            pattern.points = points
            pattern.recredit()
            vain += 1
        else:
            vain = 0


def _without(pattern: Pattern, repairer: Repairer, cell: int) -> bool:
    """Publish `cell` and repair; False where that fails."""
    system = pattern.system
    pattern.suppressed[cell] = False
    pattern.forget()
    if len(pattern.unmet()) == 0:
        return True
    certify(pattern, View.paired(system, pattern.suppressed), COVER)
    with repairer.barring(cell, BARRED):
        for primary in (True, False):
            unmet = pattern.unmet()
            unmet = unmet[system.primary[unmet] == primary]
            if not primary:
                pattern.publish_idle()
                unmet = unmet[pattern.suppressed[unmet]]
            level = np.maximum(system.upl[unmet], system.lpl[unmet])
            for target in unmet[np.lexsort((unmet, -system.value[unmet], -level))]:
                if not repairer.repair(int(target), COVER[0][0]):
                    return False
    pattern.publish_idle()
    return len(pattern.unmet()) == 0
