"""What publishing a cell gives away by the relations alone, told by exact linear algebra and without a linear program.

For the outsider, and for each insider, the solutions z of `A z = 0` over the suppressed cells that are zero at what he
knows form a space; a primary follows exactly when its row in a basis of that space is zero. To publish a cell restricts
each space to where the cell's row is zero, and makes a primary follow iff its row is proportional to that of the cell.
Both are some operations on whole matrices modulo a prime. Compare `thin`, which takes many cells at a time in systems
of any size. Bounds, levels and whole numbers ask for more than this, and linear programs tell.
"""

from __future__ import annotations

import numpy as np

from sdc.engine import elimination
from sdc.engine.cutting.block import Block
from sdc.engine.elimination import PRIME

# Numbers in all spaces together, and suppressed cells: beyond these it would take longer than the programs it saves.
LARGEST, CELLS = 4_000_000, 1_500

Space = tuple[np.ndarray, np.ndarray]


class Spaces:
    """The spaces of a block under a pattern, and the primaries that each must not fix."""

    def __init__(self, spaces: list[Space], position: np.ndarray) -> None:
        self._spaces = spaces
        self._position = position

    @classmethod
    def of(cls, block: Block, pattern: np.ndarray) -> Spaces | None:
        """The spaces of the attackers under a safe `pattern` [n]; None where that would be too much work."""
        cells = np.flatnonzero(pattern)
        if len(cells) > CELLS:
            return None
        matrix = block.A[:, cells].tocsr()
        # Coefficients that are no whole numbers are left to the programs.
        found = elimination.basis(matrix) if (matrix.data == np.round(matrix.data)).all() else None
        if found is None or np.prod(found.vectors.shape) * (1 + len(block.insiders)) > LARGEST:
            return None
        basis = found.vectors.toarray() % PRIME
        position = np.full(block.n, -1)
        position[cells] = np.arange(len(cells))
        harmed = np.unique([target.cell for target in block.targets]).astype(np.int64)
        spaces = [(basis, position[harmed])]
        exact = np.unique([target.cell for target in block.targets if target.exactness]).astype(np.int64)
        for insider in block.insiders:
            space = basis
            for cell in position[insider.known[pattern[insider.known]]].tolist():
                space = _restricted(space, cell)
            spaces.append((space, position[np.setdiff1d(exact, insider.own)]))
        return cls(spaces, position)

    def opens(self, cell: int) -> bool:
        """Whether a primary follows for somebody once `cell` is published too."""
        at = int(self._position[cell])
        return any(_follows(space, rows, at) for space, rows in self._spaces)

    def publish(self, cell: int) -> None:
        """Take a cell out of the pattern."""
        at = int(self._position[cell])
        self._spaces = [(_restricted(space, at), rows) for space, rows in self._spaces]


def _follows(space: np.ndarray, rows: np.ndarray, cell: int) -> bool:
    """Whether one of `rows` is proportional to the row of `cell` in a space, and so falls with it."""
    row = space[cell]
    at = np.flatnonzero(row)
    if len(at) == 0:
        return False
    pivot, few = at[0], at[:3]
    others = space[rows]
    others = others[others[:, pivot] != 0]
    # Most rows differ in the next few entries; only the rest are compared in full.
    for columns in (few, slice(None)):
        alike = others[:, columns] * row[pivot] % PRIME == others[:, pivot, None] * row[columns] % PRIME
        others = others[alike.all(axis=1)]
    return len(others) > 0


def _restricted(space: np.ndarray, cell: int) -> np.ndarray:
    """The part of a space in which a cell stands still."""
    return _kernel(space, space[cell])


def _kernel(space: np.ndarray, image: np.ndarray) -> np.ndarray:
    """The part of a space on which a functional is zero that takes the values `image` on its basis."""
    at = np.flatnonzero(image)
    if len(at) == 0:
        return space
    # The sparsest vector is the pivot, which keeps the basis sparse.
    pivot = at[np.argmin((space[:, at] != 0).sum(axis=0))]
    others = at[at != pivot]
    factor = image[others] * pow(int(image[pivot]), -1, PRIME) % PRIME
    moved = np.flatnonzero(space[:, pivot])
    out = space.copy()
    part = np.ix_(moved, others)
    out[part] = (out[part] - space[moved, pivot, None] * factor) % PRIME
    return np.delete(out, pivot, axis=1)
