"""Cheapest displacements where few solutions span all others, as in cubes of many dimensions: programs over a basis.

A cube of seven dimensions has 2,187 cells, 5,103 relations, and solutions of 128 dimensions. Over the vectors V of a
basis, the cheapest d = V y with d[t] = 1 and `-down <= d <= up` is the dual of

    min u[t] + up @ rise + down @ fall   with V' (u + rise - fall) = 0, |u| <= price, u[t] free, rise, fall >= 0

which has one row for each vector: y are the prices of these rows. It is solved some ten times faster than the program
over cells and relations, and faster again from the optimum for another target.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from sdc.engine import elimination
from sdc.engine.cutting import solver

# Most columns of a matrix that are worth a basis of all, vectors of one, and columns for each vector at least.
COLUMNS, VECTORS, EACH = 6_000, 400, 3
# Bounds of so many times the displacement are left out until one of them is in the way.
NEAR = 2.0
# Part of a bound by which it may be missed.
SLIP = 1e-7


class Spanned:
    """The solutions of relations by a basis of few vectors; `of` makes one where there is such a basis.

    `rows` and `columns` are those of the program.
    """

    def __init__(self, vectors: sp.csr_matrix, up: np.ndarray, down: np.ndarray) -> None:
        self._vectors = vectors
        self._bounds = np.concatenate((up, down))
        count, self.rows = vectors.shape
        # The program has columns u, and after them rise and fall where the bounds have been in the way: `_sides`, those
        # that fall `count` higher.
        self._sides = np.zeros(0, dtype=np.int64)
        self._there = np.zeros(2 * count, dtype=bool)
        self._both = sp.vstack((vectors, -vectors), format="csr")
        self._solver = solver.new(presolve="off", solver="simplex")
        nothing, zero = np.zeros(count), np.zeros(self.rows)
        self._solver.passModel(solver.model(nothing, nothing, nothing, vectors.T, zero, zero))

    @classmethod
    def of(cls, matrix: sp.csr_matrix, up: np.ndarray, down: np.ndarray) -> Spanned | None:
        """Solutions of `matrix @ d = 0` with `-down <= d <= up`; None unless a whole-numbered basis has few vectors."""
        relations, columns = matrix.shape
        most = min(VECTORS, columns // EACH)
        if columns > COLUMNS or columns - relations > most:
            return None
        # Vectors that move a part and its totals are shorter than others.
        basis = elimination.basis(matrix, size=down)
        if basis is None or not basis.whole.all() or basis.vectors.shape[1] > most:
            return None
        return cls(basis.vectors.astype(float), up, down)

    @property
    def columns(self) -> int:
        """Columns of the program."""
        return self._vectors.shape[0] + len(self._sides)

    def cheapest(
        self, price: np.ndarray, column: int, amount: float, held: np.ndarray | None = None, bounded: bool = True
    ) -> np.ndarray | None:
        """The displacement that moves `column` by `amount` at the least price; `price` [2 columns] is of up and down.

        The columns `held` do not move; the others keep to the bounds if `bounded`. None where the solver found none,
        which proves nothing.
        """
        count = len(price) // 2
        bounds = self._bounds / abs(amount)
        bounds[[column, count + column]] = np.inf
        sign = np.sign(amount)
        price = price.copy()
        for still in (column, held):
            if still is not None:
                price[still] = price[count + still] = np.inf
        missed = bounds <= NEAR
        while True:
            self._reckon(np.flatnonzero(missed & ~self._there & bounded))
            near = bounds[self._sides]
            used = bounded & np.isfinite(near)
            cost = np.concatenate((np.zeros(count), np.where(used, near, 0.0)))
            cost[column] = sign
            at = np.arange(self.columns, dtype=np.int32)
            least = np.concatenate((-price[count:], np.zeros(len(near))))
            most = np.concatenate((price[:count], np.where(used, np.inf, 0.0)))
            self._solver.changeColsBounds(len(at), at, least, most)
            self._solver.changeColsCost(len(at), at, cost)
            self._solver.run()
            if self._solver.getModelStatus() != solver.OPTIMAL:
                return None
            found = self._vectors @ np.array(self._solver.getSolution().row_dual)
            missed = np.concatenate((found, -found)) > bounds * (1 + SLIP)
            if not (missed & ~self._there & bounded).any():
                return found * abs(amount) if abs(found[column] - sign) < SLIP else None

    def _reckon(self, sides: np.ndarray) -> None:
        """Reckon with these bounds from now on."""
        self._there[sides] = True
        self._sides = np.concatenate((self._sides, sides))
        rows = self._both[sides]
        zero = np.zeros(len(sides))
        starts, index = rows.indptr[:-1].astype(np.int32), rows.indices.astype(np.int32)
        self._solver.addCols(len(sides), zero, zero, zero, rows.nnz, starts, index, rows.data)
