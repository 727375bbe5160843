"""The local fixpoint: in every relation the suppressed cells must be able to move against each other.

A relation with one suppressed cell reveals it by subtraction. So does one whose suppressed cells can all move in one
direction only: where zeros are published, suppressed ones in a published total of so many ones are all one. Both
conditions are necessary and not sufficient; certificates and repair do the rest.
"""

from __future__ import annotations

import numpy as np

from sdc.engine.needs import TOLERANCE
from sdc.engine.pattern import Pattern


class _Entries:
    """The non-zero coefficients as flat arrays by relation, and what each entry lets its relation do."""

    def __init__(self, pattern: Pattern) -> None:
        system = pattern.system
        matrix = system.A
        self.relations = system.m
        self.cell = matrix.indices
        self.relation = np.repeat(np.arange(system.m), np.diff(matrix.indptr))
        step = np.where(system.integer, 1.0 - TOLERANCE, np.maximum(pattern.needs.positive, 0.0))
        up, down = pattern.room_up >= step, pattern.room_down >= step
        positive = matrix.data > 0
        self.rise = np.where(positive, up[self.cell], down[self.cell])
        self.fall = np.where(positive, down[self.cell], up[self.cell])

    def count(self, mask: np.ndarray) -> np.ndarray:
        """Entries of the mask per relation."""
        return np.bincount(self.relation[mask], minlength=self.relations)

    def least(self, value: np.ndarray) -> np.ndarray:
        """Least entry value per relation, inf where there is none."""
        out = np.full(self.relations, np.inf)
        filled = np.flatnonzero(np.bincount(self.relation, minlength=self.relations))
        out[filled] = np.minimum.reduceat(value, np.searchsorted(self.relation, filled))
        return out


def local_fixpoint(pattern: Pattern) -> None:
    """Suppress, in every relation that reveals a cell by itself, its best candidate, until none is left.

    Best is the least estimated total: a candidate's own cost, plus the cheapest further cell in every relation that
    the candidate would newly open, minus the cheapest cell of every other open relation that it closes. Ties go to the
    smaller cell index. Relations without a candidate that would help stay as they are for the repair to deal with.
    """
    system = pattern.system
    if system.m == 0:
        return
    entries = _Entries(pattern)
    while True:
        hidden = pattern.suppressed[entries.cell]
        free = (system.candidate & ~pattern.suppressed)[entries.cell]
        count = entries.count(hidden)
        no_rise = (count > 0) & (entries.count(hidden & entries.rise) == 0)
        no_fall = (count > 0) & (entries.count(hidden & entries.fall) == 0)
        open_ = (count == 1) | no_rise | no_fall
        helps = free & (entries.rise | ~no_rise[entries.relation]) & (entries.fall | ~no_fall[entries.relation])
        charge = np.where(helps, system.cost[entries.cell], np.inf)
        cheapest = entries.least(charge)
        finite = np.where(np.isfinite(cheapest), cheapest, 0.0)
        if not np.isfinite(cheapest[open_]).any():
            return
        opens = np.where(count == 0, finite, 0.0)[entries.relation]
        closes = np.where(open_[entries.relation] & helps, finite[entries.relation], 0.0)
        change = np.bincount(entries.cell, weights=opens - closes, minlength=system.n)
        total = np.where(helps & open_[entries.relation], (system.cost + change)[entries.cell], np.inf)
        least = entries.least(total)
        best = np.flatnonzero(np.isfinite(total) & (total == least[entries.relation]))
        first = np.unique(entries.relation[best], return_index=True)[1]
        chosen = np.unique(entries.cell[best[first]])
        pattern.suppress(_first_of_neighbours(entries, chosen, system.cost + change))


def _first_of_neighbours(entries: _Entries, chosen: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Those of `chosen` that come first, by total and index, in all of their relations.

    Relations that share cells may choose differently in one round; waiting lets one choice serve several relations.
    """
    rank = np.full(len(total), np.inf)
    rank[chosen[np.lexsort((chosen, total[chosen]))]] = np.arange(len(chosen))
    first = entries.least(rank[entries.cell])
    beaten = np.unique(entries.cell[first[entries.relation] < rank[entries.cell]])
    mask = np.zeros(len(total), dtype=bool)
    mask[chosen] = True
    mask[beaten] = False
    return np.flatnonzero(mask)
