"""Safe patterns: repair an unsafe one by cheapest flows, then publish again what is not needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import highspy
import numpy as np
import scipy.sparse as sp

from sdc.engine.cutting import solver
from sdc.engine.cutting.attacker import ENTRIES, TOLERANCE, UNLIMITED, Attacker
from sdc.engine.cutting.block import Block, Kind, Target
from sdc.engine.cutting.proofs import Proofs
from sdc.engine.cutting.spaces import Spaces
from sdc.engine.spanned import Spanned

# Rounds of slope scaling: the linear price of a cell becomes its cost per unit of what it carried in the last
# round.
SLOPE_ROUNDS = 3
USED = 1e-6


class Unprotectable(Exception):
    """Some targets stay open whatever is suppressed; `positions` are their cells in the block."""

    def __init__(self, positions: list[int]) -> None:
        super().__init__(f"{len(positions)} cells cannot be protected")
        self.positions = positions


class Carrier:
    """Cheapest movements of a block that move a target by a given part of its level.

    Kelly, Golden and Assad (1992) and the heuristic of Fischetti and Salazar-González (2001, section 5): a
    linear program in which movement through cells that are suppressed anyway is free. `work` counts them as
    Attacker does.
    """

    def __init__(self, block: Block) -> None:
        self.block = block
        self.work = 0
        self.columns = np.arange(2 * block.n, dtype=np.int32)
        self._highs: highspy.Highs | None = None

    @property
    def highs(self) -> highspy.Highs:
        """The program over cells and relations, built when it is first needed."""
        if self._highs is None:
            rows, zero = np.zeros(self.block.A.shape[0]), np.zeros(2 * self.block.n)
            both = sp.hstack([self.block.A, -self.block.A]).tocsc()
            self._highs = solver.new(presolve="off", solver="simplex", simplex_strategy=4)
            self._highs.passModel(solver.model(zero, zero, zero, both, rows, rows))
        return self._highs

    @cached_property
    def spanned(self) -> Spanned | None:
        """The program over a basis of movements, where these have few dimensions."""
        return Spanned.of(self.block.A.tocsr(), self.block.up, self.block.down)

    def carry(
        self, target: Target, sense: int, part: float, pattern: np.ndarray, cost: np.ndarray
    ) -> np.ndarray | None:
        """Mask [n] of cells to add to `pattern` so that the target moves by `part`; None if impossible."""
        up, down = (np.where(room > UNLIMITED, np.inf, room) for room in self.block.room(target))
        if (up if sense > 0 else down)[target.cell] < part - TOLERANCE:
            return None
        paid = np.where(pattern, 0.0, cost)
        limit = np.minimum(np.concatenate([up, down]), part)
        price = np.where(limit > 0, np.tile(paid, 2) / np.maximum(limit, 1e-9), 0.0)
        best, best_cost = None, np.inf
        for _ in range(SLOPE_ROUNDS):
            moves = self._by_basis(target, sense * part, price)
            moves = self._by_relations(target, sense, part, up, down, price) if moves is None else moves
            if moves is None:
                return best
            added = (np.maximum(*np.split(moves, 2)) > USED) & ~pattern
            total = float(cost[added].sum())
            if total >= best_cost - 1e-12:
                break
            best, best_cost = added, total
            price = np.where(moves > USED, np.tile(paid, 2) / np.maximum(moves, USED), price)
        return best

    def _by_basis(self, target: Target, part: float, price: np.ndarray) -> np.ndarray | None:
        """The cheapest movements, up and down [2n], for their prices [2n]; None where this way does not find them."""
        if self.spanned is None:
            return None
        outsider = target.insider is None
        self.work += 1 + self.spanned.rows * self.spanned.columns // ENTRIES
        moves = self.spanned.cheapest(
            price,
            target.cell,
            part * target.level,
            None if outsider else self.block.insiders[target.insider].known,
            bounded=outsider or self.block.pinning,
        )
        return None if moves is None else np.maximum(np.concatenate((moves, -moves)), 0.0) / target.level

    def _by_relations(
        self, target: Target, sense: int, part: float, up: np.ndarray, down: np.ndarray, price: np.ndarray
    ) -> np.ndarray | None:
        """The same by the program over cells and relations, rooms in units of the level; None where there are none."""
        n, own = self.block.n, target.cell
        lower, upper = np.zeros(2 * n), np.concatenate([up, down])
        upper[[own, n + own]] = part * (sense > 0), part * (sense < 0)
        lower[own if sense > 0 else n + own] = part
        self.highs.changeColsBounds(2 * n, self.columns, lower, upper)
        self.highs.changeColsCost(2 * n, self.columns, price / max(float(price.max()), 1e-12))
        self.work += 1 + self.block.A.shape[0] * 2 * n // ENTRIES
        self.highs.run()
        if self.highs.getModelStatus() != solver.OPTIMAL:
            self.highs.clearSolver()
            self.highs.run()
            if self.highs.getModelStatus() != solver.OPTIMAL:
                return None
        return np.asarray(self.highs.getSolution().col_value)


def repair(
    proofs: Proofs, carrier: Carrier, cost: np.ndarray | None = None, late: Callable[[], bool] = lambda: False
) -> bool:
    """Extend the pattern of `proofs` by cheapest flows, target after target, until every primary is protected.

    `cost` [n] guides the choice (default: the block's). False if it was given up because it is `late`. Raises
    Unprotectable if even the suppression of all cells leaves targets open.
    """
    if not _extend(proofs, carrier, proofs.block.cost if cost is None else cost, primary=True, late=late):
        if late():
            return False
        # Flows that miss a level by less than a tolerance can leave a target open; suppressing all settles
        # whether any can do.
        proofs.suppress(np.ones(proofs.block.n, bool))
        if failures := proofs.failures():
            raise Unprotectable(sorted({target.cell for target, _ in failures}))
    return True


def shelter(proofs: Proofs, carrier: Carrier) -> bool:
    """Publish secondaries that are exact, or extend the pattern until none is; False where that does not succeed."""
    for position in proofs.open(primary=False):
        cell = int(proofs.cell[position])
        if not proofs.block.primary[cell] and proofs.ask(int(position)):
            proofs.publish(cell)
    return _extend(proofs, carrier, proofs.block.cost, primary=False, late=lambda: False)


def _extend(proofs: Proofs, carrier: Carrier, cost: np.ndarray, *, primary: bool, late: Callable[[], bool]) -> bool:
    """Suppress what cheapest flows of open targets move, until none is open or nothing more is found."""
    grown = True
    while grown:
        grown = False
        for position in proofs.open(primary=primary):
            if late():
                return False
            for target, _ in proofs.ask(int(position)):
                added = _extension(proofs.block, carrier, target, proofs.pattern, cost) & ~proofs.pattern
                if added.any():
                    grown = True
                    proofs.suppress(added)
    return len(proofs.open(primary=primary)) == 0


def _extension(
    block: Block,
    carrier: Carrier,
    target: Target,
    pattern: np.ndarray,
    cost: np.ndarray,
) -> np.ndarray:
    """Cells to add for one open target: the cheaper direction, or both where neither supplies all."""
    options = []
    for sense in target.senses:
        added = carrier.carry(target, sense, 1.0, pattern, cost)
        if added is not None:
            options.append(added)
    if options:
        return min(options, key=lambda added: float(cost[added].sum()))
    if target.kind is Kind.WIDTH:
        everything = Attacker(block, np.ones(block.n), capped=False)
        up = min(1.0, everything.attack(target, 1).reach)
        added = np.zeros(block.n, bool)
        for sense, part in ((1, up * (1 - TOLERANCE)), (-1, 1.0 - up * (1 - 2 * TOLERANCE))):
            more = carrier.carry(target, sense, part, pattern | added, cost) if part > 0 else None
            added |= more if more is not None else False
        if added.any():
            return added
    return np.zeros(block.n, bool)


def clean(proofs: Proofs, late: Callable[[], bool] = lambda: False) -> None:
    """Publish secondaries of a safe pattern again, dearest first, as long as every primary stays protected."""
    block = proofs.block
    candidates = np.flatnonzero(proofs.pattern & ~block.primary)
    # Most refusals follow from the relations, which is told without a program.
    spaces = Spaces.of(block, proofs.pattern) if len(candidates) else None
    for cell in candidates[np.argsort(-block.cost[candidates], kind="stable")]:
        if late():
            break
        if spaces is not None and spaces.opens(int(cell)):
            continue
        if proofs.publish(int(cell)) and spaces is not None:
            spaces.publish(int(cell))
