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
        return asked[~self._harms(self._start[:, :3], asked)]

    def published(self, order: np.ndarray) -> list[int]:
        """Unknowns that are published when they are judged in this order, each by what those before it have left."""
        rows, gone = self._start.copy(), []
        while len(order):
            zero = ~rows[order, :3].any(axis=1)
            gone += order[zero].tolist()
            order = order[~zero]
            order = order[~self._harms(rows[:, :3], order)] if gone else order
            if len(order):
                gone.append(int(order[0]))
                _publish(rows, order[0])
                order = order[1:]
        return gone

    def _harms(self, rows: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """Mask of `asked`: publishing it would determine an unknown that is harmed, or tie a pair."""
        kind = kinds(rows)
        needed = np.zeros(int(kind.max(initial=-1)) + 2, dtype=bool)
        needed[kind[self._harmed]] = True
        needed[-1] = False
        out = needed[kind[asked]]
        one, two = self._pairs
        normal = np.stack([_minor(rows[one], rows[two], at) for at in range(3)], axis=1)
        moves = normal.any(axis=1)
        one, two, normal = one[moves], two[moves], normal[moves].astype(np.uint64)
        left = np.flatnonzero(~out)
        third = rows[asked[left]].astype(np.uint64)
        # Three products of 62 bits are a sum of less than 64.
        total = sum(normal[:, [at]] * third[:, at] for at in range(3))
        pair, place = np.nonzero(total % np.uint64(PRIME) == 0)
        of = kind[asked[left[place]]]
        # What follows itself when it is published ties nothing.
        out[left[place[(kind[one[pair]] != of) & (kind[two[pair]] != of)]]] = True
        return out


def _minor(one: np.ndarray, two: np.ndarray, at: int) -> np.ndarray:
    """A component of the cross products of rows [pairs, 3] modulo PRIME."""
    next_, last = (at + 1) % 3, (at + 2) % 3
    return (one[:, next_] * two[:, last] - one[:, last] * two[:, next_]) % PRIME


def _publish(rows: np.ndarray, unknown: int) -> None:
    """Keep the solutions that are zero at `unknown`: eliminate one dimension."""
    pivot = 3 + int(np.argmax(rows[unknown, 3:] != 0))
    factor = rows[:, pivot] * inverse(rows[[unknown], pivot])[0] % PRIME
    used, moved = np.flatnonzero(rows[unknown]), np.flatnonzero(factor)
    block = np.ix_(moved, used)
    rows[block] = (rows[block] - factor[moved, None] * rows[unknown, used] % PRIME) % PRIME
