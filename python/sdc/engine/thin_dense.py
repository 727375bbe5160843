"""Thinning where few solutions are left: every column is judged at once, on a dense basis.

Cubes of many dimensions leave a space of a dozen dimensions, in which each vector moves half of the cells; looking up
one cell after the other, as `thin` does where vectors are short, is then slow. Here all that could still be published
are judged together, by three random combinations of the basis modulo PRIME: publishing s ties a to b iff their rows are
linearly dependent, that is iff a determinant of three rows is zero. One that is zero by chance, of a probability of
2^-31, keeps a secondary that could go.
"""

from __future__ import annotations

import numpy as np

from sdc.engine.elimination import PRIME, Basis, inverse, kinds

# Pairs and unknowns judged at a time.
JUDGED = 20_000
# PRIME is 2^31 - 1, by which numbers are reduced without a division.
MASK, BITS = np.uint64(PRIME), np.uint64(31)


class DenseSolutions:
    """What can be published of a space of few dimensions.

    `harmed` bool[unknowns] marks unknowns that must not follow; `pairs` (unknowns, unknowns) those that must not follow
    from each other.
    """

    def __init__(self, basis: Basis, harmed: np.ndarray, pairs: tuple[np.ndarray, np.ndarray]) -> None:
        self._start = np.concatenate((basis.project(3), basis.vectors.toarray() % PRIME), axis=1)
        self._harmed = harmed
        self._pairs = pairs

    def free(self, asked: np.ndarray) -> np.ndarray:
        """Those of `asked` that could be published if nothing else were."""
        judge = _Judge(self._start, self._harmed, self._pairs)
        return np.concatenate([asked[:0], *(part[~judge.harms(part)] for part in self._parts(asked))])

    def published(self, order: np.ndarray) -> list[int]:
        """Unknowns that are published when they are judged in this order, each by what those before it have left."""
        rows, gone = self._start.copy(), []
        while len(order):
            zero = ~rows[order, :3].any(axis=1)
            gone += order[zero].tolist()
            order = self._from_next(rows, order[~zero])
            if len(order):
                gone.append(int(order[0]))
                _publish(rows, order[0])
                order = order[1:]
        return gone

    def _from_next(self, rows: np.ndarray, order: np.ndarray) -> np.ndarray:
        """The rest of `order` from the first on that can be published.

        The others need not be judged before that is gone; those before it will not be harmless later either.
        """
        judge = _Judge(rows, self._harmed, self._pairs)
        for done, part in enumerate(parts := self._parts(order)):
            good = part[~judge.harms(part)]
            if len(good):
                return np.concatenate((good, *parts[done + 1 :]))
        return order[:0]

    def _parts(self, asked: np.ndarray) -> list[np.ndarray]:
        """Few enough of `asked` at a time."""
        count = max(1, JUDGED // max(1, len(self._pairs[0])))
        return [asked[begin : begin + count] for begin in range(0, len(asked), count)]


class _Judge:
    """What the solutions `rows` leave: which unknowns harm others when they are published."""

    def __init__(self, rows: np.ndarray, harmed: np.ndarray, pairs: tuple[np.ndarray, np.ndarray]) -> None:
        self._rows, self._kind = rows, kinds(rows[:, :3])
        self._needed = np.zeros(int(self._kind.max(initial=-1)) + 2, dtype=bool)
        self._needed[self._kind[harmed]] = True
        self._needed[-1] = False
        one, two = pairs
        first, second = rows[one, :3].astype(np.uint64), rows[two, :3].astype(np.uint64)
        normal = np.stack([_minor(first, second, at) for at in range(3)])
        moves = normal.any(axis=0)
        self._one, self._two, self._normal = self._kind[one[moves]], self._kind[two[moves]], normal[:, moves]

    def harms(self, asked: np.ndarray) -> np.ndarray:
        """Mask of `asked`: publishing it would determine an unknown that is harmed, or tie a pair."""
        kind = self._kind[asked]
        out = self._needed[kind]
        left = np.flatnonzero(~out & (kind >= 0))
        third = self._rows[asked[left], :3].astype(np.uint64)
        # Three products of 62 bits are a sum of less than 64.
        total = sum(self._normal[at] * third[:, at, None] for at in range(3))
        place, pair = np.nonzero(_is_zero(total))
        of = kind[left[place]]
        # What follows itself when it is published ties nothing.
        out[left[place[(self._one[pair] != of) & (self._two[pair] != of)]]] = True
        return out


def _folded(numbers: np.ndarray) -> np.ndarray:
    """Numbers below 2^64 less multiples of PRIME, about as small as it: 2^31 is 1, so high bits count as low bits."""
    numbers = (numbers & MASK) + (numbers >> BITS)
    return (numbers & MASK) + (numbers >> BITS)


def _is_zero(numbers: np.ndarray) -> np.ndarray:
    """Mask: a number below 2^64 is zero modulo PRIME."""
    numbers = _folded(numbers)
    return (numbers == 0) | (numbers == MASK)


def _minor(one: np.ndarray, two: np.ndarray, at: int) -> np.ndarray:
    """A component of the cross products of rows [pairs, 3] modulo PRIME."""
    next_, last = (at + 1) % 3, (at + 2) % 3
    product = one[:, next_] * two[:, last] + (MASK - one[:, last]) * two[:, next_]
    product = _folded(product)
    return np.where(product == MASK, np.uint64(0), product)


def _publish(rows: np.ndarray, unknown: int) -> None:
    """Keep the solutions that are zero at `unknown`: eliminate one dimension."""
    pivot = 3 + int(np.argmax(rows[unknown, 3:] != 0))
    factor = rows[:, pivot] * inverse(rows[[unknown], pivot])[0] % PRIME
    used, moved = np.flatnonzero(rows[unknown]), np.flatnonzero(factor)
    block = np.ix_(moved, used)
    rows[block] = (rows[block] - factor[moved, None] * rows[unknown, used] % PRIME) % PRIME
