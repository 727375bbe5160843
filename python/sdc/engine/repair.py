"""Protect single cells: the cheapest displacement that moves a target far enough, as a linear program.

The program charges unsuppressed cells for moving (their cost per unit of what the target needs) and lets suppressed
cells move for almost nothing; the cells that move are suppressed. This is the incremental linear-programming
heuristic of Kelly, Golden & Assad (1992), with the charge adapted to the flow in a second pass. It runs in a
neighbourhood of the target that grows until the program is feasible; the whole system is the last neighbourhood, so
infeasible there means that no suppression can protect the target.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from sdc.engine import lp
from sdc.engine.certify import REACH, apart, open_columns, signs
from sdc.engine.neighbourhood import Growth, peel
from sdc.engine.pattern import NOISE, Pattern
from sdc.engine.spanned import Spanned
from sdc.engine.view import View, gather

# Neighbourhood sizes tried in turn, before the whole system.
SIZES = (200, 600, 2000, 4000, 16_000, 64_000)
# A displacement moves at least 2 ** k cells, where cells are in k relations; neighbourhoods of less than this to the k
# rarely hold one.
ROOM = 2.5
# Up to this size a feasible neighbourhood is grown once more, for a cheaper protection.
COMPARE = 600
# A suppressed cell that moves costs this part of the cheapest candidate: short displacements are preferred.
MOVE = 1e-3
# The charge is adapted to the flow this often.
PASSES = 2
# Bounds of so many times the displacement wanted are as good as none.
MOST = 1e6


@dataclass(frozen=True)
class Move:
    """A displacement of columns, and what it costs to suppress those that are not suppressed yet."""

    cost: float
    columns: np.ndarray
    displacement: np.ndarray


class Repairer:
    """Repairs cells of one pattern.

    The view holds all cells that are suppressed or may be, with those tied together that no suppression can part
    (a parent and its only non-zero child); it does not change while cells are suppressed.
    """

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern
        self.view = View.paired(pattern.system, pattern.suppressed | pattern.system.candidate)
        self._cost = pattern.system.cost.copy()
        self._hidden = pattern.suppressed.copy()
        self._charge = self._price(np.arange(self.view.columns))
        least = ROOM ** float(np.median(self.view.degrees)) if self.view.columns else 0.0
        self._sizes = (*(size for size in SIZES if least <= size < self.view.columns), self.view.columns)

    @cached_property
    def spanned(self) -> Spanned | None:
        """Programs over a basis of all solutions, where these are quicker than neighbourhoods."""
        return Spanned.of(self.view.by_relation, self.view.room_up, self.view.room_down)

    def charge(self) -> np.ndarray:
        """Cost of suppressing what is not yet suppressed of each column, float64[columns]; not to be written to."""
        changed = np.flatnonzero(self._hidden != self.pattern.suppressed)
        if len(changed):
            self._hidden[changed] = self.pattern.suppressed[changed]
            columns = np.unique(self.view.column[changed])
            columns = columns[columns >= 0]
            self._charge[columns] = self._price(columns)
        return self._charge

    def _price(self, columns: np.ndarray) -> np.ndarray:
        cells, owner = self.view.members(columns)
        cost = np.where(self._hidden[cells], 0.0, self._cost[cells])
        return np.bincount(owner, weights=cost, minlength=len(columns))

    def repair_block(self, columns: np.ndarray, worth: float, turn: int) -> bool:
        """Protect some cells of a block of columns in one program; False when it found none to protect.

        Open columns no two of which share a relation (others in another `turn`) ask to move together, each worth
        `worth` times the block's median charge; what the cheapest such displacement moves is suppressed.
        """
        view, pattern = self.view, self.pattern
        columns = peel(view, columns)
        if len(columns) == 0:
            return False
        cells, owner = view.members(columns)
        hidden = np.zeros(len(columns), dtype=bool)
        hidden[owner[pattern.suppressed[cells]]] = True
        open_, above, below, either = open_columns(pattern, view, columns[hidden])
        if len(open_) == 0:
            return False
        matrix = view.local(columns)[1]
        chosen = apart(matrix.tocsc()[:, np.searchsorted(columns, open_)], turn)
        open_, above, below, either = open_[chosen], above[chosen], below[chosen], either[chosen]
        where = np.searchsorted(columns, open_)
        charge = self.charge()[columns]
        positive = charge[charge > 0]
        middle = float(np.median(positive)) if len(positive) else 1.0
        room_up, room_down = view.room_up[columns], view.room_down[columns]
        sign = np.where(signs(matrix, 0)[where] >= 0, 1.0, -1.0)
        wanted = np.maximum.reduce((above, below, either))
        sign = np.where((room_down[where] < wanted) | ((below == 0) & (above > 0)), 1.0, sign)
        sign = np.where((room_up[where] < wanted) | ((above == 0) & (below > 0)), -1.0, sign)
        wanted = np.where(sign > 0, np.where(above > 0, above, wanted), np.where(below > 0, below, wanted))
        scale = float(wanted.max())
        wanted = wanted / scale
        upper, lower = np.minimum(room_up / scale, REACH), np.minimum(room_down / scale, REACH)
        # A target's displacement is a rewarded part, from its far bound up to what is wanted, plus a rest beyond it.
        forward = sign > 0
        part = np.minimum(wanted, np.where(forward, upper[where], lower[where]))
        far = np.where(forward, lower[where], upper[where])
        per_unit = charge / np.clip(np.maximum(upper, lower), 1e-9, 1.0) + MOVE * middle
        count = len(columns)
        upper[where] = np.where(forward, upper[where] - part, 0.0)
        lower[where] = np.where(forward, 0.0, lower[where] - part)
        solution = lp.minimise(
            np.concatenate((per_unit, per_unit, -worth * middle / wanted)),
            sp.hstack((matrix, -matrix, matrix[:, where] @ sp.diags(sign)), format="csr"),
            np.concatenate((np.zeros(2 * count), -far)),
            np.concatenate((upper, lower, part)),
        )
        if solution.x is None:
            return False
        displacement = solution.x[:count] - solution.x[count : 2 * count]
        displacement[where] += sign * solution.x[2 * count :]
        moved = np.abs(displacement) > NOISE
        return bool(moved.any()) and self._suppress(*view.expand(columns[moved], displacement[moved] * scale))

    def _suppress(self, cells: np.ndarray, displacement: np.ndarray) -> bool:
        """Suppress the cells of a displacement and record it; False, and nothing changed, if it is not a proof."""
        new = cells[~self.pattern.suppressed[cells]]
        self.pattern.suppress(new)
        if self.pattern.add_point(cells, displacement):
            return True
        self.pattern.suppressed[new] = False
        return False

    def repair(self, target: int, largest: int | None = None) -> bool:
        """Suppress what `target` needs, as cheaply as neighbourhoods of up to `largest` columns allow.

        False if none of these protects it; without `largest`, if nothing does.
        """
        pattern = self.pattern
        one = np.array([target])
        column = int(self.view.column[target])
        for _ in range(8):
            if pattern.met(one)[0]:
                return True
            if column < 0:
                return False
            above, below, either = (
                float(side[0]) for side in pattern.needs.open_sides(pattern.up[one], pattern.down[one], one)
            )
            amounts = [above] if above > 0 else [-below] if below > 0 else [either, -either]
            ratio = self.view.ratio[target]
            amounts = [float(amount / ratio) for amount in amounts]
            room = (self.view.room_down[column], self.view.room_up[column])
            amounts = [amount for amount in amounts if abs(amount) <= room[amount > 0] * (1 + 1e-9)]
            if not amounts or not self._protect(column, amounts, largest):
                return False
        return bool(pattern.met(one)[0])

    def repair_against(self, target: int, known: np.ndarray) -> bool:
        """Suppress what keeps `target` from being exact to who knows the cells `known`; False if nothing does."""
        view = self.view
        column = int(view.column[target])
        held = np.unique(view.column[known])
        if column < 0 or column in held:
            return False
        for sign in (1.0, -1.0):
            amount = self.amount(target, sign)
            if amount and self._protect(column, [amount], None, held):
                return True
        return False

    def amount(self, target: int, *signs: float) -> float:
        """How far the column of `target` must move so that the cell is not exact, by the first sign with room; or 0."""
        view, needs, column = self.view, self.pattern.needs, int(self.view.column[target])
        if column < 0:
            return 0.0
        step = float(needs.step[target]) / abs(float(view.ratio[target]))
        least = 1.0 - 1e-9 if self.pattern.system.integer[target] else 1e-3
        for sign in signs or (1.0, -1.0):
            room = float((view.room_up if sign > 0 else view.room_down)[column])
            if room >= least * step:
                return sign * min(step, room)
        return 0.0

    def _protect(
        self,
        column: int,
        amounts: list[float],
        largest: int | None,
        held: np.ndarray | None = None,
    ) -> bool:
        """Suppress the cells of the cheapest displacement found that moves `column` by one of `amounts` (signed).

        The columns `held` do not move.
        """
        best = self._anywhere(column, amounts, held) or self._nearby(column, amounts, largest, held)
        return best is not None and self._suppress(*self.view.expand(best.columns, best.displacement))

    def _anywhere(self, column: int, amounts: list[float], held: np.ndarray | None) -> Move | None:
        """The cheapest displacement that a program over a basis of all solutions finds."""
        spanned = self.spanned
        if spanned is None:
            return None
        columns = np.arange(self.view.columns)

        def cheapest(amount: float) -> Move | None:
            return self._cheapest(
                columns, column, amount, lambda price: spanned.cheapest(np.tile(price, 2), column, amount, held)
            )

        return self._either(cheapest, amounts)

    def _nearby(self, column: int, amounts: list[float], largest: int | None, held: np.ndarray | None) -> Move | None:
        """The cheapest displacement of neighbourhoods that grow until there is one."""
        view = self.view
        # Costs weigh against closeness in units of the cheapest company the target could have.
        charge = self.charge()
        near = gather(view.by_relation, gather(view.by_column, np.array([column]))[1])[1]
        positive = charge[near][charge[near] > 0]
        best: Move | None = None
        middle = float(np.median(positive)) if len(positive) else 1.0
        growth = Growth(view, np.array([column]), charge, np.array([middle]))
        for size in self._sizes:
            if largest is not None and size > largest:
                break
            columns = growth.to(size)[1]
            whole = len(columns) < size or size == view.columns
            if held is not None:
                columns = np.setdiff1d(columns, held, assume_unique=True)
            columns = peel(view, columns)
            before = best is not None
            if column in columns:
                matrix = view.local(columns)[1]

                def cheapest(amount: float, columns=columns, matrix=matrix) -> Move | None:
                    return self._cheapest(columns, column, amount, self._program(columns, matrix, column, amount))

                best = min((best, self._either(cheapest, amounts)), key=_cost)
            if whole or before or (best is not None and (best.cost == 0.0 or size >= COMPARE)):
                break
        return best

    def _either(self, cheapest: Callable[[float], Move | None], amounts: list[float]) -> Move | None:
        """The cheaper of the displacements by one of `amounts`."""
        best = None
        for amount in amounts:
            found = cheapest(amount)
            best = min((best, found), key=_cost)
            # The other way costs the same where nothing is in its way.
            if found is not None and self._fits(found.columns, -found.displacement):
                break
        return best

    def _fits(self, columns: np.ndarray, displacement: np.ndarray) -> bool:
        """Do the attacker's bounds leave room for this displacement of columns?"""
        room = np.where(displacement > 0, self.view.room_up[columns], self.view.room_down[columns])
        return bool((np.abs(displacement) <= room * (1 + NOISE)).all())

    def _program(
        self, columns: np.ndarray, matrix: sp.csr_matrix, column: int, amount: float
    ) -> Callable[[np.ndarray], np.ndarray | None]:
        """What moves `column` by `amount`, and others of `columns`, whose relations are `matrix`, at given prices."""
        scale, count = abs(amount), len(columns)
        upper, lower = (np.minimum(room[columns] / scale, MOST) for room in (self.view.room_up, self.view.room_down))
        at = int(np.searchsorted(columns, column))
        least = np.zeros(2 * count)
        upper[at], lower[at] = amount > 0, amount < 0
        least[at if amount > 0 else count + at] = 1.0
        program = lp.Program(sp.hstack((matrix, -matrix), format="csr"), least, np.concatenate((upper, lower)))

        def minimise(price: np.ndarray) -> np.ndarray | None:
            x = program.minimise(np.tile(price, 2)).x
            return None if x is None else (x[:count] - x[count:]) * scale

        return minimise

    def _cheapest(
        self, columns: np.ndarray, column: int, amount: float, minimise: Callable[[np.ndarray], np.ndarray | None]
    ) -> Move | None:
        """The cheapest displacement of `columns` with `column` moved by `amount`; `minimise` finds it by prices."""
        scale = abs(amount)
        room = np.maximum(self.view.room_up[columns], self.view.room_down[columns])
        charge = self.charge()[columns]
        charge[np.searchsorted(columns, column)] = 0.0
        positive = charge[charge > 0]
        move = MOVE * (float(positive.min()) if len(positive) else 1.0)
        per_unit = charge / np.clip(room / scale, 1e-9, 1.0)
        best: Move | None = None
        for _ in range(PASSES):
            displacement = minimise(per_unit + move)
            if displacement is None:
                break
            size = np.abs(displacement) / scale
            used = size > NOISE
            found = Move(float(charge[used].sum()), columns[used], displacement[used])
            best = min((best, found), key=_cost)
            if np.count_nonzero(used & (charge > 0)) <= 1:
                break
            per_unit = np.where(used, charge / np.maximum(size, 1e-6), per_unit)
        return best


def _cost(move: Move | None) -> float:
    return np.inf if move is None else move.cost
