"""Safe patterns: repair an unsafe one by cheapest flows, then publish again what is not needed."""

from __future__ import annotations

import time

import numpy as np
import scipy.sparse as sp

from sdc.engine.cutting import solver
from sdc.engine.cutting.attacker import TOLERANCE, UNLIMITED, Attack, Attacker, reached, unprotected
from sdc.engine.cutting.block import Block, Kind, Target

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
    linear program in which movement through cells that are suppressed anyway is free.
    """

    def __init__(self, block: Block) -> None:
        self.block = block
        n = block.n
        rows = np.zeros(block.A.shape[0])
        self.columns = np.arange(2 * n, dtype=np.int32)
        both = sp.hstack([block.A, -block.A]).tocsc()
        zero = np.zeros(2 * n)
        self.highs = solver.new(presolve="off", solver="simplex", simplex_strategy=4)
        self.highs.passModel(solver.model(zero, zero, zero, both, rows, rows))

    def carry(
        self, target: Target, sense: int, part: float, pattern: np.ndarray, cost: np.ndarray
    ) -> np.ndarray | None:
        """Mask [n] of cells to add to `pattern` so that the target moves by `part`; None if impossible."""
        block = self.block
        n = block.n
        up, down = block.room(target)
        up, down = (np.where(room > UNLIMITED, np.inf, room) for room in (up, down))
        own = target.cell
        if (up if sense > 0 else down)[own] < part - TOLERANCE:
            return None
        for room, way in ((up, 1), (down, -1)):
            room[own] = part if way == sense else 0.0
        lower = np.zeros(2 * n)
        lower[own if sense > 0 else n + own] = part
        upper = np.concatenate([up, down])
        self.highs.changeColsBounds(2 * n, self.columns, lower, upper)
        paid = np.where(pattern, 0.0, cost)
        limit = np.minimum(upper, part)
        price = np.where(limit > 0, np.tile(paid, 2) / np.maximum(limit, 1e-9), 0.0)
        best, best_cost = None, np.inf
        for _ in range(SLOPE_ROUNDS):
            scale = max(float(price.max()), 1e-12)
            self.highs.changeColsCost(2 * n, self.columns, price / scale)
            self.highs.run()
            if self.highs.getModelStatus() != solver.OPTIMAL:
                self.highs.clearSolver()
                self.highs.run()
                if self.highs.getModelStatus() != solver.OPTIMAL:
                    return best
            moves = np.asarray(self.highs.getSolution().col_value)
            added = (np.maximum(moves[:n], moves[n:]) > USED) & ~pattern
            total = float(cost[added].sum())
            if total >= best_cost - 1e-12:
                break
            best, best_cost = added, total
            price = np.where(moves > USED, np.tile(paid, 2) / np.maximum(moves, USED), price)
        return best


def repair(block: Block, pattern: np.ndarray, cost: np.ndarray | None = None) -> np.ndarray:
    """The smallest extension of `pattern` (mask [n]) that cheapest flows, target after target, make safe.

    `cost` [n] guides the choice (default: the block's). Raises Unprotectable if even the
    suppression of all cells leaves targets open.
    """
    cost = block.cost if cost is None else cost
    pattern = pattern | block.primary
    carrier = None
    for _ in range(3):
        failures = unprotected(block, pattern)
        if not failures:
            return pattern
        carrier = carrier or Carrier(block)
        for target, attacks in failures:
            attacker = Attacker(block, pattern.astype(float), capped=False)
            attacks = attacker.attacks(target)
            if not reached(target, attacks):
                pattern = pattern | _extension(block, carrier, target, attacks, pattern, cost)
    # Flows that miss a level by less than a tolerance can leave a target open; suppressing all settles
    # whether any can do.
    failures = unprotected(block, np.ones(block.n, bool))
    if failures:
        raise Unprotectable(sorted({target.cell for target, _ in failures}))
    return np.ones(block.n, bool)


def _extension(
    block: Block,
    carrier: Carrier,
    target: Target,
    attacks: list[Attack],
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


def clean(block: Block, pattern: np.ndarray, deadline: float = np.inf) -> np.ndarray:
    """Publish secondaries of a safe pattern again, dearest first, as long as every target stays protected.

    The movements that prove the targets are kept: publishing a cell can only open targets whose proof moves
    it.
    """
    pattern = pattern.copy()
    attacker = Attacker(block, pattern.astype(float), capped=False)
    proofs = []
    for target in block.targets:
        proofs.append(_moved(attacker.attacks(target), block.n))
    proofs = np.array(proofs).reshape(len(block.targets), block.n)
    candidates = np.flatnonzero(pattern & ~block.primary)
    trouble = np.zeros(len(block.targets))
    for cell in candidates[np.argsort(-block.cost[candidates], kind="stable")]:
        if time.monotonic() > deadline:
            break
        affected = np.flatnonzero(proofs[:, cell])
        attacker.publish(cell)
        renewed = {}
        # Targets that stood in the way before are asked first.
        for i in affected[np.argsort(-trouble[affected], kind="stable")]:
            attacks = attacker.attacks(block.targets[i])
            if not reached(block.targets[i], attacks):
                trouble[i] += 1
                attacker.suppress(cell)
                break
            renewed[i] = _moved(attacks, block.n)
        else:
            pattern[cell] = False
            for i, moved in renewed.items():
                proofs[i] = moved
    return pattern


def _moved(attacks: list[Attack], n: int) -> np.ndarray:
    """Mask [n] of cells that any of the attacks moves."""
    out = np.zeros(n, bool)
    for attack in attacks:
        out[attack.moves()[0]] = True
    return out
