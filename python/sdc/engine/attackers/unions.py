"""Unions: sums of suppressed cells that a reader computes, and that fail the primary rules themselves.

A reader who subtracts the published children from a published total knows the sum of the suppressed ones: a cell of
its own, that must pass the rules like any other (Handbook on Statistical Disclosure Control, 2nd ed., ch. 4).

Examined is every sum with coefficients of one that follows from the relations, through however many of them. The
search (`sums`) looks at minimal ones only, for any that fails contains a minimal one that does; and it grows sets of
cells only as long as they can still fail:

- under a threshold, as long as a set has fewer contributors: a larger one never has fewer;
- under the rules of concentration, as long as the sensitivity of the set for one target (`x1` of the rule), and that
  of all further cells where it is positive, add up to something: sensitivities are subadditive (Cox 1981), and
  positive only where the target is. Where that leaves many sets of a target, programs tell (`outweighed`).

What WORK leaves out is not examined, and the audit says so of the cells that can be in such a sum. Differences and
multiples of cells are not looked into: they are no sets of contributors.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from sdc.engine import deadlines
from sdc.engine.attackers.reader import Leak
from sdc.engine.elimination import PRIME
from sdc.engine.errors import EngineError
from sdc.engine.needs import V_EXACT, V_NOT_EXAMINED
from sdc.engine.outweighed import Balance
from sdc.engine.pattern import Pattern
from sdc.engine.rules import Judge, gather_lists
from sdc.engine.sums import Entries, Found, Items, Search, reduced
from sdc.engine.system import System
from sdc.engine.view import Space, View

NAME = "unions"
# Sets of cells that may be tried under the threshold, about a minute; and how many of these one is under a rule of
# concentration, which is a few seconds.
WORK = 40_000_000
CONCENTRATED = 80
# Sets grown under such a rule from each start, before programs are asked.
EACH = 50
# Sets grown from each start by the basis at hand, before better vectors are looked for.
FIRST = 8
# These are looked for anew when so large a part of the items is left.
SHRINK = 0.6
# So few starts are not worth it.
FEW = 5_000
# Targets whose cells can add up to sensitivities of one order of magnitude are examined together.
MAGNITUDE = 4.0


@dataclass(frozen=True)
class Unions:
    """Sets of cells: `member` is a matrix of sets x n with ones, `level` float64[sets] their protection levels."""

    member: sp.csr_matrix
    level: np.ndarray

    def __len__(self) -> int:
        return len(self.level)

    @classmethod
    def none(cls, n: int) -> Unions:
        """No sets of a system of n cells."""
        return cls(sp.csr_matrix((0, n)), np.zeros(0))

    def cells(self, number: int) -> np.ndarray:
        """Cells of one set, ascending."""
        return self.member.indices[self.member.indptr[number] : self.member.indptr[number + 1]]

    def and_new(self, other: Unions) -> Unions:
        """These sets and those of the other that are not among them."""
        both = sp.vstack((self.member, other.member), format="csr")
        level = np.concatenate((self.level, other.level))
        first = _distinct(both)
        return Unions(both[first], level[first])


def unsafe_unions(
    system: System,
    suppressed: np.ndarray,
    judge: Judge,
    work: int = WORK,
    deadline: float | None = None,
    every: bool = True,
    among: np.ndarray | None = None,
    threads: int | None = None,
) -> tuple[Unions, np.ndarray]:
    """Minimal computable sums of two and more suppressed cells that fail the rules, and a mask [n] of cells that may
    be in others: those of which `work` did not suffice to examine all sums.

    Without `every`, of sets that differ only in cells that are alike there are so many that each of these is in one.
    With the mask `among` [n], sums of these cells only are looked for, under the threshold. `threads` as for
    `parallel.in_threads`.

    Cells that are computed by themselves are nobody's union. Raises EngineError where elimination ran out of work.
    """
    space = Space.of(system, suppressed)
    if space.basis is None:
        raise EngineError("unions: the relations are too entangled for exact elimination; nothing was examined")
    entries = Entries(space, suppressed)
    found, unexamined = [], np.zeros(system.n, dtype=bool)
    searches = [_Below(entries, judge, among)] if judge.rules.threshold > 1 else []
    searches += [_Concentrated(space.view, entries, judge, row, threads) for row in judge.rules.concentration]
    for each in searches:
        sets, left = each.search(work, deadline, every)
        found += [_matrix(entries.cells[some], system.n) for some in sets]
        unexamined[entries.cells[left]] = True
    if not found:
        return Unions.none(system.n), unexamined
    member = sp.vstack(found, format="csr")
    member = member[_distinct(member)]
    owner = np.repeat(np.arange(member.shape[0]), np.diff(member.indptr))
    level = judge.levels(owner, member.indices, member.shape[0])
    unsafe = np.flatnonzero(level >= 0)
    return Unions(member[unsafe], level[unsafe]), unexamined


class _Below:
    """Sums with fewer contributors than the threshold, of items whose weights add up to no more than its contributors.

    Most sets are settled quickly by the basis at hand. What grows from a start for long is looked for in solutions that
    move few of the items left, which are found by leaving heavier ones out.
    """

    def __init__(self, entries: Entries, judge: Judge, among: np.ndarray | None = None) -> None:
        self.entries, self.judge, self.least = entries, judge, judge.rules.threshold
        few = judge.statistics.contributors[entries.cells] < self.least
        if among is not None:
            few &= among[entries.cells]
        self.usable = np.flatnonzero(reduced(entries.rows, few))
        self.cells = entries.cells[self.usable]
        self.items = Items.of(entries.keys[self.usable], judge.kinds(self.cells))
        self.weight = judge.weights(self.cells, self.items.family, self.items.times)
        # Each set grows from its heaviest item, by lighter ones.
        self.order = np.flatnonzero(self.weight < self.least)
        self.order = self.order[np.argsort(-self.weight[self.order], kind="stable")]
        self.rank = np.full(len(self.items), -1)
        self.rank[self.order] = np.arange(len(self.order))
        self.sets: list[np.ndarray] = []

    def search(self, work: int, deadline: float | None, every: bool) -> tuple[list[np.ndarray], np.ndarray]:
        """(sets, cells of which not all were tried), as positions in the entries; `every` as for `unsafe_unions`."""
        everything = np.arange(len(self.items))
        todo, work = self._grow(everything, self.entries.rows_of(self.usable), self.order, FIRST, work, deadline)
        todo = todo[np.argsort(self.rank[todo])]
        left = [todo[:0]]
        while len(todo):
            chosen = np.flatnonzero(self.rank >= self.rank[todo[0]])
            some = todo[self.rank[todo] < len(self.order) - SHRINK * len(chosen)] if len(todo) > FEW else todo
            todo = todo[len(some) :]
            # What short solutions do not tell of a set, those of the basis do.
            for rows_of in (self.entries.short_rows, self.entries.rows_of):
                if len(some) and work > 0 and not deadlines.passed(deadline):
                    some, work = self._grow(chosen, rows_of(self.usable[chosen]), some, np.inf, work, deadline)
            left.append(some)
        return self._of_cells(every), self._not_tried(np.concatenate(left))

    def _grow(
        self,
        chosen: np.ndarray,
        rows: sp.csr_matrix,
        starts: np.ndarray,
        each: float,
        work: int,
        deadline: float | None,
    ) -> tuple[np.ndarray, int]:
        """Look for sets of the items `chosen`, whose cells have these entries: (starts left, work left)."""
        rows = (sp.diags_array(self.items.times[chosen].astype(float)) @ rows).tocsr()
        useful = reduced(rows, self.rank[chosen] >= 0)
        keys = self.entries.keys[self.usable[chosen]] * self.items.times[chosen][:, None] % PRIME
        rank, family = np.where(useful, self.rank[chosen], -1), self.items.family[chosen]
        search = Search(rows, keys, family, rank, self.weight[chosen], self.least - 1)
        begin = np.flatnonzero(useful & np.isin(chosen, starts))

        def few(sets: np.ndarray, _: np.ndarray) -> np.ndarray:
            position, cell = self.items.cells_of(chosen[sets].ravel())
            owner = position // sets.shape[1]
            return self.judge.fewest(owner, self.cells[cell], len(sets)) < self.least

        # Weights tell all there is where contributors of different cells are different.
        alive = few if self.judge.statistics.listed else None
        found = search.grow(begin, work, each=each, alive=alive, deadline=deadline)
        self.sets += [chosen[some] for some in found.sets]
        return chosen[begin[found.unfinished]], found.work

    def _of_cells(self, every: bool) -> list[np.ndarray]:
        """The sets of cells that were found."""
        lists: list[list[int]] = []
        for sets in self.sets:
            for one in np.unique(np.sort(sets, axis=1), axis=0):
                lists += self.items.choices(one, every)
        sizes = np.array([len(one) for one in lists], dtype=np.int64)
        by_size = [[lists[number] for number in np.flatnonzero(sizes == size)] for size in np.unique(sizes)]
        return [self.usable[np.array(some)] for some in by_size]

    def _not_tried(self, unfinished: np.ndarray) -> np.ndarray:
        """Cells that may be in sets that grow from these starts: lighter ones of the same part, and all alike."""
        part = self.entries.part[self.usable]
        first = np.full(int(part.max(initial=-1)) + 1, len(self.order))
        np.minimum.at(first, part[unfinished], self.rank[unfinished])
        families = np.zeros(len(self.items), dtype=bool)
        families[self.items.family[self.rank >= first[part]]] = True
        return self.usable[families[self.items.family]]


class _Concentrated:
    """Sums that fail one rule of concentration, target by target.

    A target is a contributor that is listed in a cell, or -1 for whoever may be in it unlisted. `gain` is a cell's
    sensitivity for a target listed there (`pair`, ascending, is the target and the cell as one number), `other` a
    cell's for a target that is not. The sensitivity of a set for a target is at most the sum of those of its cells.
    """

    def __init__(
        self,
        view: View,
        entries: Entries,
        judge: Judge,
        row: tuple[float, float, float, int],
        threads: int | None = None,
    ) -> None:
        at, cells = judge.statistics, entries.cells
        self.threads = threads
        self.view, self.entries, self.judge, self.row, self.cells = view, entries, judge, row, cells
        target, others, whole, coalition = row
        position, entry = gather_lists(at.start, cells)
        amount, unlisted, size = at.amount[entry], judge.unlisted[cells], at.size[cells]
        order = np.lexsort((-amount, position))
        position, entry, amount = position[order], entry[order], amount[order]
        listed = np.bincount(position, minlength=len(cells))
        place = np.arange(len(position)) - (np.cumsum(listed) - listed)[position]

        def largest(most: int) -> np.ndarray:
            """What the `most` largest contributors of each cell have together, at most."""
            known = np.bincount(position, weights=np.where(place < most, amount, 0.0), minlength=len(cells))
            return known + np.maximum(most - listed, 0) * unlisted

        among = place <= coalition
        beside = np.where(among, largest(coalition + 1)[position] - amount, largest(coalition)[position])
        gain = target * amount + others * beside + whole * size[position]
        kept = ~at.waived[entry]
        pair = at.who[entry[kept]] * np.int64(len(cells)) + position[kept]
        order = np.argsort(pair, kind="stable")
        self.pair, self.gain = pair[order], gain[kept][order]
        self.other = target * unlisted + others * largest(coalition) + whole * size
        # Where target and others count alike, one of them who is listed can stand for the target.
        nobody = (target + others * coalition) * unlisted + whole * size
        self.hidden = nobody if target == others else self.other
        self.any = self.other.copy()
        np.maximum.at(self.any, self.pair % len(cells), self.gain)
        # A set grows from the cell of its largest gain: `place` ranks a target's cells.
        self.part = entries.part
        order = np.lexsort((self.pair, -self.gain, self.pair // len(cells)))
        self.place = np.empty(len(order), dtype=np.int64)
        self.place[order] = np.arange(len(order))

    def search(self, work: int, deadline: float | None, every: bool) -> tuple[list[np.ndarray], np.ndarray]:
        """Sums that can fail the rule: (sets, cells of which not all were tried), as positions in `cells`."""
        starts, target, place, room = self._starts()
        sets, unfinished, work = [], [np.zeros(0, dtype=np.int64)], work // CONCENTRATED
        scale = np.floor(np.log(np.maximum(room, 1e-300)) / np.log(MAGNITUDE))
        for each in np.unique(scale):
            chosen = np.flatnonzero(scale == each)
            some = starts[chosen], target[chosen], place[chosen], room[chosen]
            found = self._search(*some, work, deadline)
            sets, work = sets + found.sets, found.work
            unfinished.append(chosen[found.unfinished])
        left = np.concatenate(unfinished)
        balance = Balance(self.view, self.entries, self.judge, self.row)
        asked = np.unique(target[left][target[left] >= 0]).tolist()
        weighed = balance.weigh_all(asked, deadline, self.threads)
        sets += [some[None] for each in weighed for some in each.sets]
        safe = [who for who, each in zip(asked, weighed, strict=False) if each.outweighed]
        left = left[~np.isin(target[left], safe)]
        return sets, np.flatnonzero(np.isin(self.part, self.part[starts[left]]))

    def _starts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(cells, targets, their places, rooms); a room is what a start and the cells it may add can gain at most."""
        parts = int(self.part.max(initial=-1)) + 1
        hidden = np.flatnonzero(self.hidden > 0)
        all_others = np.bincount(self.part, weights=np.maximum(self.other, 0.0), minlength=parts)
        all_any = np.bincount(self.part, weights=np.maximum(self.any, 0.0), minlength=parts)
        gaining = np.flatnonzero(self.gain > 0)
        who, cell = np.divmod(self.pair[gaining], len(self.cells))
        # From the least gain to the largest, those of one target in one part together.
        order = np.lexsort((-self.place[gaining], self.part[cell], who))
        gaining, who, cell = gaining[order], who[order], cell[order]
        more = np.maximum(self.gain[gaining] - np.maximum(self.other[cell], 0.0), 0.0)
        new = np.append(True, (np.diff(who) != 0) | (np.diff(self.part[cell]) != 0))[: len(who)]
        total = np.cumsum(more)
        before = (total - more)[np.flatnonzero(new)[np.cumsum(new) - 1]]
        return (
            np.concatenate((cell, hidden)),
            np.concatenate((who, np.full(len(hidden), -1))),
            np.concatenate((self.place[gaining], np.zeros(len(hidden), dtype=np.int64))),
            np.concatenate((all_others[self.part[cell]] + total - before, all_any[self.part[hidden]])),
        )

    def _search(
        self,
        starts: np.ndarray,
        target: np.ndarray,
        place: np.ndarray,
        room: np.ndarray,
        work: int,
        deadline: float | None,
    ) -> Found:
        """The sets that grow from the starts, whose rooms are of one order of magnitude."""
        count, most = len(self.cells), room.max()
        usable = self.other + most > 0
        usable[self.pair[np.isin(self.pair // count, target) & (self.gain + most > 0)] % count] = True
        if (target < 0).any():
            usable |= self.any + most > 0
        usable = reduced(self.entries.rows, usable)
        kept = np.flatnonzero(usable[starts])
        rank = np.where(usable, np.arange(count), -1)

        def alive(sets: np.ndarray, number: np.ndarray) -> np.ndarray:
            number = kept[number]
            value, earlier = self._sensitivity(sets, target[number], place[number])
            left = room[number] - np.maximum(value, 0.0).sum(axis=1)
            out = (value.sum(axis=1) + left > 0) & ~earlier
            near = np.flatnonzero(out)
            owner = np.repeat(np.arange(len(near)), sets.shape[1])
            cell = self.cells[sets[near]].ravel()
            exact = self.judge.sensitivity_of(self.row, owner, cell, len(near), target[number[near]])
            out[near] = exact + left[near] > 0
            return out

        search = Search(self.entries.rows, self.entries.keys, np.arange(count), rank, np.zeros(count), np.inf)
        # Of whoever may be in a cell unlisted programs tell nothing.
        each = np.where(target[kept] < 0, np.inf, EACH)
        found = search.grow(starts[kept], work, ordered=False, each=each, alive=alive, deadline=deadline)
        return Found(found.sets, kept[found.unfinished], found.work)

    def _sensitivity(self, sets: np.ndarray, target: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sensitivities of the cells of sets, float64[sets, size], for the set's target; and mask [sets]: has a set a
        cell where the target gains more than in its start, at `place`?
        """
        open_ = target[:, None] < 0
        if len(self.pair) == 0:
            return np.where(open_, self.any[sets], self.other[sets]), np.zeros(len(sets), dtype=bool)
        key = target[:, None] * len(self.cells) + sets
        at = np.minimum(np.searchsorted(self.pair, key), len(self.pair) - 1)
        listed = self.pair[at] == key
        own = np.where(listed, self.gain[at], self.other[sets])
        return np.where(open_, self.any[sets], own), (listed & (self.place[at] < place[:, None])).any(axis=1)


def _matrix(members: np.ndarray, n: int) -> sp.csr_matrix:
    """Sets of equal size [sets, size] as a matrix of ones."""
    sets, size = members.shape
    columns = np.sort(members, axis=1).ravel()
    return sp.csr_matrix((np.ones(len(columns)), columns, np.arange(sets + 1) * size), shape=(sets, n))


def _distinct(sums: sp.csr_matrix) -> np.ndarray:
    """Indices of the first of equal rows of ones, in order."""
    if sums.shape[0] == 0:
        return np.zeros(0, dtype=np.int64)
    random = np.random.default_rng(0).integers(1, 1 << 62, (sums.shape[1], 2))
    keys = np.add.reduceat(random[sums.indices], sums.indptr[:-1], axis=0)
    return np.sort(np.unique(keys, axis=0, return_index=True)[1])


@dataclass(frozen=True)
class _Reader:
    """Finds the members of unsafe unions: the primaries among them, or all where there is none.

    What was not looked into is not examined: the primaries that may be in such a sum, or all where there is none.
    """

    judge: Judge
    name: str = NAME

    def leaks(self, pattern: Pattern, deadline: float | None = None, threads: int | None = None) -> list[Leak]:
        primary = pattern.system.primary
        unions, unexamined = Unions.none(pattern.system.n), pattern.suppressed
        if not deadlines.passed(deadline):
            with suppress(EngineError):
                unions, unexamined = unsafe_unions(
                    pattern.system, pattern.suppressed, self.judge, WORK, deadline, threads=threads
                )
        found = []
        for number in range(len(unions)):
            members = unions.cells(number)
            found += [Leak(int(cell), V_EXACT, members) for cell in _harmed(members, primary)]
        return found + [Leak(int(cell), V_NOT_EXAMINED) for cell in _harmed(np.flatnonzero(unexamined), primary)]


def _harmed(cells: np.ndarray, primary: np.ndarray) -> np.ndarray:
    """The primaries among the cells, or all where there is none."""
    return cells[primary[cells]] if primary[cells].any() else cells


def reader(judge: Judge | None) -> _Reader:
    """The attacker by the rules of `judge`; EngineError without rules."""
    if judge is None:
        raise EngineError("attackers: unions needs rules to judge sums by: rules={'threshold': ...} or others")
    return _Reader(judge)
