"""Sets of columns that hang together closely, to look for displacements in.

Closeness is a short random walk between columns and relations: a relation passes its weight on in equal parts, so small
relations bind more than large ones. A column with most of its relations touched can take up what others hand on and
comes before one that would need further company. Everything is deterministic; ties go to the smaller column.
"""

from __future__ import annotations

import numpy as np

from sdc.engine.view import View, gather

# Smallest number of columns taken in a round.
STEP = 64


class Growth:
    """Neighbourhoods of the columns `seeds`, side by side, that can be grown on.

    Each is what it would be alone, and they may overlap. `charge` [columns], >= 0, makes columns less attractive, in
    units of `scale` [seeds].
    """

    def __init__(
        self, view: View, seeds: np.ndarray, charge: np.ndarray | None = None, scale: np.ndarray | None = None
    ) -> None:
        self._view = view
        self._charge, self._scale = charge, scale
        # Columns and relations of the neighbourhoods are told apart by keys: owner * how many there are + number.
        self._inside = [np.arange(len(seeds)) * view.columns + seeds]
        self._new = self._inside[0]
        self._size = np.ones(len(seeds), dtype=np.int64)
        # Reached columns, their walk's weight, and how many of their relations have been reached.
        self._reached = np.zeros(0, dtype=np.int64)
        self._score = self._touched = np.zeros(0)
        self._taken = np.zeros(0, dtype=bool)
        self._seen = np.zeros(0, dtype=np.int64)

    def to(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """At most `size` columns of each, fewer when its component is smaller: (owner, column), both ascending."""
        view, columns, many = self._view, max(self._view.columns, 1), max(self._view.by_relation.shape[0], 1)
        while (self._size < size).any() and len(self._new):
            position, relation, _ = gather(view.by_column, self._new % columns)
            relations, times = np.unique(self._new[position] // columns * many + relation, return_counts=True)
            position, column, _ = gather(view.by_relation, relations % many)
            length = view.lengths[relations % many]
            first = ~_within(relations, self._seen)
            self._seen = np.sort(np.concatenate((self._seen, relations[first])))
            weights = np.stack(((times / length)[position], first[position].astype(float)))
            column = (relations // many)[position] * columns + column
            reached, where = np.unique(np.concatenate((self._reached, column)), return_inverse=True)
            old, fresh = where[: len(self._reached)], where[len(self._reached) :]
            score = np.bincount(fresh, weights=weights[0], minlength=len(reached)).astype(float)
            touched = np.bincount(fresh, weights=weights[1], minlength=len(reached)).astype(float)
            taken = np.zeros(len(reached), dtype=bool)
            score[old] += self._score
            touched[old] += self._touched
            taken[old] = self._taken
            if len(self._inside) == 1:
                taken[_within(reached, self._inside[0])] = True
            self._reached, self._score, self._touched, self._taken = reached, score, touched, taken
            open_ = np.flatnonzero(~taken)
            owner, at = np.divmod(reached[open_], columns)
            take = np.minimum(size - self._size, np.maximum(STEP, self._size // 2))
            if (np.bincount(owner, minlength=len(take)) > take).any():
                attraction = score[open_] * (touched[open_] / view.degrees[at]) ** 2
                if self._charge is not None:
                    attraction = attraction / (1.0 + self._charge[at] / self._scale[owner])
                order = np.lexsort((at, -attraction, owner))
                rank = np.arange(len(order)) - np.searchsorted(owner, np.arange(len(take)))[owner]
                open_ = np.sort(open_[order[rank < take[owner]]])
            taken[open_] = True
            self._new = reached[open_]
            self._inside.append(self._new)
            self._size += np.bincount(self._new // columns, minlength=len(self._size))
        return np.divmod(np.sort(np.concatenate(self._inside)), columns)


def _within(values: np.ndarray, ascending: np.ndarray) -> np.ndarray:
    """Mask of `values` that occur in `ascending`."""
    if len(ascending) == 0:
        return np.zeros(len(values), dtype=bool)
    return ascending[np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)] == values


def grow(view: View, seed: int, size: int) -> np.ndarray:
    """At most `size` columns around the column `seed`, ascending; fewer when its component is smaller."""
    return Growth(view, np.array([seed])).to(size)[1]


def peel(view: View, columns: np.ndarray) -> np.ndarray:
    """Those of `columns` that can move while all others stand still, as far as `movable` tells."""
    owner, relation, coefficient = gather(view.by_column, columns)
    up, down = movable(
        np.unique(relation, return_inverse=True)[1],
        owner,
        coefficient,
        view.room_up[columns] > 0,
        view.room_down[columns] > 0,
    )
    return columns[up | down]


def movable(
    relation: np.ndarray, column: np.ndarray, coefficient: np.ndarray, up: np.ndarray, down: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which columns can rise and which can fall, of those for which the bounds `up`, `down` bool[columns] have room.

    In each relation another column must be able to make up for it, repeatedly. Necessary and not sufficient. Entries
    are of the relations 0, 1, ... restricted to the columns.
    """
    positive = coefficient > 0
    relations = int(relation.max(initial=-1)) + 1
    while True:
        more = np.where(positive, up[column], down[column])
        less = np.where(positive, down[column], up[column])
        balanced = np.bincount(relation[less], minlength=relations)[relation] > less
        no_more = more & ~balanced
        balanced = np.bincount(relation[more], minlength=relations)[relation] > more
        no_less = less & ~balanced
        if not no_more.any() and not no_less.any():
            return up, down
        up, down = up.copy(), down.copy()
        up[column[np.where(positive, no_more, no_less)]] = False
        down[column[np.where(positive, no_less, no_more)]] = False
