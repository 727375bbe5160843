"""Publish superfluous secondaries, dearest first, keeping every primary's exact protection.

Reverse elimination (compare Langsrud 2024), many cells at a time. A secondary s can be published unless a primary's
row in a basis of the solutions of `A d = 0` is proportional to that of s (then it would follow exactly), or lies in the
span of the rows of s and of a cell that an insider knows. Three random solutions modulo a prime decide both. Cells
published together share no relation; what they break together all the same is for `closing` to repair.

This looks at linear dependence only. Levels, whole numbers and prior bounds are the business of certificates and repair
afterwards.
"""

from __future__ import annotations

import numpy as np

from sdc.engine.insiders import PRIME, Insiders, kinds
from sdc.engine.pattern import Pattern
from sdc.engine.view import View, gather

# Columns around a secondary in which insiders are looked for.
NEAR = 1000


def superfluous(
    pattern: Pattern, view: View, rows: np.ndarray, attackers: tuple[Insiders, ...], kept: np.ndarray
) -> np.ndarray:
    """Secondaries to publish, dearest first, no two of which share a relation; those that follow exactly among them.

    `view` holds classes of the suppressed cells and `rows` its random solutions (`insiders.solutions`). Cells of the
    mask `kept` [n] are not tried; those found to be needed are entered there, for publishing others cannot change
    it; and so are the cells returned, for what has to be suppressed again is needed.
    """
    system = pattern.system
    rows = rows[:, :3]
    exact = np.flatnonzero(pattern.suppressed & ~system.primary & (view.column < 0))
    kind = kinds(rows)
    has_primary = np.zeros(view.columns, dtype=bool)
    inside = pattern.suppressed & (view.column >= 0)
    has_primary[view.column[inside & system.primary]] = True
    needed = np.zeros(int(kind.max(initial=-1)) + 2, dtype=bool)
    needed[kind[has_primary]] = True
    needed[-1] = False
    tried = np.zeros(view.columns, dtype=bool)
    tried[view.column[inside & kept]] = True
    free = np.flatnonzero(~has_primary & ~needed[kind] & ~tried)
    cost = np.bincount(view.column[inside], weights=system.cost[inside], minlength=view.columns)
    foreign = [_Foreign(pattern, view, insiders) for insiders in attackers]
    blocked = np.zeros(view.by_relation.shape[0], dtype=bool)
    gone = []
    for column in free[np.lexsort((free, -cost[free]))]:
        touched = view.by_column.indices[view.by_column.indptr[column] : view.by_column.indptr[column + 1]]
        if blocked[touched].any():
            continue
        if kind[column] >= 0 and foreign and _opens(view, rows, int(column), touched, foreign):
            kept[view.members(np.array([column]))[0]] = True
            continue
        gone.append(column)
        near = np.unique(gather(view.by_relation, touched)[1])
        blocked[gather(view.by_column, near)[1]] = True
    gone = np.concatenate((exact, view.members(np.array(gone, dtype=np.int64))[0]))
    kept[gone] = True
    return gone


class _Foreign:
    """Which columns hold a primary that the sole contributor of another column must not learn."""

    def __init__(self, pattern: Pattern, view: View, insiders: Insiders) -> None:
        inside = pattern.suppressed & (view.column >= 0)
        self._known = np.full(view.columns, -1, dtype=np.int64)
        cells = np.flatnonzero(inside & (insiders.knows >= 0))
        self._known[view.column[cells]] = insiders.unit[cells]
        # The unit of a column's primaries; -2 where they have none in common, -3 where there is no primary.
        self._owner = np.full(view.columns, -3, dtype=np.int64)
        cells = np.flatnonzero(inside & pattern.system.primary)
        self._owner[view.column[cells]] = insiders.unit[cells]
        mixed = cells[self._owner[view.column[cells]] != insiders.unit[cells]]
        self._owner[view.column[mixed]] = -2
        self._owner[self._owner == -1] = -2

    def pairs(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pairs among `columns`: (column of a primary, column that a stranger to it knows)."""
        harmed, knowing = columns[self._owner[columns] > -3], columns[self._known[columns] >= 0]
        pair = (self._owner[harmed][:, None] != self._known[knowing][None, :]) & (harmed[:, None] != knowing[None, :])
        one, two = np.nonzero(pair)
        return harmed[one], knowing[two]


def _opens(view: View, rows: np.ndarray, column: int, touched: np.ndarray, foreign: list[_Foreign]) -> bool:
    """Would publishing `column` let an insider near it compute a primary?"""
    near = np.unique(gather(view.by_relation, touched)[1])
    near = np.unique(gather(view.by_relation, np.unique(gather(view.by_column, near)[1]))[1])
    if len(near) > NEAR:
        near = np.sort(near[np.argsort(np.abs(near - column), kind="stable")[:NEAR]])
    at = rows[column]
    pivot = int(np.flatnonzero(at)[0])
    left, right = (place for place in range(3) if place != pivot)
    one = (rows[near, left] * at[pivot] - rows[near, pivot] * at[left]) % PRIME
    two = (rows[near, right] * at[pivot] - rows[near, pivot] * at[right]) % PRIME
    for side in foreign:
        harmed, knowing = (np.searchsorted(near, columns) for columns in side.pairs(near))
        if ((one[harmed] * two[knowing] - two[harmed] * one[knowing]) % PRIME == 0).any():
            return True
    return False
