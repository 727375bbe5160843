"""Sums that follow from the relations: sets of suppressed cells whose entries cancel in every solution.

The sum of a set of suppressed cells is computable iff its indicator lies in the row space of the relations over them,
that is, iff its entries add up to zero in every vector of a basis of the solutions. A set that does not cancel in some
vector yet can only be part of one that does with a further cell of the opposite sign in that vector. So sets grow cell
by cell, each in the vector that offers fewest, and whoever asks says which sets are worth growing. This finds every
minimal set worth growing to and tries no others; where the work ends before, it says what was not looked at.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from sdc.engine.elimination import PRIME, Basis, residues
from sdc.engine.rules import gather_lists
from sdc.engine.view import View

# Sets grown at a time.
BATCH = 20_000
# A sum of entries below this is zero: entries are whole numbers, or fractions with small denominators.
ZERO = 1e-6
# Above every rank: a set that is not worth growing.
DEAD = np.iinfo(np.int32).max

Grow = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


class Entries:
    """What the solutions do to the suppressed cells that they move, `cells` (ascending).

    `rows` (CSR, [cells, vectors]) are their entries in the basis vectors in whole numbers; `keys` (int64[cells, 2]) in
    two random solutions modulo PRIME: sets that cancel there cancel everywhere, but for a chance of about 2^-62.
    """

    def __init__(self, view: View, basis: Basis, suppressed: np.ndarray) -> None:
        cells = np.flatnonzero(suppressed & (view.column >= 0))
        cells = cells[~basis.determined[view.column[cells]]]
        column, ratio = view.column[cells], view.ratio[cells]
        self.cells = cells
        self.keys = basis.project(2)[column] * residues(ratio)[:, None] % PRIME
        vectors = basis.vectors[column].astype(float)
        self.part = _parts(vectors)
        self.rows = (sp.diags_array(ratio) @ vectors).tocsr()[:, np.flatnonzero(basis.whole)]


def _parts(rows: sp.csr_matrix) -> np.ndarray:
    """Number of the connected part of each row: rows with an entry in one column are connected."""
    links = sp.bmat([[None, rows], [rows.T, None]], format="csr")
    return sp.csgraph.connected_components(links, directed=False)[1][: rows.shape[0]]


@dataclass(frozen=True)
class Found:
    """`sets` are arrays [sets, size] of cells, ascending; `unfinished` numbers the starts not looked through; `work` is
    what is left of it, below 0 where it did not suffice.
    """

    sets: list[np.ndarray]
    unfinished: np.ndarray
    work: int


def cancelling(
    entries: Entries,
    rank: np.ndarray,
    starts: np.ndarray,
    grow: Grow,
    work: int,
    deadline: float | None = None,
    kin: np.ndarray | None = None,
) -> Found:
    """Every minimal cancelling set that grows from a start, and some others that cancel.

    Cells are positions in `entries.cells`; `rank` int64 tells their order, -1 for cells that may not be added. Asked of
    sets int64[sets, size], grown from starts `number`, `grow(sets, number)` says above which rank cells may be added to
    each (-1: to all), or DEAD where none is worth it; and whether only `kin` may: cells of the same number, 0 or
    more, as one in the set. `work` is how many sets may be tried.
    """
    offers = _Offers(entries.rows, rank, np.full(len(rank), -1) if kin is None else kin)
    first_sets, all_starts = starts[:, None], np.arange(len(starts))
    found, stack = [], [(first_sets, all_starts, *grow(first_sets, all_starts))]
    while stack:
        batch = stack.pop()
        if len(batch[0]) > BATCH:
            stack += [tuple(each[BATCH:] for each in batch), tuple(each[:BATCH] for each in batch)]
            continue
        sets, number, floor, closed = batch
        slot, begin, end = offers.fewest(sets, floor)
        cancels = slot < 0
        whole = cancels & (entries.keys[sets].sum(axis=1) % PRIME == 0).all(axis=1)
        found.append(np.sort(sets[whole], axis=1))
        length = np.where(closed, 0, end - begin)
        position = np.repeat(np.arange(len(sets)), length)
        cell = offers.cell[np.arange(len(position)) + np.repeat(begin - (np.cumsum(length) - length), length)]
        near, relative = offers.kin_of(sets, slot, floor, np.flatnonzero(closed & ~cancels))
        position, cell = np.append(position, near), np.append(cell, relative)
        work -= len(position)
        # Where only vectors modulo the prime are left to cancel, there are no signs to grow by.
        stuck = (cancels & ~whole).any()
        if stuck or work < 0 or (deadline is not None and time.monotonic() > deadline):
            stack.append(tuple(each[~whole] for each in batch))
            break
        new = (sets[position] != cell[:, None]).all(axis=1)
        sets, number = np.column_stack((sets[position[new]], cell[new])), number[position[new]]
        once = _once(sets, number)
        sets, number = sets[once], number[once]
        floor, closed = grow(sets, number)
        kept = floor < DEAD
        if kept.any():
            stack.append((sets[kept], number[kept], floor[kept], closed[kept]))
    unfinished = np.unique(np.concatenate([each[1] for each in stack])) if stack else np.zeros(0, dtype=np.int64)
    return Found([sets for sets in found if len(sets)], unfinished, work)


class _Offers:
    """By vector and sign the usable cells with such an entry, in order of rank."""

    def __init__(self, rows: sp.csr_matrix, rank: np.ndarray, kin: np.ndarray) -> None:
        self.rows, self.rank, self.kin = rows, rank, kin
        row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
        used = rank[row] >= 0
        slot = 2 * rows.indices[used].astype(np.int64) + (rows.data[used] > 0)
        self.ranks = int(rank.max(initial=-1)) + 2
        key = slot * self.ranks + rank[row[used]]
        order = np.argsort(key, kind="stable")
        self.key, self.cell = key[order], row[used][order]
        self.relatives = np.flatnonzero((kin >= 0) & (rank >= 0))
        self.relatives = self.relatives[np.argsort(kin[self.relatives], kind="stable")]
        self.start = np.searchsorted(kin[self.relatives], np.arange(int(kin.max(initial=-1)) + 2))

    def fewest(self, sets: np.ndarray, floor: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Vector and sign that offer the sets fewest cells, as one number; and from and to where these stand in `cell`.

        All are -1 for sets that cancel.
        """
        count, size = sets.shape
        shape = count, self.rows.shape[0]
        member = sp.csr_matrix((np.ones(count * size), sets.ravel(), np.arange(count + 1) * size), shape)
        left = (member @ self.rows).tocsr()
        left.data[np.abs(left.data) < ZERO] = 0.0
        left.eliminate_zeros()
        owner = np.repeat(np.arange(count), np.diff(left.indptr))
        slot = 2 * left.indices.astype(np.int64) + (left.data < 0)
        begin = np.searchsorted(self.key, slot * self.ranks + floor[owner] + 1)
        end = np.searchsorted(self.key, (slot + 1) * self.ranks)
        order = np.lexsort((end - begin, owner))
        open_, at = np.unique(owner[order], return_index=True)
        best = order[at]
        out = np.full((3, count), -1)
        out[:, open_] = slot[best], begin[best], end[best]
        return out[0], out[1], out[2]

    def kin_of(
        self, sets: np.ndarray, slot: np.ndarray, floor: np.ndarray, which: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Of the sets `which`: (set, cell) for cells offered there that are kin to one in the set."""
        kin = np.sort(self.kin[sets[which]], axis=1)
        first = np.column_stack((kin[:, :1] >= 0, (kin[:, 1:] >= 0) & (np.diff(kin, axis=1) > 0)))
        place, column = np.nonzero(first)
        position, entry = gather_lists(self.start, kin[place, column])
        at, cell = which[place[position]], self.relatives[entry]
        key = slot[at] * self.ranks + self.rank[cell]
        found = np.minimum(np.searchsorted(self.key, key), max(len(self.key) - 1, 0))
        offered = (self.rank[cell] > floor[at]) & (self.key[found] == key if len(self.key) else False)
        return at[offered], cell[offered]


def _once(sets: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Indices of the first of equal sets grown from one start, in order."""
    key = np.random.default_rng(0).integers(1, 1 << 62, int(sets.max(initial=0)) + 1)[sets].sum(axis=1)
    return np.sort(np.unique(np.stack((key, number)), axis=1, return_index=True)[1])


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
