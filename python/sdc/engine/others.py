"""Other tables that an attacker cannot rule out, looked for among all at once by programs over suppressed cells."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from sdc.engine import lp
from sdc.engine.pattern import NOISE, Pattern

# With a basis of no more vectors a program over all columns is quicker than one over a neighbourhood.
VECTORS = 100
# Columns move up to so many times the largest displacement that any cell asks for.
FAR = 8.0


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
            for point in others.move(cell)[1]:
                pattern.add_point(*point)


class Others:
    """The other tables that one who knows the cells `known` cannot rule out, as a program over all suppressed cells."""

    def __init__(self, pattern: Pattern, known: np.ndarray | tuple = ()) -> None:
        self._view, basis = pattern.space().view, pattern.space().basis
        self._enough = pattern.needs.second
        # Far enough for all; what could move without end would show nothing.
        inside = np.flatnonzero(self._view.column >= 0)
        far = FAR * float((pattern.needs.step[inside] / np.abs(self._view.ratio[inside])).max(initial=0.0))
        up, down = np.minimum(self._view.room_up, far), np.minimum(self._view.room_down, far)
        held = self._view.column[np.asarray(known, dtype=np.int64)]
        up[held[held >= 0]] = down[held[held >= 0]] = 0.0
        if basis.whole.all():
            # A basis has far fewer unknowns than there are cells.
            self._rows = basis.vectors.astype(float)
            free = np.full(self._rows.shape[1], np.inf)
            self._program = lp.Program(self._rows, -free, free, row_lower=-down, row_upper=up)
        else:
            self._rows = sp.eye_array(self._view.columns, format="csr")
            self._program = lp.Program(self._view.by_relation, -down, up)

    def move(self, cell: int) -> tuple[bool | None, list[tuple[np.ndarray, np.ndarray]]]:
        """Can the cell have a second value (None if the solver did not say), and displacements that show it."""
        ratio = float(self._view.ratio[cell])
        row = self._rows[[int(self._view.column[cell])]].toarray().ravel() * ratio
        for cost in (-row, row):
            solution = self._program.minimise(cost)
            if solution.status != lp.OPTIMAL:
                return None, []
            if -solution.objective >= self._enough[cell]:
                displacement = self._rows @ solution.x
                moved = np.flatnonzero(np.abs(displacement) > NOISE * np.abs(displacement).max())
                cells, moves = self._view.expand(moved, displacement[moved])
                order = np.argsort(cells)
                return True, [(cells[order], moves[order])]
        return False, []
