"""Publish superfluous secondaries, dearest first, keeping every primary's exact protection.

Reverse elimination as in Langsrud (2024), but from a pattern that is nearly right and block by block: the null space
of a block's relations, everything outside held fixed, is kept as a dense basis. Publishing a column projects the basis;
it is allowed unless a primary's row would vanish. A primary that cannot move inside the block owes its protection to
displacements that cross it. Those survive: each can be corrected by block displacements so that it no longer moves the
published columns, which does not touch cells the block cannot move.

This looks at linear dependence only. Levels, whole numbers and prior bounds are the business of certificates and repair
afterwards.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

from sdc.engine.neighbourhood import grow, peel
from sdc.engine.pattern import Pattern
from sdc.engine.view import View

BLOCK = 400
# At most so many blocks are thinned, those around the dearest secondaries: work that does not depend on the machine.
BLOCKS = 40
# Part of a row's squared length that is rounding.
VANISHED = 1e-9


def thin(pattern: Pattern) -> None:
    """Publish secondaries that no primary needs against exact disclosure; secondaries that follow exactly go too."""
    system = pattern.system
    view = View.paired(system, pattern.suppressed)
    has_primary = np.zeros(view.columns, dtype=bool)
    has_primary[view.column[system.primary & (view.column >= 0)]] = True
    inside = np.flatnonzero(view.column >= 0)
    cost = np.bincount(view.column[inside], weights=system.cost[inside], minlength=view.columns)
    alive = np.ones(view.columns, dtype=bool)
    tested = has_primary.copy()
    blocks = 0
    for column in np.lexsort((np.arange(view.columns), -cost)):
        if tested[column]:
            continue
        tested[column] = True
        block = grow(view, int(column), BLOCK)
        block = peel(view, block[alive[block]])
        if column not in block:
            continue
        if blocks == BLOCKS:
            break
        blocks += 1
        gone, seen = _thin_block(view, block, has_primary[block], cost[block])
        tested[block[seen]] = True
        alive[block[gone]] = False
        pattern.suppressed[view.members(block[gone])[0]] = False
    exact = View.rigid(system, pattern.suppressed).column < 0
    pattern.suppressed[exact & ~system.primary] = False


def _thin_block(view: View, block: np.ndarray, primary: np.ndarray, cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions in `block` to publish, and positions that were examined."""
    matrix = view.local(block)[1].toarray()
    triangle = scipy.linalg.qr(matrix.T, pivoting=True, check_finite=False)
    diagonal = np.abs(np.diag(triangle[1]))
    rank = int((diagonal > 1e-9 * max(diagonal.max(initial=0.0), 1.0)).sum())
    basis = np.ascontiguousarray(triangle[0][:, rank:])
    length = np.einsum("ij,ij->i", basis, basis)
    guarded = np.flatnonzero(primary & (length > VANISHED))
    free = np.flatnonzero(~primary & (length > VANISHED))
    start = length[guarded].copy()
    gone = []
    for position in free[np.lexsort((free, -cost[free]))]:
        row = basis[position].copy()
        norm = float(row @ row)
        if norm <= VANISHED:
            continue
        along = basis @ row
        left = length[guarded] - along[guarded] ** 2 / norm
        if (left <= 1e-7 * start).any():
            continue
        basis -= np.outer(along / norm, row)
        length -= along**2 / norm
        gone.append(position)
    return np.array(gone, dtype=np.int64), free
