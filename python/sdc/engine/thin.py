"""Publish superfluous secondaries, dearest first, keeping every primary's exact protection.

Reverse elimination (compare Langsrud 2024), on a basis of the solutions of `A d = 0`. A secondary s can be published
unless a primary's row of the basis is proportional to that of s (then it would follow exactly), or lies in the span of
the rows of s and of a cell that an insider knows. Publishing s leaves the solutions that are zero at s: one vector of
the basis is eliminated, which changes the dozen rows it has entries in, so that the next secondary is judged by what
is left.

This looks at linear dependence only. Levels, whole numbers and prior bounds are the business of certificates and repair
afterwards; so are insiders who know several cells.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp

from sdc.engine.elimination import PRIME, Basis, inverse, kinds
from sdc.engine.insiders import Insiders
from sdc.engine.parallel import in_threads
from sdc.engine.pattern import Pattern
from sdc.engine.thin_dense import DenseSolutions
from sdc.engine.view import View, gather

# Secondaries looked at in one go, which bounds the memory.
TOGETHER = 1250
# Orders tried where there are at most so many columns; for those after the first costs are changed by about this part.
ORDERS = 6
SMALL = 2000
SPREAD = 0.2
# Many more are tried where columns are judged on a dense table: where few dimensions are left, each of which is a round
# of judgement, and it has no more than so many numbers, and so many pairs of columns must not tell each other.
DENSE_ORDERS = 12
DIMENSIONS = 64
DENSE, PAIRS = 200_000, 50_000
# Of more columns that could be published only the dearest are judged.
JUDGED = 5000


def superfluous(
    pattern: Pattern,
    attackers: tuple[Insiders, ...],
    among: np.ndarray | None = None,
    orders: int | None = None,
    threads: int | None = None,
) -> np.ndarray:
    """Secondaries that can be published together; those that follow exactly are among them.

    With the mask `among` [n] only these are, and all others are as primaries that must not follow. The pattern's space
    must have a basis. In small systems several orders are tried, dearest first and near to it, of at most `orders`.
    """
    system, view, basis = pattern.system, pattern.space().view, pattern.space().basis
    inside = pattern.suppressed & (view.column >= 0)
    kept = system.primary if among is None else ~among
    exact = np.flatnonzero(pattern.suppressed & ~kept & (view.column < 0))
    has_primary = np.zeros(view.columns, dtype=bool)
    has_primary[view.column[inside & kept]] = True
    rows = basis.project(3)
    kind = kinds(rows)
    needed = np.zeros(int(kind.max(initial=-1)) + 2, dtype=bool)
    needed[kind[has_primary]] = True
    needed[-1] = False
    cost = np.bincount(view.column[inside], weights=system.cost[inside], minlength=view.columns)
    foreign = [_Foreign(pattern, view, insiders) for insiders in attackers]
    free = np.flatnonzero(~has_primary & ~needed[kind])
    dense = _dense(basis, has_primary, foreign)
    if dense is not None:
        best = _cheapest(dense.published, dense.free(free), cost, orders or DENSE_ORDERS)
        return np.concatenate((exact, view.members(np.array(best, dtype=np.int64))[0]))
    free = np.sort(free[np.lexsort((free, -cost[free]))[:JUDGED]])
    # What would expose a primary now will do so also when others have been published.
    free = free[~_open_at_once(basis, rows, free, foreign, threads)] if foreign else free
    # As bytes, which are quick to look up one by one.
    concerned = tuple(
        np.logical_or.reduce(masks).tobytes() for masks in zip(*(side.concerned for side in foreign), strict=True)
    )

    def published(order: np.ndarray) -> list[int]:
        return _published(Solutions(basis), order.tolist(), has_primary, foreign, concerned)

    best = _cheapest(published, free, cost, min(orders or ORDERS, ORDERS) if view.columns <= SMALL else 1)
    return np.concatenate((exact, view.members(np.array(best, dtype=np.int64))[0]))


def _cheapest(
    published: Callable[[np.ndarray], list[int]], free: np.ndarray, cost: np.ndarray, orders: int
) -> list[int]:
    """What is published in the best of several orders of `free`: dearest first, and others near to it."""
    best: list[int] = []
    for turn in range(orders):
        dear = cost[free]
        if turn > 0:
            dear = dear * np.random.default_rng(turn).lognormal(0.0, SPREAD, len(free))
        gone = published(free[np.lexsort((free, -dear))])
        if not best or cost[gone].sum() > cost[best].sum():
            best = gone
    return best


def _dense(basis: Basis, harmed: np.ndarray, foreign: list[_Foreign]) -> DenseSolutions | None:
    """The solutions as a dense table, where it is small; else None."""
    pairs = [(np.zeros(0, dtype=np.int64),) * 2]
    rows, dimensions = basis.vectors.shape
    if dimensions > DIMENSIONS or rows * dimensions > DENSE or sum(side.most_pairs for side in foreign) > PAIRS:
        return None
    pairs += [side.pairs() for side in foreign]
    return DenseSolutions(basis, harmed, tuple(np.concatenate(side) for side in zip(*pairs, strict=True)))


def _published(
    solutions: Solutions,
    order: list[int],
    has_primary: np.ndarray,
    foreign: list[_Foreign],
    concerned: tuple[bytes, bytes],
) -> list[int]:
    """Columns that are published when they are judged in this order, each by what those before it have left."""
    gone = []
    for column in order:
        if not solutions.zero(column):
            if solutions.exposes(column, has_primary) or (foreign and _opens(solutions, column, foreign, concerned)):
                continue
            solutions.publish(column)
        gone.append(column)
    return gone


class Solutions:
    """A basis modulo PRIME that shrinks as unknowns are published.

    `rows` int64[unknowns, 3] are random combinations of the vectors left: proportional where the rows of the basis are.
    """

    def __init__(self, basis: Basis) -> None:
        self.rows = basis.project(3)
        self._by_row = basis.vectors
        self._by_vector = basis.vectors.tocsc()
        # Lengths at the start: which of several vectors is looked at makes a difference in time only.
        self._length = np.diff(self._by_vector.indptr).tolist()
        # What has changed: entries of a row by vector, and the unknowns of a vector.
        self._row: dict[int, dict[int, int]] = {}
        self._support: dict[int, set[int]] = {}

    def row(self, unknown: int) -> dict[int, int]:
        """Entries of one unknown, by vector."""
        found = self._row.get(unknown)
        if found is None:
            begin, end = self._by_row.indptr[unknown], self._by_row.indptr[unknown + 1]
            found = dict(
                zip(self._by_row.indices[begin:end].tolist(), self._by_row.data[begin:end].tolist(), strict=True)
            )
            self._row[unknown] = found
        return found

    def support(self, vector: int) -> set[int]:
        """Unknowns that a vector moves."""
        found = self._support.get(vector)
        if found is None:
            begin, end = self._by_vector.indptr[vector], self._by_vector.indptr[vector + 1]
            found = self._support[vector] = set(self._by_vector.indices[begin:end].tolist())
        return found

    def zero(self, unknown: int) -> bool:
        """Is the unknown determined by what is left?"""
        return not self.row(unknown)

    def _shortest(self, unknown: int) -> int:
        """The vector through `unknown` that moves the fewest others."""
        return min(self.row(unknown), key=lambda vector: (len(self.support(vector)), vector))

    def exposes(self, unknown: int, harmed: np.ndarray) -> bool:
        """Would publishing `unknown` determine one of the mask `harmed` [unknowns]?"""
        near = np.fromiter(self.support(self._shortest(unknown)), np.int64)
        near = near[harmed[near]]
        at = np.broadcast_to(self.rows[unknown], (len(near), 3))
        return bool(_proportional(self.rows[near], at).any())

    def tied(self, unknown: int, harmed: bytes, known: bytes) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of unknowns that determine each other once `unknown` is published.

        One of a pair is in the mask `harmed`, the other in the mask `known` (a byte an unknown).

        Two rows are tied if what is left of them is proportional and not zero. One of them then has an entry in any
        vector through `unknown`, and the other in any vector left in the first or in that one too.
        """
        vector = self._shortest(unknown)
        row = self.row(unknown)
        pivot = pow(row[vector] % PRIME, -1, PRIME)
        support = self.support(vector)
        factor = {other: self.row(other)[vector] * pivot % PRIME for other in support}
        members = _Members(self, np.frombuffer(harmed, dtype=bool), np.frombuffer(known, dtype=bool))
        others, partners = [], []
        for other in sorted(support):
            if other == unknown or not (harmed[other] or known[other]):
                continue
            entries = self.row(other)
            left = [place for place in entries if place not in row]
            if left:
                through = min(left, key=self._length.__getitem__)
            else:
                share = factor[other]
                shared = (place for place in row if (entries.get(place, 0) - share * row[place]) % PRIME)
                through = next(shared, None)
                if through is None:
                    continue
            for place in (through, vector):
                others.append(other)
                partners.append(members.of(place, harmed[other], known[other]))
        if not others:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        one = np.repeat(others, [len(found) for found in partners])
        two = np.concatenate(partners)
        names = np.zeros(len(self.rows), dtype=bool)
        names[others] = names[two] = True
        names = np.flatnonzero(names)
        place = np.zeros(len(self.rows), dtype=np.int64)
        place[names] = np.arange(len(names))
        taken = np.array([factor.get(name, 0) for name in names.tolist()], dtype=np.int64)
        rows = (self.rows[names] - taken[:, None] * self.rows[unknown] % PRIME) % PRIME
        moved = rows.any(axis=1)
        both = np.flatnonzero(moved[place[one]] & moved[place[two]] & (one != two))
        one, two = one[both], two[both]
        tied = _proportional(rows[place[one]], rows[place[two]])
        return one[tied], two[tied]

    def publish(self, unknown: int) -> None:
        """Keep the solutions that are zero at `unknown`."""
        vector = self._shortest(unknown)
        row = self.row(unknown)
        pivot = pow(row.pop(vector) % PRIME, -1, PRIME)
        support = self.support(vector)
        support.discard(unknown)
        others = np.fromiter(sorted(support), np.int64, len(support))
        factors = []
        for other in others.tolist():
            entries = self.row(other)
            factor = entries.pop(vector) * pivot % PRIME
            factors.append(factor)
            for place, value in row.items():
                old = entries.get(place)
                new = ((old or 0) - value * factor) % PRIME
                if new:
                    entries[place] = new
                    if old is None:
                        self.support(place).add(other)
                elif old is not None:
                    del entries[place]
                    self.support(place).discard(other)
        for place in row:
            self.support(place).discard(unknown)
        self.rows[others] = (
            self.rows[others] - np.array(factors, dtype=np.int64)[:, None] * self.rows[unknown] % PRIME
        ) % PRIME
        self.rows[unknown] = 0
        row.clear()
        support.clear()


class _Members:
    """The unknowns of vectors, as arrays, that may be partners of one that is harmed or known, or both."""

    def __init__(self, solutions: Solutions, harmed: np.ndarray, known: np.ndarray) -> None:
        self._solutions, self._harmed, self._known = solutions, harmed, known
        self._found: dict[tuple[int, int, int], np.ndarray] = {}

    def of(self, vector: int, harmed: int, known: int) -> np.ndarray:
        """Who of `vector` is known where the other is harmed, and harmed where the other is known."""
        found = self._found.get((vector, harmed, known))
        if found is None:
            support = self._solutions.support(vector)
            found = np.fromiter(support, np.int64, len(support))
            found = found[(self._known[found] & bool(harmed)) | (self._harmed[found] & bool(known))]
            self._found[vector, harmed, known] = found
        return found


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

    @property
    def concerned(self) -> tuple[np.ndarray, np.ndarray]:
        """Masks of columns that harbour a primary, and that are known to somebody."""
        return self._owner > -3, self._known >= 0

    @property
    def most_pairs(self) -> int:
        """How many pairs there are at most."""
        mine, known = self.concerned
        return int(mine.sum()) * int(known.sum())

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """All pairs (column, known column) in which somebody would learn a primary."""
        mine, known = (np.flatnonzero(mask) for mask in self.concerned)
        one, two = np.repeat(mine, len(known)), np.tile(known, len(mine))
        learns = self.learns(one, two) & (one != two)
        return one[learns], two[learns]

    def learns(self, column: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Mask: a stranger knows `known` and would learn a primary of `column`."""
        return (self._owner[column] > -3) & (self._known[known] >= 0) & (self._owner[column] != self._known[known])


def _open_at_once(
    basis: Basis, rows: np.ndarray, asked: np.ndarray, foreign: list[_Foreign], threads: int | None
) -> np.ndarray:
    """Mask of `asked` [columns] that `_opens` finds to open something, for many at a time."""
    out = np.zeros(len(asked), dtype=bool)
    by_vector = basis.vectors.tocsc()
    concerned = np.logical_or.reduce([mask for side in foreign for mask in side.concerned])

    def opened(begin: int) -> np.ndarray:
        some = asked[begin : begin + TOGETHER]
        place, one, two = _tied_at_once(basis.vectors, by_vector, rows, some, concerned, foreign)
        return begin + place[np.logical_or.reduce([side.learns(one, two) | side.learns(two, one) for side in foreign])]

    for places in in_threads(opened, range(0, len(asked), TOGETHER), threads):
        out[places] = True
    return out


def _tied_at_once(
    vectors: sp.csr_matrix,
    by_vector: sp.csc_matrix,
    rows: np.ndarray,
    asked: np.ndarray,
    concerned: np.ndarray,
    foreign: list[_Foreign],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(position in `asked`, unknown, unknown): pairs that determine each other once that one is published.

    As `Solutions.tied`, for many at a time.
    """
    length = np.diff(by_vector.indptr)
    place, vector, value = gather(vectors, asked)
    key = place * vectors.shape[1] + vector
    order = np.lexsort((vector, length[vector], place))
    first = order[np.append(True, np.diff(place[order]) != 0)[: len(order)]]
    present, shortest = place[first], vector[first]
    pivot = inverse(value[first])
    # Each unknown in the shortest vector through the one asked for, and how much of that one it takes over.
    at, other, entry = gather(by_vector, shortest)
    factor = entry % PRIME * pivot[at] % PRIME
    at = present[at]
    taken = at * vectors.shape[0] + other
    by_taken = np.argsort(taken)
    partner = np.flatnonzero((other != asked[at]) & concerned[other])
    # The shortest of its vectors that the one asked for has no part in.
    of, through, _ = gather(vectors, other[partner])
    elsewhere = ~np.isin(at[partner][of] * vectors.shape[1] + through, key)
    of, through = of[elsewhere], through[elsewhere]
    lone = np.setdiff1d(np.arange(len(partner)), of)
    # Those that have none: one of which something is left when its share of the published one's is gone.
    to, shared, whole = gather(vectors, asked[at[partner[lone]]])
    own = _entries_at(vectors, other[partner[lone]][to], shared)
    left = (own - factor[partner[lone]][to] * (whole % PRIME)) % PRIME != 0
    of, through = np.concatenate((of, lone[to[left]])), np.concatenate((through, shared[left]))
    order = np.lexsort((through, length[through], of))
    first = order[np.append(True, np.diff(of[order]) != 0)[: len(order)]]
    partner, through = partner[of[first]], through[first]
    found = [np.zeros((3, 0), dtype=np.int64)]
    for whose in (through, shortest[np.searchsorted(present, at[partner])]):
        to, second, _ = gather(by_vector, whose)
        one = partner[to]
        fits = np.logical_or.reduce(
            [side.learns(other[one], second) | side.learns(second, other[one]) for side in foreign]
        )
        fits &= (second != other[one]) & (second != asked[at[one]])
        one, second = one[fits], second[fits]
        wanted = at[one] * vectors.shape[0] + second
        where = np.minimum(np.searchsorted(taken, wanted, sorter=by_taken), len(taken) - 1)
        has = taken[by_taken[where]] == wanted
        share = np.where(has, factor[by_taken[where]], 0)
        base = rows[asked[at[one]]]
        left = (rows[other[one]] - factor[one][:, None] * base % PRIME) % PRIME
        right = (rows[second] - share[:, None] * base % PRIME) % PRIME
        tied = left.any(axis=1) & right.any(axis=1) & _proportional(left, right)
        found.append(np.stack((at[one[tied]], other[one[tied]], second[tied])))
    return tuple(np.concatenate(found, axis=1))


def _entries_at(matrix: sp.csr_matrix, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """The entries of a matrix with sorted indices in the given places, 0 where it has none."""
    keys = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)) * matrix.shape[1] + matrix.indices
    wanted = row * matrix.shape[1] + column
    where = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[where] == wanted, matrix.data[where], 0)


def _proportional(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Mask of pairs of rows [pairs, 3] that are proportional modulo PRIME; rows of zeros are to every other."""
    return ((one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]) % PRIME == 0) & (
        (one[:, 0] * two[:, 2] - one[:, 2] * two[:, 0]) % PRIME == 0
    )


def _opens(solutions: Solutions, column: int, foreign: list[_Foreign], concerned: tuple[bytes, bytes]) -> bool:
    """Would publishing `column` let an insider who knows one cell compute a primary?"""
    one, two = solutions.tied(column, *concerned)
    return any((side.learns(one, two) | side.learns(two, one)).any() for side in foreign)
