"""Other tables that an attacker cannot rule out, looked for among all at once by programs over suppressed cells."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import scipy.sparse as sp

from sdc.engine import lp
from sdc.engine.pattern import NOISE, Pattern

# With a basis of no more vectors a program over all columns is quicker than one over a neighbourhood.
VECTORS = 100
# Columns move up to so many times the largest displacement that any cell asks for.
FAR = 8.0
# Steps of the simplex method that a program takes as long to be read as.
READ = 100


def has_few(pattern: Pattern) -> bool:
    """Do few vectors span what the relations leave open of the pattern?"""
    basis = pattern.space().basis
    return basis is not None and bool(basis.whole.all()) and basis.vectors.shape[1] <= VECTORS


def prove_each(pattern: Pattern) -> None:
    """Record, for each unproven cell, another table in which it has another value, if there is one.

    For patterns with few vectors and cells without levels.
    """
    others = Others(pattern)
    for cell in pattern.unmet().tolist():
        if pattern.space().view.column[cell] >= 0 and not pattern.met(np.array([cell]))[0]:
            for point in others.move(cell).shown:
                pattern.add_point(*point)


@dataclass
class Moved:
    """Can a cell have a `second` value (None if the solver did not say), the displacement (cells, moves) that shows it,
    and the work of the programs, in steps of the simplex method times columns."""

    second: bool | None = False
    shown: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    work: int = 0


class Others:
    """The other tables that what is published leaves open, as programs over all suppressed cells."""

    def __init__(self, pattern: Pattern) -> None:
        self._view, needs = pattern.space().view, pattern.needs
        self._column, self._size = self._view.column, np.abs(self._view.ratio)
        self._enough, self._step, self._integer = needs.second, needs.step, needs.integer
        # Far enough for all; what could move without end would show nothing.
        inside = np.flatnonzero(self._column >= 0)
        far = FAR * float((needs.step[inside] / self._size[inside]).max(initial=0.0))
        self._up, self._down = np.minimum(self._view.room_up, far), np.minimum(self._view.room_down, far)
        # A basis of few vectors has far fewer unknowns than there are cells.
        self._vectors = pattern.space().basis.vectors.astype(float) if has_few(pattern) else None

    def move(self, cell: int, known: np.ndarray | tuple = (), avoided: np.ndarray | tuple = ()) -> Moved:
        """Can the cell have a second value while the cells `known` have theirs?

        The displacement moves the cells `avoided`, listed as often as that counts, as little as may be.
        """
        column, held, answer = int(self._column[cell]), self._columns(known), Moved()
        if column in held:
            return answer
        nothing, price = np.zeros(len(self._up)), np.bincount(self._columns(avoided), minlength=len(self._up))
        price[column] = 0
        low, high = -self._down, self._up.copy()
        low[held] = high[held] = 0.0
        enough, step = self._enough[cell] / self._size[cell], self._step[cell] / self._size[cell]
        ways = [(sign, room) for sign, room in ((1.0, high[column]), (-1.0, -low[column])) if room >= enough]
        least = np.inf
        for sign, room in ways:
            there = low.copy(), high.copy()
            there[0][column] = there[1][column] = sign * min(step, room)
            found = self._least(answer, nothing, price, *there)
            if found.status == lp.OPTIMAL and found.objective < least:
                least = found.objective
                answer.second, answer.shown = True, [self._point(found.x)]
            if found.status not in (lp.OPTIMAL, lp.INFEASIBLE):
                answer.second = answer.second or None
            if least <= NOISE or answer.second is None:
                return answer
        # Less than a step is a second value of what is not whole, too.
        for sign, _ in ways if not answer.second and not self._integer[cell] else ():
            cost = nothing.copy()
            cost[column] = -sign
            found = self._least(answer, cost, nothing, low, high)
            if found.status != lp.OPTIMAL:
                answer.second = None
                return answer
            if -found.objective >= enough:
                answer.second, answer.shown = True, [self._point(found.x)]
                return answer
        return answer

    def _columns(self, cells: np.ndarray | tuple) -> np.ndarray:
        """The columns of these cells, without those of none."""
        columns = self._column[np.asarray(cells, dtype=np.int64)]
        return columns[columns >= 0]

    def _least(
        self, answer: Moved, cost: np.ndarray, price: np.ndarray, low: np.ndarray, high: np.ndarray
    ) -> lp.Solution:
        """The displacement d of columns, `low <= d <= high`, of least `cost @ d + price @ abs(d)`.

        What moves at a price is what it rises less what it falls.
        """
        priced = np.flatnonzero(price)
        rises, falls = np.maximum(high[priced], 0.0), np.maximum(-low[priced], 0.0)
        if self._vectors is None:
            matrix = sp.hstack((self._view.by_relation, -self._view.by_column[:, priced]), format="csr")
            low, high = np.append(low, np.zeros(len(priced))), np.append(high, falls)
            low[priced], high[priced] = 0.0, rises
            found = lp.minimise(np.append(cost + price, price[priced]), matrix, low, high, presolve=True)
            moved = None if found.x is None else found.x[: len(price)].copy()
            if moved is not None:
                moved[priced] -= found.x[len(price) :]
        else:
            # The rows of the basis are the columns, and its unknowns are free.
            free = np.full(self._vectors.shape[1], np.inf)
            each = sp.csr_matrix((np.ones(len(priced)), (priced, np.arange(len(priced)))), (len(price), len(priced)))
            matrix = sp.hstack((self._vectors, -each, each), format="csr")
            found = lp.minimise(
                np.concatenate((cost @ self._vectors, price[priced], price[priced])),
                matrix,
                np.append(-free, np.zeros(2 * len(priced))),
                np.concatenate((free, rises, falls)),
                row_lower=np.where(price > 0, 0.0, low),
                row_upper=np.where(price > 0, 0.0, high),
            )
            moved = None if found.x is None else self._vectors @ found.x[: len(free)]
        answer.work += (found.iterations + READ) * matrix.shape[1]
        return replace(found, x=moved)

    def _point(self, displacement: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The displacement of columns as one of cells."""
        moved = np.flatnonzero(np.abs(displacement) > NOISE * np.abs(displacement).max())
        cells, moves = self._view.expand(moved, displacement[moved])
        order = np.argsort(cells)
        return cells[order], moves[order]
