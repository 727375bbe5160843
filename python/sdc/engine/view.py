"""A system seen through its rigid classes: cells that can only move in proportion count as one column.

On tables most relations have two unknown cells, and parents with one child are common, so classes shrink programs to a
half or a twentieth and keep neighbourhoods from ending in the middle of what moves as one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from sdc.engine import elimination
from sdc.engine.elimination import Basis
from sdc.engine.system import System


def gather(matrix: sp.csr_matrix | sp.csc_matrix, major: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entries of the given major rows: (position in `major`, minor index, value), in order."""
    starts = matrix.indptr[major].astype(np.int64)
    lengths = matrix.indptr[major + 1] - starts
    owner = np.repeat(np.arange(len(major)), lengths)
    before = np.cumsum(lengths) - lengths
    entry = np.arange(len(owner)) + np.repeat(starts - before, lengths)
    return owner, matrix.indices[entry], matrix.data[entry]


@dataclass(frozen=True)
class View:
    """Columns are classes of cells; `by_relation` (CSR) and `by_column` (CSC) hold the relations among them.

    `column` int64[n] is each cell's column, -1 for cells that are fixed or follow exactly; `ratio` float64[n] how far a
    cell moves when its column moves by 1. `room_up`, `room_down` float64[columns] are how far a column may move before
    one of its cells meets the attacker's bounds. Relations that hold by themselves are left out.
    """

    column: np.ndarray
    ratio: np.ndarray
    by_relation: sp.csr_matrix
    by_column: sp.csc_matrix
    room_up: np.ndarray
    room_down: np.ndarray
    _members: np.ndarray
    _starts: np.ndarray

    @cached_property
    def lengths(self) -> np.ndarray:
        """Columns in each relation."""
        return np.diff(self.by_relation.indptr)

    @cached_property
    def degrees(self) -> np.ndarray:
        """Relations of each column."""
        return np.diff(self.by_column.indptr)

    @property
    def columns(self) -> int:
        """Number of columns."""
        return len(self.room_up)

    @cached_property
    def moves(self) -> sp.csr_matrix:
        """How far each cell moves when a column moves by 1, float64[n, columns]."""
        inside = np.flatnonzero(self.column >= 0)
        entries = (self.ratio[inside], (inside, self.column[inside]))
        return sp.csr_matrix(entries, shape=(len(self.column), self.columns))

    @classmethod
    def of(cls, system: System, column: np.ndarray, ratio: np.ndarray) -> View:
        """Build from each cell's column and ratio; columns are 0, 1, ... without gaps."""
        cells = np.flatnonzero(column >= 0)
        number = int(column.max(initial=-1)) + 1
        order = cells[np.argsort(column[cells], kind="stable")]
        starts = np.searchsorted(column[order], np.arange(number + 1))
        matrix = _joined(system.A, column, ratio, number)
        size = np.abs(ratio[order])
        above = np.maximum(system.upper - system.value, 0.0)[order]
        below = np.maximum(system.value - system.lower, 0.0)[order]
        forward = ratio[order] > 0
        room_up = np.where(forward, above, below) / size
        room_down = np.where(forward, below, above) / size
        if number:
            room_up = np.minimum.reduceat(room_up, starts[:-1])
            room_down = np.minimum.reduceat(room_down, starts[:-1])
        return cls(column, ratio, matrix, matrix.tocsc(), room_up, room_down, order, starts)

    @classmethod
    def rigid(cls, system: System, suppressed: np.ndarray) -> View:
        """All classes of the suppressed cells, by exact elimination; as `paired` where that ran out of work."""
        return Space.of(system, suppressed).rigid(system)

    @classmethod
    def paired(cls, system: System, movable: np.ndarray) -> View:
        """Classes of the cells in the mask `movable` that relations with two of them tie together, repeatedly.

        Relations with one such cell fix it. Quick, and enough where `movable` is most of the table.
        """
        column = np.where(movable, np.cumsum(movable) - 1, -1)
        ratio = movable.astype(float)
        matrix = _joined(system.A, column, ratio, int(movable.sum()))
        while True:
            counts = np.diff(matrix.indptr)
            alone = matrix.indices[matrix.indptr[:-1][counts == 1]]
            pairs = matrix[counts == 2]
            if len(alone) == 0 and pairs.shape[0] == 0:
                return cls.of(system, column, ratio)
            columns = matrix.shape[1]
            fixed = np.zeros(columns, dtype=bool)
            fixed[alone] = True
            leader, factor = _tie(pairs, fixed)
            kept = np.flatnonzero((leader == np.arange(columns)) & ~fixed)
            renumber = np.full(columns, -1, dtype=np.int64)
            renumber[kept] = np.arange(len(kept))
            onward = np.where(fixed, -1, renumber[leader])
            matrix = _joined(matrix, onward, factor, len(kept))
            inside = np.flatnonzero(column >= 0)
            old = column[inside]
            ratio[inside] *= factor[old]
            column[inside] = onward[old]
            ratio[inside[onward[old] < 0]] = 0.0

    def members(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cells of the columns and the position in `columns` that each belongs to."""
        starts = self._starts[columns]
        lengths = self._starts[columns + 1] - starts
        owner = np.repeat(np.arange(len(columns)), lengths)
        before = np.cumsum(lengths) - lengths
        return self._members[np.arange(len(owner)) + np.repeat(starts - before, lengths)], owner

    def expand(self, columns: np.ndarray, displacement: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Displacement of columns as displacement of cells: (cells, displacement)."""
        cells, owner = self.members(columns)
        return cells, displacement[owner] * self.ratio[cells]

    def local(self, columns: np.ndarray) -> tuple[np.ndarray, sp.csr_matrix]:
        """All relations that touch `columns`, restricted to them: (relations ascending, matrix).

        A displacement of these columns alone is feasible iff this matrix maps it to zero: everything else stays
        fixed, which only shrinks what the attacker cannot rule out.
        """
        owner, relation, coefficient = gather(self.by_column, columns)
        relations, row = np.unique(relation, return_inverse=True)
        return relations, sp.csr_matrix((coefficient, (row, owner)), shape=(len(relations), len(columns)))


@dataclass(frozen=True)
class Space:
    """What the relations leave open of a pattern: the classes of its suppressed cells and a basis of the solutions.

    `basis` is None where elimination ran out of work.
    """

    view: View
    basis: Basis | None

    @classmethod
    def of(cls, system: System, suppressed: np.ndarray) -> Space:
        """The space of the mask `suppressed` [n]."""
        view = View.paired(system, suppressed)
        return cls(view, elimination.basis(view.by_relation))

    @property
    def determined(self) -> np.ndarray:
        """Mask [n] of cells that follow from the relations, published ones among them. Needs a basis."""
        return np.append(self.basis.determined, True)[self.view.column]

    def rigid(self, system: System) -> View:
        """The view with all cells in one column that move in proportion."""
        view = self.view
        if self.basis is None:
            return view
        number, factor = elimination.rigid_classes(self.basis)
        if len(number) and number.min() >= 0 and len(np.unique(number)) == view.columns:
            return view
        inside = view.column >= 0
        column, ratio = view.column.copy(), view.ratio.copy()
        ratio[inside] *= factor[view.column[inside]]
        column[inside] = number[view.column[inside]]
        ratio[column < 0] = 0.0
        return View.of(system, column, ratio)


def _joined(matrix: sp.csr_matrix, column: np.ndarray, ratio: np.ndarray, columns: int) -> sp.csr_matrix:
    """The matrix with its columns multiplied by `ratio` and added up to new ones, where -1 leaves a column out."""
    new = column[matrix.indices]
    kept = new >= 0
    data = matrix.data[kept] * ratio[matrix.indices[kept]]
    starts = np.append(0, np.cumsum(kept))[matrix.indptr]
    out = sp.csr_matrix((data, new[kept], starts), shape=(matrix.shape[0], columns))
    out.sum_duplicates()
    out.data[np.abs(out.data) < 1e-12] = 0.0
    out.eliminate_zeros()
    return out[np.diff(out.indptr) > 0]


def _tie(pairs: sp.csr_matrix, fixed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leader and factor of each column: relations a*x + b*y = 0 tie x to y = -a/b * x.

    Each column follows its smallest partner in one step only, so that factors need no search; callers repeat. Columns
    tied to a fixed one become fixed in the next step.
    """
    columns = len(fixed)
    left, right = pairs.indices[0::2].astype(np.int64), pairs.indices[1::2].astype(np.int64)
    low, high = np.minimum(left, right), np.maximum(left, right)
    factor_of_high = np.where(left < right, -pairs.data[0::2] / pairs.data[1::2], -pairs.data[1::2] / pairs.data[0::2])
    leader = np.arange(columns)
    factor = np.ones(columns)
    usable = ~fixed[low] & ~fixed[high]
    low, high, factor_of_high = low[usable], high[usable], factor_of_high[usable]
    order = np.lexsort((low, high))[::-1]
    leader[high[order]] = low[order]
    factor[high[order]] = factor_of_high[order]
    # Follow chains by pointer jumping; the smallest column of a chain leads it.
    while True:
        onward = leader[leader]
        if (onward == leader).all():
            return leader, factor
        factor = factor * np.where(leader != np.arange(columns), factor[leader], 1.0)
        leader = onward
