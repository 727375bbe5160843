"""Movements of targets as a part of an integer program that chooses the cells they go through.

Model: Fischetti and Salazar-González (2001), section 2, after Kelly, Golden and Assad (1992). With the movements of all
targets it knows all that a safe pattern must satisfy and needs no inequality, but is too large for whole blocks; over
few cells and targets it finds at once what the inequalities approach one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from sdc.engine.cutting.block import Block, Kind, Target

# Cells that may move by less than this part of a level are left out: their coefficients would only do harm.
LEAST_ROOM = 1e-5


@dataclass(frozen=True)
class Movements:
    """Columns `0 <= z <= upper` (whole numbers where `whole`) and rows `choice @ x + moves @ z` within `least`, `most`.

    x are the cells to choose among.
    """

    choice: sp.csr_matrix
    moves: sp.csr_matrix
    least: np.ndarray
    most: np.ndarray
    upper: np.ndarray
    whole: np.ndarray


def movements(block: Block, free: np.ndarray, targets: Sequence[Target]) -> Movements:
    """What must be able to move so that the primaries and the chosen ones of the cells `free` protect `targets`.

    For each direction of a target, every cell has one column for its movement up and one for that down. None moves
    farther than the level, which excludes nothing in two-way tables; in others it can exclude safe patterns.
    """
    cells = np.sort(np.concatenate([np.flatnonzero(block.primary), free]))
    n, chosen = len(cells), np.searchsorted(cells, free)
    upper, asked, whole = [], [], []
    for number, target in enumerate(targets):
        own = int(np.searchsorted(cells, target.cell))
        room = np.concatenate(block.room(target)).reshape(2, -1)[:, cells]
        room = np.where(room >= LEAST_ROOM, np.minimum(room, 1.0), 0.0)
        for sense in target.senses:
            way = 0 if sense > 0 else 1
            asked.append((number, 2 * n * len(upper) + way * n + own))
            upper.append(room.copy())
            upper[-1][1 - way, own] = 0.0
            whole.append(target.kind is Kind.INTEGERS)
    each, owner, column = sp.identity(len(upper)), *np.array(asked).T
    limits = np.ravel(upper)
    relations = block.A[:, cells].tocsr()
    relations = relations[np.diff(relations.indptr) > 0]
    part = sp.diags(np.divide(1.0, limits, out=np.zeros(len(limits)), where=limits > 0))
    both = sp.csr_matrix(
        (np.ones(2 * len(free)), (np.tile(np.arange(len(free)), 2), np.concatenate([chosen, n + chosen]))),
        (len(free), 2 * n),
    )
    demands = sp.csr_matrix((np.ones(len(asked)), (owner, column)), (len(targets), len(limits)))
    balance, links = sp.kron(each, sp.hstack([relations, -relations])), -sp.kron(each, both) @ part
    choice = [
        sp.csr_matrix((balance.shape[0], len(free))),
        sp.kron(np.ones((len(upper), 1)), sp.identity(len(free))),
        sp.csr_matrix((len(targets), len(free))),
    ]
    sizes = balance.shape[0], links.shape[0], len(targets)
    integral = np.zeros(len(limits), bool)
    integral[column] = whole
    return Movements(
        choice=sp.vstack(choice, format="csr"),
        moves=sp.vstack([balance, links, demands], format="csr"),
        least=np.repeat([0.0, 0.0, 1.0], sizes),
        most=np.repeat([0.0, np.inf, np.inf], sizes),
        upper=limits,
        whole=integral,
    )
