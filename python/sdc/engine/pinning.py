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
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from sdc.engine import elimination
from sdc.engine.insiders import Insider, Insiders, each_insider
from sdc.engine.others import Others, has_few
from sdc.engine.pattern import Pattern, scales
from sdc.engine.repair import Repairer
from sdc.engine.repair_many import repair_many

# Bases tried one after the other, as long as each settles this part of the pairs that are left.
TURNS = 12
GAIN = 0.2
# Classes of displacements by how many cells they move.
LENGTHS = (0, 8, 16, 64, np.inf)
# Sizes of neighbourhoods, in columns, one after the other.
SIZES = (200, 600, 2000, 8000, 16_000)
# Pairs of a primary and an insider that may be given a program in a neighbourhood. None is where bases leave more
# primaries open than that.
WORK = 3_000
# An audit may give at least one to every fourth primary.
PART = 4
# Columns, over all programs of all suppressed cells; and the most of one.
COLUMNS, LARGEST = 400_000, 40_000
# Where few vectors span all solutions so many numbers of a basis count as one column, and no programs in neighbourhoods
# go before: these take longer.
NUMBERS = 400


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
    columns: int = COLUMNS,
    threads: int | None = None,
) -> tuple[list[Pinned], dict[int, int]]:
    """Findings, ordered by cell, and the primaries for which the work did not suffice, each with a kind of attacker.

    It is asked of primaries that are safe from the outsider; the answer for others means nothing. A `thorough` search
    may take longer in large systems.
    """
    if thorough:
        work = max(work, int(pattern.system.primary.sum()) // PART)
    who = [(number, one) for number, each in enumerate(attackers) for one in each_insider(each, pattern.suppressed)]
    pairs = _Pairs(pattern, [one for _, one in who])
    if not who or pattern.space().basis is None:
        return [], {}
    pairs.settle(_side_by_side(pattern.points, pattern.system.n))
    _settle_by_bases(pattern, pairs)
    found, undecided = [], dict.fromkeys(pairs.unshown().tolist(), 0)
    left = {cell: who[number][0] for cell, number in pairs.open()}
    if len(left) > work:
        return [], undecided | left
    view, few = pattern.space().view, has_few(pattern)
    if len(pairs) and SIZES[0] < view.columns and not few:
        _settle_nearby(pattern, pairs, work, threads)
    each = view.columns * pattern.space().basis.vectors.shape[1] // NUMBERS if few else view.columns
    for number in sorted({number for _, number in pairs.open()}):
        kind, insider = who[number]
        cells = [cell for cell, other in pairs.open() if other == number]
        if columns <= 0 or view.columns > LARGEST:
            undecided.update(dict.fromkeys(cells, kind))
            continue
        others, points, second = Others(pattern, insider.known), [], set()
        for cell in cells:
            if cell in second:
                continue
            columns -= each
            far, shown = others.move(cell)
            points += shown
            second.update(pairs.second(_side_by_side(shown, pattern.system.n)).tolist())
            if far is None:
                undecided[cell] = kind
            elif not far:
                found.append(Pinned(cell, kind, insider.known))
        # To others who know none of the cells that they move these show as much.
        pairs.settle(_side_by_side(points, pattern.system.n))
    return sorted(found, key=lambda each: (each.cell, each.attacker, int(each.known[0]))), undecided


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

    def open(self) -> list[tuple[int, int]]:
        """The pairs left: (cell, number of the insider), by cell."""
        cell = np.repeat(self.cells, np.diff(self._left.indptr))
        return list(zip(cell.tolist(), self._left.indices.tolist(), strict=True))

    def second(self, displacements: sp.csc_matrix) -> np.ndarray:
        """The cells of which these displacements show a second value."""
        return displacements.indices[self._far(displacements)]

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
    """Settle pairs by the vectors of several bases of solutions: most are short and leave alone what most know."""
    view, basis = pattern.space().view, pattern.space().basis
    for turn in range(TURNS):
        before = len(pairs)
        if turn > 0:
            basis = elimination.basis(view.by_relation, turn=turn)
        if basis is None or before == 0:
            return
        pairs.settle((view.moves @ basis.vectors[:, np.flatnonzero(basis.whole)].astype(float)).tocsc())
        # The first is the one whose vectors are recorded already.
        if turn > 0 and len(pairs) > (1 - GAIN) * before:
            return


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
