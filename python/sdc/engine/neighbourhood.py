"""Sets of columns that hang together closely, to look for displacements in.

Closeness is a short random walk between columns and relations: a relation passes its weight on in equal parts, so small
relations bind more than large ones. A column with most of its relations touched can take up what others hand on and
comes before one that would need further company. Everything is deterministic; ties go to the smaller column.
"""

from __future__ import annotations

import numpy as np

from sdc.engine.view import View, gather

# Smallest number of columns taken in a round.
STEP = 16


def grow(view: View, seed: int, size: int, charge: np.ndarray | None = None) -> np.ndarray:
    """At most `size` columns around the column `seed`, ascending; fewer when its component is smaller.

    `charge` [columns], >= 0, makes columns less attractive.
    """
    degree = np.diff(view.by_column.indptr)
    inside = np.array([seed], dtype=np.int64)
    new = inside
    reached = np.zeros(0, dtype=np.int64)
    score = touched = np.zeros(0)
    seen = np.zeros(0, dtype=np.int64)
    while len(inside) < size:
        _, relation, _ = gather(view.by_column, new)
        relations, times = np.unique(relation, return_counts=True)
        owner, column, _ = gather(view.by_relation, relations)
        length = np.bincount(owner, minlength=len(relations))
        gain = (times / length)[owner]
        first = (~np.isin(relations, seen, assume_unique=True))[owner].astype(float)
        seen = np.union1d(seen, relations)
        reached, where = np.unique(np.concatenate((reached, column)), return_inverse=True)
        score = np.bincount(where, weights=np.concatenate((score, gain)), minlength=len(reached))
        touched = np.bincount(where, weights=np.concatenate((touched, first)), minlength=len(reached))
        fresh = np.flatnonzero(~np.isin(reached, inside, assume_unique=True))
        if len(fresh) == 0:
            break
        at = reached[fresh]
        take = min(size - len(inside), max(STEP, len(inside) // 2))
        if len(at) > take:
            attraction = score[fresh] * (touched[fresh] / degree[at]) ** 2
            if charge is not None:
                attraction = attraction / (1.0 + charge[at])
            at = at[np.lexsort((at, -attraction))[:take]]
        new = np.sort(at)
        inside = np.union1d(inside, new)
    return inside


def peel(view: View, columns: np.ndarray) -> np.ndarray:
    """Those of `columns` that are not alone among them in any relation, repeatedly: the others cannot move."""
    _, matrix = view.local(columns)
    owner = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    column = matrix.indices
    alive = np.ones(len(columns), dtype=bool)
    while True:
        live = alive[column]
        counts = np.bincount(owner[live], minlength=matrix.shape[0])
        stuck = column[live & (counts[owner] == 1)]
        if len(stuck) == 0:
            return columns[alive]
        alive[stuck] = False
