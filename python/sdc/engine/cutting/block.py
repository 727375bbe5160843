"""One connected block of a table: the cells that can move, their slacks, and what must be reached."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import scipy.sparse as sp

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
    """One requirement on one primary cell: `cell` is a position in the block."""

    cell: int
    kind: Kind
    level: float

    @property
    def senses(self) -> tuple[int, ...]:
        """Directions of the cell in which the attacker is asked: +1 up, -1 down."""
        return {Kind.UP: (1,), Kind.DOWN: (-1,)}.get(self.kind, (1, -1))


@dataclass(frozen=True)
class Block:
    """Cells that can be suppressed and are linked with each other by relations.

    `cells` [n] and `relations` [m] are positions in the system, ascending. `A` is m x n in CSC form, with
    rows that have no such cell left out. `primary` [n] are suppressed in any case; `cost` [n] >= 0; `up`,
    `down` [n] are how far an attacker believes that a cell may lie above and below its value (infinite where
    unbounded).
    """

    cells: np.ndarray
    relations: np.ndarray
    A: sp.csc_matrix
    primary: np.ndarray
    cost: np.ndarray
    up: np.ndarray
    down: np.ndarray
    targets: tuple[Target, ...]

    @property
    def n(self) -> int:
        """Number of cells."""
        return len(self.cells)

    def room(self, target: Target) -> tuple[np.ndarray, np.ndarray]:
        """`up` and `down` [n] in units of the target's level."""
        return self.up / target.level, self.down / target.level


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
            out.append(Target(position, Kind.INTEGERS, 1.0))
    elif not out:
        out.append(Target(position, Kind.WIDTH, 2 * TOLERANCE * max(1.0, abs(float(system.value[cell])))))
    return out


def blocks_of(system: System, movable: np.ndarray | None = None) -> list[Block]:
    """Split a system into its connected blocks that have a primary, in order of their first cell.

    `movable` [n] masks the cells that may be suppressed (default: primaries and candidates). The others are
    constants to the attacker and do not connect anything.
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
    blocks = [_block(system, movable[inside], matrix[:, inside]) for inside in groups]
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
    )
