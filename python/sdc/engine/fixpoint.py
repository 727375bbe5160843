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
        self.cell = matrix.indices
        self.relation = np.repeat(np.arange(system.m), np.diff(matrix.indptr))
        self._of_relation = matrix.indptr.astype(np.int64)
        self._by_cell = np.argsort(self.cell, kind="stable")
        self._of_cell = np.concatenate(([0], np.cumsum(np.bincount(self.cell, minlength=system.n))))
        step = np.where(system.integer, 1.0 - TOLERANCE, np.maximum(pattern.needs.positive, 0.0))
        up, down = pattern.room_up >= step, pattern.room_down >= step
        positive = matrix.data > 0
        self.rise = np.where(positive, up[self.cell], down[self.cell])
        self.fall = np.where(positive, down[self.cell], up[self.cell])

    def in_relations(self, relations: np.ndarray) -> np.ndarray:
        """Entries of the relations, in their order."""
        return _ranges(self._of_relation, relations)

    def of_cells(self, cells: np.ndarray) -> np.ndarray:
        """Entries of the cells, in their order."""
        return self._by_cell[_ranges(self._of_cell, cells)]


def _ranges(starts: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The numbers from starts[i] to starts[i + 1] for each i of `chosen`, end to end."""
    begin = starts[chosen]
    lengths = starts[chosen + 1] - begin
    before = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum())) + np.repeat(begin - before, lengths)


def _once(numbers: np.ndarray, size: int) -> np.ndarray:
    """Those of 0, 1, ... size - 1 that are among `numbers`, ascending."""
    there = np.zeros(size, dtype=bool)
    there[numbers] = True
    return np.flatnonzero(there)


def _least(relation: np.ndarray, value: np.ndarray, relations: int) -> np.ndarray:
    """Least value per relation, inf where there is none; `relation` is ascending."""
    out = np.full(relations, np.inf)
    if len(relation):
        first = np.flatnonzero(np.append(True, np.diff(relation) != 0))
        out[relation[first]] = np.minimum.reduceat(value, first)
    return out


def _told(
    entries: _Entries,
    entry: np.ndarray,
    count: np.ndarray,
    insiders: Insiders,
    units: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """Relations in which an insider knows all hidden cells but one, which gives away a primary of others.

    `entry` are the hidden entries of the relations asked for, `count` the hidden cells of every relation.
    """
    known_cells = entry[insiders.knows[entries.cell[entry]] >= 0]
    if len(known_cells) == 0:
        return np.zeros(0, dtype=np.int64)
    relation, cell = entries.relation[known_cells], entries.cell[known_cells].astype(np.int64)
    people = int(insiders.knows.max(initial=0)) + 1
    group, first, inverse, known = np.unique(
        relation * people + insiders.knows[cell], return_index=True, return_inverse=True, return_counts=True
    )
    # The one cell left is the sum of the suppressed cells less those the insider knows.
    total = np.bincount(entries.relation[entry], weights=entries.cell[entry], minlength=len(count))
    where = group // people
    left = total[where] - np.bincount(inverse, weights=cell, minlength=len(group))
    last = known == count[where] - 1
    where, left, unit = where[last], left[last].astype(np.int64), insiders.unit[cell[first[last]]]
    least, most = units
    return where[(most[left] >= 0) & ((least[left] != unit) | (most[left] != unit))]


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
    """The fixpoint itself, with the units that each cell gives away (`_units`).

    Only relations of cells that a round has suppressed can have changed: only they are looked at again.
    """
    system = pattern.system
    count = np.zeros(system.m, dtype=np.int64)
    open_, no_rise, no_fall = (np.zeros(system.m, dtype=bool) for _ in range(3))
    dirty = np.arange(system.m)
    while True:
        _look(pattern, entries, attackers, dirty, (count, open_, no_rise, no_fall))
        entry = entries.in_relations(np.flatnonzero(open_))
        free = system.candidate & ~pattern.suppressed
        cells = _once(entries.cell[entry[free[entries.cell[entry]]]], system.n)
        if len(cells) == 0:
            return
        # Every relation of a cell that might be chosen has a say in what choosing it would cost in all.
        near = entries.in_relations(_once(entries.relation[entries.of_cells(cells)], system.m))
        near = near[free[entries.cell[near]]]
        cell, relation = entries.cell[near], entries.relation[near]
        helps = (entries.rise[near] | ~no_rise[relation]) & (entries.fall[near] | ~no_fall[relation])
        cheapest = _least(relation, np.where(helps, system.cost[cell], np.inf), system.m)
        finite = np.where(np.isfinite(cheapest), cheapest, 0.0)
        opens = np.where(count == 0, finite, 0.0)[relation]
        closes = np.where(open_[relation] & helps, finite[relation], 0.0)
        total = system.cost + np.bincount(cell, weights=opens - closes, minlength=system.n)
        asked = helps & open_[relation]
        cell, relation = cell[asked], relation[asked]
        if len(cell) == 0:
            return
        best = np.flatnonzero(total[cell] == _least(relation, total[cell], system.m)[relation])
        first = np.unique(relation[best], return_index=True)[1]
        chosen = _first_of_neighbours(entries, np.unique(cell[best[first]]), total, system.m)
        pattern.suppress(chosen)
        dirty = _once(entries.relation[entries.of_cells(chosen)], system.m)


def _look(
    pattern: Pattern,
    entries: _Entries,
    attackers: list[tuple[Insiders, tuple[np.ndarray, np.ndarray]]],
    dirty: np.ndarray,
    state: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Enter in `state` (hidden cells, open, nothing can rise, nothing can fall) how the relations `dirty` stand."""
    count, open_, no_rise, no_fall = state
    entry = entries.in_relations(dirty)
    entry = entry[pattern.suppressed[entries.cell[entry]]]
    relation = entries.relation[entry]
    hidden, rising, falling = (
        np.bincount(relation[mask], minlength=len(count))[dirty]
        for mask in (np.ones(len(entry), dtype=bool), entries.rise[entry], entries.fall[entry])
    )
    count[dirty] = hidden
    no_rise[dirty], no_fall[dirty] = (hidden > 0) & (rising == 0), (hidden > 0) & (falling == 0)
    open_[dirty] = (hidden == 1) | no_rise[dirty] | no_fall[dirty]
    for insiders, units in attackers:
        open_[_told(entries, entry, count, insiders, units)] = True


def _first_of_neighbours(entries: _Entries, chosen: np.ndarray, total: np.ndarray, relations: int) -> np.ndarray:
    """Those of `chosen` that come first, by total and index, in all of their relations.

    Relations that share cells may choose differently in one round; waiting lets one choice serve several relations.
    """
    rank = np.zeros(len(total), dtype=np.int64)
    rank[chosen[np.lexsort((chosen, total[chosen]))]] = np.arange(len(chosen))
    entry = entries.of_cells(chosen)
    cell, relation = entries.cell[entry], entries.relation[entry]
    first = np.full(relations, len(total), dtype=np.int64)
    np.minimum.at(first, relation, rank[cell])
    return np.setdiff1d(chosen, cell[first[relation] < rank[cell]])
