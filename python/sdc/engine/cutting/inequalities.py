"""From an attack to inequalities that every safe pattern satisfies.

An inequality is a vector of coefficients c [n] over the block, read as `sum(c_i x_i over cells that are not
primary) >= 1` with 0 <= c_i <= 1 and c = 0 on primaries.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sdc.engine.cutting.attacker import Attack
from sdc.engine.cutting.block import Block, Kind, Target

# Coefficients below this are left out of what a cell contributes only after the right-hand side has been
# relaxed.
LEAST_COEFFICIENT = 1e-7
LEAST_RESIDUAL = 1e-6


def capacity(block: Block, target: Target, gains: np.ndarray) -> np.ndarray:
    """Capacity [n] of each cell under dual prices `gains`, in units of the level (infinite where unbounded).

    By weak duality the target's reach under pattern x is at most `sum(capacity * x)` (Fischetti and
    Salazar-González 2001, section 3). Any prices give a valid bound.
    """
    up, down = block.room(target)
    out = np.zeros(block.n)
    gain, loss = gains > 0, gains < 0
    out[gain] = gains[gain] * up[gain]
    out[loss] = -gains[loss] * down[loss]
    return out


def from_attacks(block: Block, target: Target, attacks: list[Attack], x: np.ndarray) -> list[np.ndarray]:
    """Inequalities from failed attacks on one target at weights x [n] (all valid, not all violated)."""
    return from_prices(block, target, [attack.gains() for attack in attacks], x)


def from_prices(block: Block, target: Target, prices: list[np.ndarray], x: np.ndarray) -> list[np.ndarray]:
    """Inequalities from dual prices [n], one for each direction of the target."""
    if len(prices) == 1:
        return covers(block, capacity(block, target, prices[0]), x)
    up, down = prices
    whole = np.all((x < 1e-6) | (x > 1 - 1e-6))
    out = []
    for first, second in ((up, down), (up, -up), (-down, down)):
        one, two = capacity(block, target, first), capacity(block, target, second)
        out += covers(block, one + two, x)
        if whole and target.kind is not Kind.WIDTH:
            # Either direction alone must reach the level: with the cells of x (and any without capacity)
            # neither does.
            chosen = x > 0.5
            if max(one[chosen].sum(), two[chosen].sum()) < 1.0 - LEAST_RESIDUAL:
                out.append(np.where(~chosen & (one + two > LEAST_COEFFICIENT), 1.0, 0.0))
    return out


def covers(block: Block, capacities: np.ndarray, x: np.ndarray) -> list[np.ndarray]:
    """`sum(capacities * x) >= 1` strengthened: what the primaries contribute is subtracted, then knapsack
    covers.

    For any set of cells whose capacity stays below 1, the others must supply the rest, and none of them
    counts for more than that rest (Carr, Fleischer, Leung and Phillips 2000; with the primaries as the set
    this is the strengthening of Fischetti and Salazar-González). The set is grown greedily along descending
    x.
    """
    rest = 1.0 - capacities[block.primary].sum()
    if not rest > LEAST_RESIDUAL:
        return []
    base = np.where(block.primary, 0.0, np.minimum(capacities, rest) / rest)
    small = base < LEAST_COEFFICIENT
    slack = 1.0 - base[small].sum()
    base = np.where(small, 0.0, np.minimum(base / slack, 1.0))
    best, violation = base, 1.0 - base @ x
    partial = np.flatnonzero((base > 0) & (base < 1 - 1e-9) & (x > 0.25))
    inside = np.zeros(block.n, bool)
    total = 0.0
    for i in partial[np.argsort(-x[partial], kind="stable")]:
        if total + base[i] >= 1 - LEAST_RESIDUAL:
            continue
        inside[i] = True
        total += base[i]
        cover = np.where(inside, 0.0, np.minimum(base, 1 - total)) / (1 - total)
        if 1.0 - cover @ x > violation + 1e-9:
            best, violation = cover, 1.0 - cover @ x
    return [best]


def conditional(block: Block, target: Target, attacks: list[Attack], pattern: np.ndarray) -> list[np.ndarray]:
    """What a secondary that is exact under the whole `pattern` [n] asks for if it is suppressed.

    Inequalities `sum(c_i x_i) >= x_s` for the target's cell s, as vectors with c_s = -1 and c = 0 on primaries; the
    last says that another cell than those of the pattern is needed. The cell must be free to be published.
    """
    up, down = (attack.gains() for attack in attacks)
    own = target.cell
    out = []
    for first, second in ((up, down), (up, -up), (-down, down)):
        capacities = capacity(block, target, first) + capacity(block, target, second)
        rest = 1.0 - capacities[block.primary].sum() - capacities[own]
        if rest > LEAST_RESIDUAL:
            c = np.where(block.primary, 0.0, np.minimum(capacities / rest, 1.0))
            c[own] = -1.0
            out.append(c)
    least = (~pattern).astype(float)
    least[own] = -1.0
    return [*out, least]


def from_relations(block: Block) -> Iterator[np.ndarray]:
    """What each relation alone asks of its cells for each target: the master problem starts with these."""
    rows = block.A.tocsr()
    least = block.primary.astype(float)
    for target in block.targets:
        start, stop = block.A.indptr[target.cell : target.cell + 2]
        for row, coefficient in zip(block.A.indices[start:stop], block.A.data[start:stop], strict=True):
            prices = []
            for sense in target.senses:
                gains = np.zeros(block.n)
                members = slice(rows.indptr[row], rows.indptr[row + 1])
                gains[rows.indices[members]] = -sense * rows.data[members] / coefficient
                gains[target.cell] = 0.0
                prices.append(gains)
            yield from from_prices(block, target, prices, least)


class Company:
    """A secondary is exact where all others of a relation are published: it has company there or is published too.

    These are the bridgeless inequalities of Fischetti and Salazar-González (2000) for single relations,
    `sum(x_i of the others) >= x_s`; relations with a primary say nothing.
    """

    def __init__(self, block: Block) -> None:
        self.n = block.n
        rows = abs(block.A.tocsr())
        self.rows = rows[(rows @ block.primary == 0) & (np.diff(rows.indptr) > 0)]
        self.needing = np.zeros(block.n, bool)
        self.needing[[target.cell for target in block.secondary_targets]] = True

    def violated(self, x: np.ndarray, least: float) -> Iterator[np.ndarray]:
        """Inequalities that weights x [n] violate by at least so much, as vectors for a bound of 0."""
        starts, cells = self.rows.indptr, self.rows.indices
        if len(cells) == 0:
            return
        largest = np.maximum.reduceat(np.where(self.needing, x, 0.0)[cells], starts[:-1])
        total = np.add.reduceat(x[cells], starts[:-1])
        for row in np.flatnonzero(2 * largest > total + least):
            members = cells[starts[row] : starts[row + 1]]
            c = np.zeros(self.n)
            c[members] = 1.0
            c[members[np.argmax(np.where(self.needing[members], x[members], 0.0))]] = -1.0
            yield c
