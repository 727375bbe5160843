"""One connected block of a table: the cells that can move, their slacks, and what must be reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
import scipy.sparse as sp

from sdc.engine.insiders import Insider
from sdc.engine.needs import TOLERANCE
from sdc.engine.system import System

# A slack smaller than this part of the block's largest value is rounding, not room to move.
NO_ROOM = 1e-9


class Kind(IntEnum):
    """What an attacker's interval of a primary must reach; `level` is in the unit of the cell's value."""

    UP = 0  # max y >= value + level
    DOWN = 1  # min y <= value - level
    WIDTH = 2  # max y - min y >= level
    INTEGERS = 3  # a second whole number is possible: max y >= value + 1 or min y <= value - 1


@dataclass(frozen=True)
class Target:
    """One requirement on one primary cell: `cell` is a position in the block.

    `insider` is the position in `Block.insiders` of the attacker who must not come closer; None: the outsider.
    `exactness` marks what keeps the cell from being computed, which holds against insiders too; levels hold against the
    outsider, for the rules they come from have reckoned with an insider already (the second largest contributor).
    """

    cell: int
    kind: Kind
    level: float
    insider: int | None = None
    exactness: bool = False

    @property
    def senses(self) -> tuple[int, ...]:
        """Directions of the cell in which the attacker is asked: +1 up, -1 down."""
        return {Kind.UP: (1,), Kind.DOWN: (-1,)}.get(self.kind, (1, -1))


@dataclass(frozen=True)
class Block:
    """Cells that can be suppressed and are linked with each other by relations.

    `cells` [n] and `relations` [m] are positions in the system, ascending. `A` is m x n in CSC form, with
    rows that have no such cell left out. `primary` [n] are suppressed in any case (primaries, and
    secondaries that must stay); `cost` [n] >= 0; `up`,
    `down` [n] are how far an attacker believes that a cell may lie above and below its value (infinite where
    unbounded). `targets` are the requirements on primaries; targets on exactness hold against each of the
    `insiders` (in positions of the block) to whom the cell is a secret. `pinning` tells whether insiders reckon
    with `up`, `down` and whole numbers, or compute from the relations only. `secondary_targets` are what the
    other cells need, if suppressed, so as not to be exact.
    """

    cells: np.ndarray
    relations: np.ndarray
    A: sp.csc_matrix
    primary: np.ndarray
    cost: np.ndarray
    up: np.ndarray
    down: np.ndarray
    targets: tuple[Target, ...]
    secondary_targets: tuple[Target, ...] = ()
    insiders: tuple[Insider, ...] = ()
    pinning: bool = True

    @property
    def n(self) -> int:
        """Number of cells."""
        return len(self.cells)

    def room(self, target: Target) -> tuple[np.ndarray, np.ndarray]:
        """`up` and `down` [n] in units of the target's level; none for cells that the attacker knows."""
        up, down = self.up / target.level, self.down / target.level
        if target.insider is not None:
            if not self.pinning:
                up[:] = down[:] = np.inf
            known = self.insiders[target.insider].known
            up[known] = down[known] = 0.0
        return up, down


def targets_of(system: System, cell: int, position: int) -> list[Target]:
    """Requirements on primary `cell` of the system, for its `position` in a block.

    Levels that follow from others are left out. A primary without any level must not be exactly disclosed: a
    whole number needs two whole numbers in its interval, any other value a width that the audit tells from
    zero.
    """
    upl, lpl, spl = float(system.upl[cell]), float(system.lpl[cell]), float(system.spl[cell])
    out = []
    if upl > 0:
        out.append(Target(position, Kind.UP, upl))
    if lpl > 0:
        out.append(Target(position, Kind.DOWN, lpl))
    if spl > upl + lpl:
        out.append(Target(position, Kind.WIDTH, spl))
    if system.integer[cell]:
        if max(upl, lpl) < 1:
            out.append(not_exact(system, cell, position))
    elif not out:
        out.append(not_exact(system, cell, position))
    return out


def not_exact(system: System, cell: int, position: int, width: float = 2 * TOLERANCE) -> Target:
    """What keeps a suppressed cell from being computed: two whole numbers, or a `width` relative to its value."""
    if system.integer[cell]:
        return Target(position, Kind.INTEGERS, 1.0, exactness=True)
    level = width * max(1.0, abs(float(system.value[cell])))
    return Target(position, Kind.WIDTH, level, exactness=True)


def blocks_of(
    system: System,
    movable: np.ndarray | None = None,
    insiders: Sequence[Insider] = (),
    *,
    pinning: bool = True,
    largest: int | None = None,
) -> list[Block]:
    """Split a system into its connected blocks that have a primary, in order of their first cell.

    `movable` [n] masks the cells that may be suppressed (default: primaries and candidates). The others are
    constants to the attacker and do not connect anything. `insiders` are in positions of the system; `pinning` as in
    Block. Blocks of more than `largest` cells are left out.
    """
    movable = np.flatnonzero(system.primary | system.candidate if movable is None else movable)
    matrix = system.A[:, movable].tocsc()
    matrix.sort_indices()
    pattern = abs(matrix)
    links = sp.bmat([[None, pattern.T], [pattern, None]], format="csr")
    _, label = sp.csgraph.connected_components(links, directed=False)
    label = label[: len(movable)]
    order = np.argsort(label, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
    groups = [inside for inside in groups if system.primary[movable[inside]].any()]
    groups = [inside for inside in groups if largest is None or len(inside) <= largest]
    blocks = [
        with_insiders(system, _block(system, movable[inside], matrix[:, inside]), insiders, pinning=pinning)
        for inside in groups
    ]
    return sorted(blocks, key=lambda block: int(block.cells[0]))


def _block(system: System, cells: np.ndarray, columns: sp.csc_matrix) -> Block:
    """The block of the given cells, whose columns of the system's relations are `columns`."""
    relations, row = np.unique(columns.indices, return_inverse=True)
    value = system.value[cells]
    least = NO_ROOM * max(1.0, float(np.abs(value).max()))
    up, down = system.upper[cells] - value, value - system.lower[cells]
    primary = system.primary[cells]
    targets = [t for i in np.flatnonzero(primary) for t in targets_of(system, int(cells[i]), int(i))]
    # Largest first: neighbours in this order have similar capped slacks, which keeps the attacker's basis
    # warm.
    targets.sort(key=lambda t: (-t.level, t.cell, t.kind))
    return Block(
        cells=cells,
        relations=relations,
        A=sp.csc_matrix((columns.data, row, columns.indptr), shape=(len(relations), len(cells))),
        primary=primary,
        cost=system.cost[cells].astype(float),
        up=np.where(up > least, up, 0.0),
        down=np.where(down > least, down, 0.0),
        targets=tuple(targets),
        secondary_targets=tuple(not_exact(system, int(cells[i]), int(i)) for i in np.flatnonzero(~primary)),
    )


def with_insiders(system: System, block: Block, insiders: Sequence[Insider], *, pinning: bool = True) -> Block:
    """The block with the insiders who know cells of it, to whom no primary may be exact that is not their own."""
    inside = tuple(each for each in (insider.within(block.cells) for insider in insiders) if len(each.known))
    if not inside:
        return block
    met = {target.cell for target in block.targets if target.exactness}
    more = [not_exact(system, int(block.cells[i]), int(i)) for i in np.flatnonzero(block.primary) if int(i) not in met]
    return replace(block, insiders=inside, pinning=pinning, targets=(*block.targets, *more))
