"""What insiders pin down by bounds: primaries with one possible value for a contributor who knows its own cells.

What an insider computes from the relations alone is found by `insiders`. With bounds and whole numbers a primary stays
open to an insider if some other table, which the insider cannot rule out, moves it far enough and leaves alone what the
insider knows. Such displacements are looked for where they are cheapest: among those recorded for the outsider, in the
vectors of sparse bases of solutions, and by linear programs in neighbourhoods that grow up to the whole component. Only
what that last program denies is pinned down.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import scipy.sparse as sp

from sdc.engine import elimination
from sdc.engine.insiders import Insider, Insiders, each_insider
from sdc.engine.others import Others, has_few
from sdc.engine.parallel import in_threads
from sdc.engine.pattern import Pattern, scales
from sdc.engine.repair import Repairer
from sdc.engine.repair_many import repair_many

# Bases tried one after the other, as long as each settles this part of the pairs that are left.
TURNS = 30
GAIN = 0.1
# Classes of displacements by how many cells they move.
LENGTHS = (0, 8, 16, 64, np.inf)
# Sizes of neighbourhoods, in columns, one after the other.
SIZES = (200, 600, 2000, 8000, 16_000)
# Pairs of a primary and an insider that may be given a program in a neighbourhood. None is where bases leave more
# primaries open than that.
WORK = 3_000
# An audit may give at least one to every fourth primary.
PART = 4
# Work of the programs over all suppressed cells, as `others` counts it, in suppression and in an audit; and the most
# columns of one.
SEARCH, AUDIT, LARGEST = 750_000_000, 6_000_000_000, 40_000
# Primaries asked at a time: what shows a second value of one does so of others.
TOGETHER = 8


@dataclass(frozen=True)
class Pinned:
    """A primary `cell` that the insider who knows the cells `known` pins down; `attacker` numbers his kind."""

    cell: int
    attacker: int
    known: np.ndarray


def pinned(
    pattern: Pattern,
    attackers: tuple[Insiders, ...],
    *,
    work: int = WORK,
    thorough: bool = False,
    threads: int | None = None,
) -> tuple[list[Pinned], dict[int, int]]:
    """A finding for each primary pinned down, ordered by cell; and the primaries for which the work did not suffice,
    each with a kind of attacker.

    It is asked of primaries that are safe from the outsider; the answer for others means nothing. A `thorough` search
    may take longer in large systems. The pattern keeps the displacements that were found.
    """
    if thorough:
        work = max(work, int(pattern.system.primary.sum()) // PART)
    who = [(number, one) for number, each in enumerate(attackers) for one in each_insider(each, pattern.suppressed)]
    pairs = _Pairs(pattern, [one for _, one in who])
    if not who or pattern.space().basis is None:
        return [], {}
    pairs.settle(_side_by_side(pattern.points, pattern.system.n))
    _settle_by_bases(pattern, pairs)
    kinds = [number for number, _ in who]
    undecided = dict.fromkeys(pairs.unshown().tolist(), 0)
    if len(pairs.cells_open()) > work:
        return [], undecided | {cell: kinds[number] for cell, number in pairs.open()}
    if len(pairs) and SIZES[0] < pattern.space().view.columns and not has_few(pattern):
        _settle_nearby(pattern, pairs, work, threads)
    found = [
        Pinned(cell, kinds[number], pairs.known[number])
        for cell, number in _settle_by_programs(pattern, pairs, AUDIT if thorough else SEARCH, threads)
    ]
    return found, undecided | {cell: kinds[number] for cell, number in pairs.open()}


class _Pairs:
    """Pairs of a primary and an insider to whom no displacement has shown a second value of it yet.

    There are too many to list before the first displacement; after it, only those who know a cell that it moves.
    """

    def __init__(self, pattern: Pattern, who: Sequence[Insider]) -> None:
        system = pattern.system
        self._pattern, self._enough = pattern, pattern.needs.second
        self.known = [one.known for one in who]
        self._knows = _incidence(system.n, self.known)
        self._owns = _incidence(system.n, [one.own for one in who])
        # A cell in no relation is open to whoever knows others.
        self.cells = np.flatnonzero(system.primary & (np.diff(pattern.by_cell.indptr) > 0))
        self._place = np.full(system.n, -1)
        self._place[self.cells] = np.arange(len(self.cells))
        self._owned = self._owns[self.cells]
        self._shown = np.zeros(len(self.cells), dtype=bool)
        self._left = sp.csr_matrix((len(self.cells), len(who)))

    def __len__(self) -> int:
        return self._left.nnz

    def settle(self, displacements: sp.csc_matrix) -> None:
        """Drop the pairs to whom one of these displacements, float64[n, count], shows a second value."""
        length = np.diff(displacements.indptr)
        # Short ones are known to few, and leave little to ask of long ones.
        for least, most in itertools.pairwise(LENGTHS):
            some = np.flatnonzero((least < length) & (length <= most))
            if len(some):
                self._settle(displacements if len(some) == len(length) else displacements[:, some])

    def _settle(self, displacements: sp.csc_matrix) -> None:
        cells, owner = displacements.indices, _columns(displacements)
        asked = ~self._shown | (np.diff(self._left.indptr) > 0)
        far = self._far(displacements) & (self._place[cells] >= 0) & asked[self._place[cells]]
        shape = (len(self.cells), displacements.shape[1])
        shows = sp.csr_matrix((np.ones(int(far.sum())), (self._place[cells[far]], owner[far])), shape=shape)
        moved = sp.csc_matrix((np.ones(len(cells)), cells, displacements.indptr), shape=displacements.shape)
        touched = shows @ (moved.T @ self._knows).astype(bool).astype(float)
        times = np.diff(shows.indptr)
        row = np.repeat(np.arange(len(times)), np.diff(touched.indptr))
        every = touched.data == times[row]
        still = sp.csr_matrix((np.ones(int(every.sum())), (row[every], touched.indices[every])), shape=touched.shape)
        still = still - still.multiply(self._owned)
        now = times > 0
        self._left = (
            _only(~now) @ self._left
            + _only(now & self._shown) @ self._left.multiply(still)
            + _only(~self._shown) @ still
        ).tocsr()
        self._left.eliminate_zeros()
        self._shown |= now

    def drop(self, cells: Sequence[int]) -> None:
        """Ask no more of these cells."""
        keep = np.ones(len(self.cells), dtype=bool)
        keep[self._place[np.asarray(cells, dtype=np.int64)]] = False
        self._left = (_only(keep) @ self._left).tocsr()
        self._left.eliminate_zeros()

    def cells_open(self) -> np.ndarray:
        """The cells of the pairs left, ascending."""
        return self.cells[np.diff(self._left.indptr) > 0]

    def insiders(self, cell: int) -> list[int]:
        """Numbers of the insiders to whom the cell is still open."""
        place = self._place[cell]
        return self._left.indices[self._left.indptr[place] : self._left.indptr[place + 1]].tolist()

    def open(self) -> list[tuple[int, int]]:
        """The pairs left: (cell, number of the insider), by cell."""
        cell = np.repeat(self.cells, np.diff(self._left.indptr))
        return list(zip(cell.tolist(), self._left.indices.tolist(), strict=True))

    def _far(self, displacements: sp.csc_matrix) -> np.ndarray:
        """Mask of the entries that go far enough for a second value, the displacement stretched as bounds allow."""
        cells, moves = displacements.indices, displacements.data
        rooms = self._pattern.room_up, self._pattern.room_down
        scale = np.maximum(*scales(cells, moves, displacements.indptr[:-1], *rooms))
        return np.abs(moves) * scale[_columns(displacements)] >= self._enough[cells]

    def unshown(self) -> np.ndarray:
        """Primaries of which no single displacement shows a second value, not even to an outsider."""
        return self.cells[~self._shown]


def _settle_by_bases(pattern: Pattern, pairs: _Pairs) -> None:
    """Settle pairs by the vectors of several bases of solutions: most are short and leave alone what most know.

    Where relations are solved for unknowns with much room, few vectors are stopped by a bound.
    """
    view = pattern.space().view
    sizes = (view.room_down, np.minimum(view.room_up, view.room_down), None)
    # The vectors of the first are recorded already.
    bases = [pattern.space().basis]
    for turn in range(1, TURNS + 1):
        before = len(pairs)
        for basis in bases:
            if basis is None or len(pairs) == 0:
                return
            pairs.settle((view.moves @ basis.vectors[:, np.flatnonzero(basis.whole)].astype(float)).tocsc())
        if turn > 1 and len(pairs) > (1 - GAIN) * before:
            return
        bases = [elimination.basis(view.by_relation, turn=turn, size=size) for size in sizes]


def _settle_nearby(pattern: Pattern, pairs: _Pairs, work: int, threads: int | None) -> None:
    """Settle pairs by programs in small neighbourhoods, one pair of each primary at a time."""
    # What moves suppressed cells only, just far enough to be a second value.
    shadow = Pattern(replace(pattern.system, frozen=~pattern.suppressed), pattern.suppressed)
    shadow.needs = replace(shadow.needs, step=np.where(shadow.needs.integer, 1.0, 2 * shadow.needs.positive))
    repairer = Repairer(shadow)
    for size in (size for size in SIZES if size < repairer.view.columns):
        tried: set[tuple[int, int]] = set()
        while work > 0:
            first: dict[int, int] = {}
            for pair in pairs.open():
                if pair not in tried:
                    first.setdefault(*pair)
            some = list(first.items())[:work]
            if not some:
                break
            tried.update(some)
            work -= len(some)
            before = len(shadow.points)
            repair_many(repairer, [(cell, pairs.known[number]) for cell, number in some], size, threads)
            pairs.settle(_side_by_side(shadow.points[before:], pattern.system.n))
    pattern.add_points(shadow.points)


def _settle_by_programs(pattern: Pattern, pairs: _Pairs, work: int, threads: int | None) -> list[tuple[int, int]]:
    """Settle pairs by programs over all cells, as far as `work` goes; returns those of them that are pinned down,
    (cell, number of an insider), one for each cell, by cell.
    """
    found, failed = [], np.zeros(0, dtype=np.int64)
    if len(pairs) == 0 or pattern.space().view.columns > LARGEST:
        return found
    others = Others(pattern)
    while work > 0:
        cells = np.setdiff1d(pairs.cells_open(), failed)[:TOGETHER]
        if len(cells) == 0:
            break
        asked = [(cell, [(number, pairs.known[number]) for number in pairs.insiders(cell)]) for cell in cells.tolist()]
        answers = in_threads(partial(_decide, others), asked, threads)
        work -= sum(answer.work for answer in answers)
        shown = [point for answer in answers for point in answer.shown]
        pairs.settle(_side_by_side(shown, pattern.system.n))
        pattern.add_points(shown)
        pairs.drop([answer.cell for answer in answers if not answer.failed])
        failed = np.append(failed, [answer.cell for answer in answers if answer.failed])
        found += [(answer.cell, answer.pinned_by) for answer in answers if answer.pinned_by is not None]
    return sorted(found)


@dataclass
class _Answer:
    """Who pins the cell down, if anybody; displacements that show others a second value of it; the work it took."""

    cell: int
    pinned_by: int | None = None
    failed: bool = False
    shown: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    work: int = 0


def _decide(others: Others, asked: tuple[int, list[tuple[int, np.ndarray]]]) -> _Answer:
    """Is there an insider, (number, cells known), who pins the cell down?

    A displacement that moves as little as may be of what they know serves nearly all of them. Whom it does not serve
    are asked for again; where it serves none, the first of them alone: whether any displacement does.
    """
    cell, waiting = asked
    answer = _Answer(cell)
    alone = len(waiting) == 1
    while waiting:
        first, rest = (waiting[:1], waiting[1:]) if alone else ([], waiting)
        moved = others.move(cell, _cells(first), _cells(rest))
        answer.work += moved.work
        answer.shown += moved.shown
        if moved.second is None or not (moved.second or alone):
            answer.failed = True
            break
        if not moved.second:
            answer.pinned_by = first[0][0]
            break
        left = [each for each in rest if np.isin(each[1], moved.shown[0][0]).any()]
        alone = len(left) == 1 or not alone and len(left) == len(waiting)
        waiting = left
    return answer


def _cells(insiders: list[tuple[int, np.ndarray]]) -> np.ndarray:
    """What these insiders know, one after the other."""
    return np.concatenate([np.zeros(0, dtype=np.int64), *(known for _, known in insiders)])


def _side_by_side(points: list[tuple[np.ndarray, np.ndarray]], n: int) -> sp.csc_matrix:
    """Points (cells, displacement) as columns."""
    lengths = [len(cells) for cells, _ in points]
    cells = np.concatenate([np.zeros(0, dtype=np.int64), *(cells for cells, _ in points)])
    moves = np.concatenate([np.zeros(0), *(moves for _, moves in points)])
    return sp.csc_matrix((moves, cells, np.append(0, np.cumsum(lengths))), shape=(n, len(points)))


def _columns(matrix: sp.csc_matrix) -> np.ndarray:
    """The column of each entry."""
    return np.repeat(np.arange(matrix.shape[1]), np.diff(matrix.indptr))


def _only(rows: np.ndarray) -> sp.dia_array:
    """Keeps these rows of a matrix."""
    return sp.diags_array(rows.astype(float))


def _incidence(n: int, sets: list[np.ndarray]) -> sp.csr_matrix:
    """Ones where a cell is in a set: float64[n, sets]."""
    cells = np.concatenate([np.zeros(0, dtype=np.int64), *sets])
    number = np.repeat(np.arange(len(sets)), [len(one) for one in sets])
    return sp.csr_matrix((np.ones(len(cells)), (cells, number)), shape=(n, len(sets)))
