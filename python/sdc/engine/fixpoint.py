"""The local fixpoint: in every relation the suppressed cells must be able to move against each other.

A relation with one suppressed cell reveals it by subtraction. So does one whose suppressed cells can all move in one
direction only: where zeros are published, suppressed ones in a published total of so many ones are all one. And a
relation with one suppressed primary beside cells that one insider knows reveals it to that insider. The conditions are
necessary and not sufficient; certificates and repair do the rest.
"""

from __future__ import annotations

import numpy as np

from sdc.engine.insiders import Insiders
from sdc.engine.needs import TOLERANCE
from sdc.engine.pattern import Pattern
from sdc.engine.view import View

# So often are cells tied together anew; longer chains are left to the repair.
CHAINS = 5


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

    def open_to(
        self, insiders: Insiders, units: tuple[np.ndarray, np.ndarray], hidden: np.ndarray, count: np.ndarray
    ) -> np.ndarray:
        """Mask of relations in which an insider knows all but one, which gives away a primary of others."""
        entry = np.flatnonzero(hidden & (insiders.knows[self.cell] >= 0))
        relation, cell = self.relation[entry], self.cell[entry]
        people = int(insiders.knows.max(initial=0)) + 1
        group, first, inverse, known = np.unique(
            relation * people + insiders.knows[cell], return_index=True, return_inverse=True, return_counts=True
        )
        # The one cell left is the sum of the suppressed cells less those the insider knows.
        total = np.bincount(self.relation[hidden], weights=self.cell[hidden], minlength=self.relations)
        where = group // people
        left = total[where] - np.bincount(inverse, weights=cell, minlength=len(group))
        last = known == count[where] - 1
        where, left, unit = where[last], left[last].astype(np.int64), insiders.unit[cell[first[last]]]
        out = np.zeros(self.relations, dtype=bool)
        least, most = units
        out[where[(most[left] >= 0) & ((least[left] != unit) | (most[left] != unit))]] = True
        return out

    def least(self, value: np.ndarray) -> np.ndarray:
        """Least entry value per relation, inf where there is none."""
        out = np.full(self.relations, np.inf)
        filled = np.flatnonzero(np.bincount(self.relation, minlength=self.relations))
        out[filled] = np.minimum.reduceat(value, np.searchsorted(self.relation, filled))
        return out


def local_fixpoint(pattern: Pattern, attackers: tuple[Insiders, ...] = ()) -> None:
    """Suppress, in every relation that reveals a cell by itself, its best candidate, until none is left.

    Best is the least estimated total: a candidate's own cost, plus the cheapest further cell in every relation that
    the candidate would newly open, minus the cheapest cell of every other open relation that it closes. Ties go to the
    smaller cell index. Relations without a candidate that would help stay as they are for the repair to deal with.

    For insiders a cell counts as a primary that follows from one through relations with two suppressed cells.
    """
    system = pattern.system
    if system.m == 0:
        return
    entries = _Entries(pattern)
    alone = np.arange(system.n)
    _settle(pattern, entries, [(insiders, _units(insiders, system.primary, alone)) for insiders in attackers])
    for _ in range(CHAINS if attackers else 0):
        before = int(pattern.suppressed.sum())
        column = View.paired(system, pattern.suppressed).column
        tied = np.where(column >= 0, column + system.n, alone)
        _settle(pattern, entries, [(insiders, _units(insiders, system.primary, tied)) for insiders in attackers])
        if int(pattern.suppressed.sum()) == before:
            return


def _units(insiders: Insiders, primary: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest unit of the primaries in each cell's `group`; those without one have one of their own."""
    size = int(group.max()) + 1
    cells = np.flatnonzero(primary)
    unit = np.where(insiders.unit >= 0, insiders.unit, insiders.unit.max(initial=0) + 1 + np.arange(len(primary)))
    least, most = np.full(size, np.iinfo(np.int64).max), np.full(size, -1, dtype=np.int64)
    np.minimum.at(least, group[cells], unit[cells])
    np.maximum.at(most, group[cells], unit[cells])
    return least[group], most[group]


def _settle(
    pattern: Pattern, entries: _Entries, attackers: list[tuple[Insiders, tuple[np.ndarray, np.ndarray]]]
) -> None:
    """The fixpoint itself, with the units that each cell gives away (`_units`)."""
    system = pattern.system
    while True:
        hidden = pattern.suppressed[entries.cell]
        free = (system.candidate & ~pattern.suppressed)[entries.cell]
        count = entries.count(hidden)
        no_rise = (count > 0) & (entries.count(hidden & entries.rise) == 0)
        no_fall = (count > 0) & (entries.count(hidden & entries.fall) == 0)
        open_ = (count == 1) | no_rise | no_fall
        for insiders, units in attackers:
            open_ |= entries.open_to(insiders, units, hidden, count)
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
