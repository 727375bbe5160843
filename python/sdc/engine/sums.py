"""Sums that follow from the relations: sets of suppressed cells whose entries cancel in every solution.

The sum of a set of suppressed cells is computable iff its indicator lies in the row space of the relations over them,
that is, iff its entries add up to zero in every vector of a basis of the solutions. A set that does not cancel in some
vector yet can only be part of one that does with a further cell of the opposite sign in that vector. So sets grow cell
by cell, each in the vector that offers fewest, and whoever asks says which sets are worth growing. Two things make this
quick. The last cell needs no trying: its entries in two random solutions are what the set's lack. And cells that stand
in all solutions alike, and are alike to whoever asks, are tried as one item (`Items`).

This finds every minimal set worth growing to and tries no others; where the work ends before, it says what was not
looked at.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from sdc.engine import deadlines, elimination
from sdc.engine.elimination import PRIME, residues
from sdc.engine.view import Space

# Sets grown at a time.
BATCH = 20_000
# A sum of entries below this is zero: entries are whole numbers, or fractions with small denominators.
ZERO = 1e-6
# Weights are sums of fractions; a set is within the limit up to this.
SLACK = 1e-6
# Sets tried at a time at most, where there is more than one to grow.
MOST = 2_000_000
# Tells sets of different starts apart: an odd number, 2^64 divided by the golden ratio.
SPREAD = -7046029254386353131
# Classes of weights by which offers are counted.
CLASSES = 8
# Bases of the solutions among which the vectors that offer an item fewest are looked for.
BASES = 8
# So many of these are kept for each item.
SHORT = 2

# More than any number of offers.
NOTHING = np.iinfo(np.int64).max

Alive = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Entries:
    """What the solutions do to the suppressed cells that they move, `cells` (ascending).

    `rows` (CSR, [cells, vectors]) are their entries in the basis vectors in whole numbers; `keys` (int64[cells, 2]) in
    two random solutions modulo PRIME: sets that cancel there cancel everywhere, but for a chance of about 2^-62.
    """

    def __init__(self, space: Space, suppressed: np.ndarray) -> None:
        view, basis = space.view, space.basis
        cells = np.flatnonzero(suppressed & (view.column >= 0))
        cells = cells[~basis.determined[view.column[cells]]]
        self.cells = cells
        self._column, self._ratio = view.column[cells], view.ratio[cells]
        self._relations = view.by_relation
        self.keys = basis.project(2)[self._column] * residues(self._ratio)[:, None] % PRIME
        self.part = _parts(basis.vectors[self._column])
        self.rows = self._rows(basis.vectors[:, np.flatnonzero(basis.whole)], self._column, self._ratio)

    def rows_of(self, chosen: np.ndarray) -> sp.csr_matrix:
        """The rows of the cells at the positions `chosen`."""
        return self.rows[chosen]

    def short_rows(self, chosen: np.ndarray) -> sp.csr_matrix:
        """Entries [chosen, vectors] of the cells at the positions `chosen` in solutions that offer some cell fewest.

        They are solutions but for what happens to other cells; sets that cancel in all of them need not in every one.
        """
        wanted = np.unique(self._column[chosen])
        place = np.full(self._relations.shape[1], -1)
        others = np.ones(len(place), dtype=bool)
        others[wanted] = False
        matrix, left = elimination.without(self._relations, others)
        place[left] = np.arange(len(left))
        bases = [elimination.basis(matrix, turn=turn) for turn in range(BASES)]
        if any(basis is None for basis in bases):
            return self.rows[chosen]
        column = place[self._column[chosen]]
        vectors = [basis.vectors[:, np.flatnonzero(basis.whole)] for basis in bases]
        rows = self._rows(sp.hstack(vectors, format="csr"), column, self._ratio[chosen])
        return rows[:, _shortest(rows)]

    @staticmethod
    def _rows(vectors: sp.csr_matrix, column: np.ndarray, ratio: np.ndarray) -> sp.csr_matrix:
        return (sp.diags_array(ratio) @ vectors[column].astype(float)).tocsr()


def _parts(rows: sp.csr_matrix) -> np.ndarray:
    """Number of the connected part of each row: rows with an entry in one column are connected."""
    links = sp.bmat([[None, rows], [rows.T, None]], format="csr")
    return sp.csgraph.connected_components(links, directed=False)[1][: rows.shape[0]]


def _shortest(rows: sp.csr_matrix) -> np.ndarray:
    """The columns that are, for some row, among the SHORT with fewest entries of the other sign."""
    slot = 2 * rows.indices.astype(np.int64) + (rows.data > 0)
    offered = np.bincount(slot, minlength=2 * rows.shape[1])
    lengths = np.diff(rows.indptr)
    filled = np.flatnonzero(lengths)
    key = offered[slot ^ 1] * rows.shape[1] + rows.indices
    chosen = np.zeros(rows.shape[1], dtype=bool)
    for _ in range(SHORT if len(filled) else 0):
        least = np.minimum.reduceat(key, rows.indptr[filled])
        chosen[least[least < NOTHING] % rows.shape[1]] = True
        key[key == np.repeat(least, lengths[filled])] = NOTHING
    return np.flatnonzero(chosen)


@dataclass(frozen=True)
class Items:
    """What sets are made of: some cells that are alike, of whom it does not matter which.

    Cells with the same keys and of the same kind are a family. There is an item a cell: item i stands for `times[i]`
    cells of the family `family[i]`. A set has at most one item of a family.
    """

    family: np.ndarray
    times: np.ndarray

    def __len__(self) -> int:
        return len(self.family)

    @classmethod
    def of(cls, keys: np.ndarray, kind: np.ndarray) -> Items:
        """Items of the cells with these keys int64[cells, 2] and kinds int64[cells, ...]."""
        columns = np.column_stack((keys, kind))
        order = np.lexsort(columns.T[::-1])
        new = np.append(True, (np.diff(columns[order], axis=0) != 0).any(axis=1))[: len(order)]
        family, times = np.empty((2, len(order)), dtype=np.int64)
        first = np.flatnonzero(new)
        family[order] = np.cumsum(new) - 1
        times[order] = np.arange(len(order)) - first[np.cumsum(new) - 1] + 1
        return cls(family, times)

    @cached_property
    def _members(self) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(self.family, kind="stable")
        return order, np.searchsorted(self.family[order], np.arange(int(self.family.max(initial=-1)) + 2))

    def cells_of(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(position in `items`, cell) of the first cells that the items stand for."""
        order, first = self._members
        length = self.times[items]
        position = np.repeat(np.arange(len(items)), length)
        begin = first[self.family[items]] - (np.cumsum(length) - length)
        return position, order[np.arange(len(position)) + np.repeat(begin, length)]

    def choices(self, items: np.ndarray, every: bool) -> list[list[int]]:
        """Sets of cells that the set `items` stands for: all, or so many that each cell is in one."""
        order, first = self._members
        cells = [order[first[one] : first[one + 1]].tolist() for one in self.family[items]]
        times = self.times[items].tolist()
        if every:
            chosen = itertools.product(*map(itertools.combinations, cells, times))
        else:
            turns = max(-(-len(some) // few) for some, few in zip(cells, times, strict=True))
            both = list(zip(cells, times, strict=True))
            chosen = [
                [[some[(turn * few + place) % len(some)] for place in range(few)] for some, few in both]
                for turn in range(turns)
            ]
        return [sorted(itertools.chain(*each)) for each in chosen]


@dataclass(frozen=True)
class Found:
    """`sets` are arrays [sets, size] of items, ascending; `unfinished` numbers the starts not looked through; `work` is
    what is left of it, below 0 where it did not suffice.
    """

    sets: list[np.ndarray]
    unfinished: np.ndarray
    work: int


class Search:
    """Sets of items that cancel, whose weights add up to no more than `limit`.

    `rows` (CSR, [items, vectors]) and `keys` int64[items, 2] are what the solutions do to the items, `family`
    int64[items] what excludes each other in a set, `weight` float64[items], `rank` int64[items] an order from the
    heaviest to the lightest, -1 for items that may not be used.
    """

    def __init__(
        self,
        rows: sp.csr_matrix,
        keys: np.ndarray,
        family: np.ndarray,
        rank: np.ndarray,
        weight: np.ndarray,
        limit: float,
    ) -> None:
        usable = np.flatnonzero(rank >= 0)
        usable = usable[np.argsort(rank[usable])]
        rank = np.full(len(rank), -1)
        rank[usable] = np.arange(len(usable))
        self._rows, self._keys, self._family, self._rank, self._weight = rows, keys, family, rank, weight
        self._limit = limit + SLACK
        self._least = weight[usable].min(initial=np.inf)
        self._by_rank = -weight[usable]
        joint = _joint(keys[usable])
        order = np.argsort(joint, kind="stable")
        self._joint, self._of_joint = joint[order], usable[order]
        self._mark = np.random.default_rng(0).integers(1, 1 << 62, len(rank))
        # By vector and sign (a slot) the usable items with such an entry, in order of rank.
        row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
        used = rank[row] >= 0
        row, data = row[used], rows.data[used]
        slot = 2 * rows.indices[used].astype(np.int64) + (data > 0)
        self._ranks = len(usable) + 1
        key = slot * self._ranks + rank[row]
        order = np.argsort(key, kind="stable")
        self._key, self._item = key[order], row[order]
        self._start = np.searchsorted(slot[order], np.arange(2 * rows.shape[1] + 1))
        offering = np.flatnonzero(np.diff(self._start) > 0)
        begin = self._start[offering]
        self._last = np.full(2 * rows.shape[1], -1)
        self._last[offering] = rank[self._item[self._start[offering + 1] - 1]]
        self._cheapest = np.full(2 * rows.shape[1], np.inf)
        # How many of them weigh no more than 1, 2, ... and all.
        classes = self._class(weight[self._item])
        of_class = slot[order] * CLASSES + classes
        counts = np.bincount(of_class, minlength=2 * rows.shape[1] * CLASSES).reshape(-1, CLASSES)
        self._offers = np.cumsum(counts, axis=1).T.copy()
        ratio = (weight[row] / np.abs(data))[order]
        self._cheapest[offering] = np.minimum.reduceat(ratio, begin) if len(begin) else []

    def grow(
        self,
        starts: np.ndarray,
        work: int,
        *,
        ordered: bool = True,
        each: float | np.ndarray = np.inf,
        alive: Alive | None = None,
        deadline: float | None = None,
    ) -> Found:
        """Every minimal cancelling set that grows from a start, and some others that cancel.

        With `ordered`, by items of higher rank than the start only. Asked of sets int64[sets, size], grown from
        starts `number`, `alive` tells which are worth it; no part of one that is may not be. `work` is how many sets
        may be tried, and `each` how many may be grown from one start, or from each.
        """
        number = np.arange(len(starts))
        first = self._rank[starts] if ordered else np.full(len(starts), -1)
        nodes = _Nodes(starts[:, None], number, self._weight[starts], self._keys[starts], self._mark[starts])
        if alive is not None:
            nodes = nodes.of(alive(nodes.sets, number))
        found: list[np.ndarray] = []
        # Where only vectors modulo the prime are left to cancel, there are no signs to grow by.
        given_up = [np.zeros(0, dtype=np.int64)]
        grown, each = np.zeros(len(starts)), np.broadcast_to(each, len(starts))
        work -= len(nodes)
        stack = [nodes if work < 0 else self._complete(nodes, first, alive, found)]
        while stack and work >= 0 and not deadlines.passed(deadline):
            nodes = stack.pop()
            if len(nodes) == 0:
                continue
            if len(nodes) > BATCH:
                stack += [nodes.of(slice(BATCH, None)), nodes.of(slice(BATCH))]
                continue
            nodes = nodes.of((grown < each)[nodes.number])
            if len(nodes) == 0:
                continue
            begin, end, stuck = self._fewest(nodes, first[nodes.number])
            if len(nodes) > 1 and (end - begin).sum() > MOST:
                half = len(nodes) // 2
                stack += [nodes.of(slice(half, None)), nodes.of(slice(half))]
                continue
            grown += np.bincount(nodes.number, minlength=len(starts))
            given_up.append(nodes.number[stuck])
            position = np.repeat(np.arange(len(nodes)), end - begin)
            work -= len(position)
            if work < 0:
                stack.append(nodes)
                break
            nodes = self._extended(nodes, position, self._item[_ranges(begin, end)])
            if alive is not None:
                nodes = nodes.of(alive(nodes.sets, nodes.number))
            whole = ~nodes.keys.any(axis=1)
            found.append(np.sort(nodes.sets[whole], axis=1))
            stack.append(self._complete(nodes.of(~whole), first, alive, found))
        left = [nodes.number for nodes in stack] + given_up + [np.flatnonzero(grown >= each)]
        return Found([sets for sets in found if len(sets)], np.unique(np.concatenate(left)), work)

    def _complete(self, nodes: _Nodes, first: np.ndarray, alive: Alive | None, found: list[np.ndarray]) -> _Nodes:
        """Enter in `found` the sets that one more item completes; returns those that two more may complete."""
        wanted = _joint(-nodes.keys % PRIME)
        begin = np.searchsorted(self._joint, wanted)
        some = np.flatnonzero(self._joint[np.minimum(begin, len(self._joint) - 1)] == wanted)
        end = np.searchsorted(self._joint, wanted[some], side="right")
        position = np.repeat(some, end - begin[some])
        item = self._of_joint[_ranges(begin[some], end)]
        fits = (self._rank[item] > first[nodes.number[position]]) & self._new(nodes, position, item)
        fits &= nodes.weight[position] + self._weight[item] <= self._limit
        position = position[fits]
        sets, number = np.column_stack((nodes.sets[position], item[fits])), nodes.number[position]
        found.append(np.sort(sets if alive is None else sets[alive(sets, number)], axis=1))
        return nodes.of(nodes.weight + 2 * self._least <= self._limit)

    @staticmethod
    def _class(weight: np.ndarray) -> np.ndarray:
        """Classes of weights: up to 1, up to 2, ..., more."""
        return np.clip(np.ceil(weight - SLACK) - 1, 0, CLASSES - 1).astype(np.int64)

    def _new(self, nodes: _Nodes, position: np.ndarray, item: np.ndarray) -> np.ndarray:
        """Mask: the item's family has no item in the set at `position`."""
        return (self._family[nodes.sets[position]] != self._family[item][:, None]).all(axis=1)

    def _extended(self, nodes: _Nodes, position: np.ndarray, item: np.ndarray) -> _Nodes:
        """The sets at `position` with an item more, each once a start."""
        mark = nodes.mark[position] + self._mark[item]
        once = np.unique(mark ^ (nodes.number[position] * SPREAD), return_index=True)[1]
        position, item, mark = position[once], item[once], mark[once]
        new = self._new(nodes, position, item)
        position, item = position[new], item[new]
        return _Nodes(
            np.column_stack((nodes.sets[position], item)),
            nodes.number[position],
            nodes.weight[position] + self._weight[item],
            (nodes.keys[position] + self._keys[item]) % PRIME,
            mark[new],
        )

    def _fewest(self, nodes: _Nodes, first: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """From and to where in `_item` the items stand of which each set needs one, beside one more at least: those
        that the vector and sign with fewest offers; and which sets no vector tells anything of.

        Nothing is offered to sets that some vector keeps from cancelling: for want of offers, or for their weight.
        """
        count, size = nodes.sets.shape
        shape = count, self._rows.shape[0]
        member = sp.csr_matrix((np.ones(count * size), nodes.sets.ravel(), np.arange(count + 1) * size), shape)
        left = member @ self._rows
        open_ = np.flatnonzero(np.abs(left.data) > ZERO)
        owner = np.repeat(np.arange(count), np.diff(left.indptr))[open_]
        data = left.data[open_]
        slot = 2 * left.indices[open_].astype(np.int64) + (data < 0)
        stuck = np.bincount(owner, minlength=count) == 0
        room = self._limit - nodes.weight
        floor = np.maximum(first, np.searchsorted(self._by_rank, self._least - room) - 1)
        live = np.ones(count, dtype=bool)
        live[owner[(self._last[slot] <= floor[owner]) | (np.abs(data) * self._cheapest[slot] > room[owner])]] = False
        owner, slot = owner[live[owner]], slot[live[owner]]
        # About how many are offered, which is quick to tell; in the vector chosen, which exactly.
        offers = self._offers[self._class(room - self._least)[owner], slot]
        place = np.flatnonzero(np.append(True, np.diff(owner) != 0)[: len(owner)])
        out = np.zeros((2, count), dtype=np.int64)
        if len(place):
            slot = slot[np.minimum.reduceat(offers * len(offers) + np.arange(len(offers)), place) % len(offers)]
            owner = owner[place]
            out[0, owner] = np.searchsorted(self._key, slot * self._ranks + floor[owner] + 1)
            out[1, owner] = self._start[slot + 1]
        return out[0], out[1], stuck


@dataclass(frozen=True)
class _Nodes:
    """Sets of one size that are being grown: items [sets, size], numbers of their starts, weights, sums of the keys and
    of the marks of their items.
    """

    sets: np.ndarray
    number: np.ndarray
    weight: np.ndarray
    keys: np.ndarray
    mark: np.ndarray

    def __len__(self) -> int:
        return len(self.sets)

    def of(self, which: np.ndarray | slice) -> _Nodes:
        """Some of them."""
        return _Nodes(self.sets[which], self.number[which], self.weight[which], self.keys[which], self.mark[which])


def _joint(keys: np.ndarray) -> np.ndarray:
    """Both keys as one number."""
    return keys[:, 0] * (PRIME + 1) + keys[:, 1]


def _ranges(begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The numbers from begin[i] to end[i] for each i, end to end."""
    length = end - begin
    return np.arange(int(length.sum())) + np.repeat(begin - (np.cumsum(length) - length), length)


def reduced(rows: sp.csr_matrix, usable: np.ndarray) -> np.ndarray:
    """The mask `usable` without cells that cannot cancel: alone with their sign in some vector, again and again."""
    usable = usable.copy()
    row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    slot = 2 * rows.indices.astype(np.int64) + (rows.data > 0)
    while True:
        count = np.bincount(slot[usable[row]], minlength=2 * rows.shape[1])
        gone = usable[row] & (count[slot ^ 1] == 0)
        if not gone.any():
            return usable
        usable[row[gone]] = False
