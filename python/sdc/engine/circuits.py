"""Prove many cells protected at once by the vectors of a basis: no linear program is needed for most of a table.

A vector of a sparse basis of solutions is a displacement of a dozen cells, nearly always by one each, and so another
table that the attacker cannot rule out as far as the bounds allow. Each cell takes the vector that lets it rise
furthest and the one that lets it fall furthest.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from sdc.engine import deadlines, elimination
from sdc.engine.elimination import Basis
from sdc.engine.pattern import Pattern, scales
from sdc.engine.view import View, gather

# Bases tried one after the other; each proves most of what the one before did not.
TURNS = 6
# A further basis is not worth its elimination for fewer cells than this part of the columns.
FEW = 1 / 1000
# Nor is it when the one before proved less than this part.
GAIN = 0.3


def certify_by_basis(pattern: Pattern, deadline: float | None = None) -> None:
    """Record, for unproven cells, the vectors of a basis of solutions that move them furthest; of several bases.

    After `deadline` (time.monotonic) no further basis is begun.
    """
    space = pattern.space()
    view, basis = space.view, space.basis
    before = 0
    for turn in range(TURNS):
        unmet = pattern.unmet()
        unmet = unmet[view.column[unmet] >= 0]
        few = len(unmet) <= FEW * view.columns or len(unmet) > (1 - GAIN) * before
        if len(unmet) == 0 or (turn > 0 and few) or deadlines.passed(deadline):
            return
        if turn > 0:
            basis = elimination.basis(view.by_relation, turn=turn)
        if basis is None:
            return
        before = len(unmet) if turn else np.inf
        pattern.add_points(_furthest(view, basis, np.unique(view.column[unmet])))


def _furthest(view: View, basis: Basis, wanted: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Vectors of the basis, as points, that let the columns `wanted` rise and fall furthest, the shortest of equals."""
    vectors = basis.vectors[:, np.flatnonzero(basis.whole)].tocsc()
    columns = vectors.shape[1]
    if columns == 0:
        return []
    lengths = np.diff(vectors.indptr)
    owner = np.repeat(np.arange(columns), lengths)
    forth, back = (scale[owner] * vectors.data for scale in scales_of(view, vectors))
    asked = np.zeros(view.columns, dtype=bool)
    asked[wanted] = True
    entry = np.flatnonzero(asked[vectors.indices])
    entry = entry[np.argsort(vectors.indices[entry], kind="stable")]
    chosen = np.zeros(columns, dtype=bool)
    for furthest in (np.maximum(forth, -back), np.maximum(back, -forth)):
        best = entry
        for key in (furthest, -lengths[owner]):
            first = np.flatnonzero(np.append(True, np.diff(vectors.indices[best]) != 0)[: len(best)])
            most = np.maximum.reduceat(key[best], first) if len(first) else key[:0]
            best = best[key[best] == np.repeat(most, np.diff(np.append(first, len(best))))]
        last = np.append(np.diff(vectors.indices[best]) != 0, True)[: len(best)]
        chosen[owner[best[last & (furthest[best] > 0)]]] = True
    return as_points(view, vectors, np.flatnonzero(chosen))


def scales_of(view: View, vectors: sp.csc_matrix) -> tuple[np.ndarray, np.ndarray]:
    """`scales` of the vectors of a basis of the view."""
    return scales(vectors.indices, vectors.data, vectors.indptr[:-1], view.room_up, view.room_down)


def as_points(view: View, vectors: sp.csc_matrix, chosen: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The vectors with the numbers `chosen` as displacements of cells."""
    number, column, value = gather(vectors, chosen)
    cells, of = view.members(column)
    displacement = (value[of] * view.ratio[cells]).astype(float)
    order = np.lexsort((cells, number[of]))
    ends = np.cumsum(np.bincount(number[of]))[:-1]
    return list(zip(np.split(cells[order], ends), np.split(displacement[order], ends), strict=True))
