"""Proof that no sum with a target's cells fails a rule of concentration, and sums that do, by linear programs.

For a target t and others U who know what they contribute, the sensitivity of a set of cells is the largest of the sums
over its cells of `s = target * x_t + others * x_U + whole * X`. A displacement y that the relations allow adds up to 0
over every sum that follows from them. So where `y >= s` in every suppressed cell, no such sum can have a positive
sensitivity for t and U: it is at most the sum of y. One displacement mostly serves many U: those whom it does not serve
have a part in a cell that it lets fall. Where others gain by their own cells (dominance), a displacement of the target
and one of the other add up to one for both, unless they meet.

Displacements are looked for in neighbourhoods that grow up to the whole component. Where there is none, the dual
program asks for a set: the parts of cells that the relations add up to with the largest sum of s. Where these parts are
not all or nothing, the same is asked in whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from sdc.engine import deadlines, lp, mip
from sdc.engine.elimination import PRIME
from sdc.engine.neighbourhood import grow
from sdc.engine.parallel import in_threads
from sdc.engine.rules import Judge, gather_lists
from sdc.engine.sums import Entries
from sdc.engine.view import View

# Neighbourhoods of cells, in columns, before the whole component.
SIZES = (400, 2000, 8000)
# Coalitions tried for one target, and for all; a program each, at most. So many targets are weighed between counts.
COALITIONS = 1_000
ALL = 20_000
TOGETHER = 8
# A displacement exceeds the sensitivities by this part of the least that is positive, to spare for rounding.
SPARE = 1e-6
# A part of a cell that is so near to all or nothing is whole.
WHOLE = 1e-6

# A displacement: (cells, how far each moves).
Moves = tuple[np.ndarray, np.ndarray]
STILL: Moves = np.zeros(0, dtype=np.int64), np.zeros(0)
# A cell that a displacement lets fall: number of the displacement, cell, how far it moves.
FALL = np.dtype([("number", np.int64), ("cell", np.int64), ("size", np.float64)])


@dataclass(frozen=True)
class Weighed:
    """Of a target: is no sum with its cells unsafe (`outweighed`), and `sets` that may be, positions in the entries;
    `tried` counts the coalitions.
    """

    outweighed: bool
    sets: list[np.ndarray]
    tried: int


class Balance:
    """Weighs the sums of one pattern by one rule of concentration, `row` (see `rules.Rules`)."""

    def __init__(self, view: View, entries: Entries, judge: Judge, row: tuple[float, float, float, int]) -> None:
        self._view, self._entries = view, entries
        self._target, self._others, self._whole, self._coalition = row
        at, cells = judge.statistics, entries.cells
        # What a cell adds at most for those who are not listed in it. Other cells are in no sum.
        nobody = (self._target + self._others * self._coalition) * judge.unlisted + self._whole * at.size
        self._nobody = np.full(len(at.size), -np.inf)
        self._nobody[cells] = nobody[cells]
        # By contributor the cells that list him, and how much more he has there.
        position, entry = gather_lists(at.start, cells)
        order = np.argsort(at.who[entry], kind="stable")
        self._who, self._cell = at.who[entry][order], cells[position][order]
        self._more = at.amount[entry][order] - judge.unlisted[self._cell]
        self._besides = [_of_others(self._cell, self._more, count) for count in range(self._coalition)]
        # Where anyone can gain anything.
        most = np.zeros(len(at.size))
        np.maximum.at(most, self._cell, self._more)
        self._open = np.flatnonzero(self._nobody + (self._target + self._others * self._coalition) * most > 0)

    def weigh_all(self, targets: list[int], deadline: float | None = None, threads: int | None = None) -> list[Weighed]:
        """Each target weighed, in order, as far as the work goes: the result can be shorter.

        A target is a listed contributor. None is outweighed when the deadline (time.monotonic) passes first.
        """
        alone = self._alone(deadline, threads) if targets else None
        out, work = [], ALL
        for begin in range(0, len(targets), TOGETHER):
            if work <= 0:
                break
            some = targets[begin : begin + TOGETHER]
            out += in_threads(lambda target: self._weigh(target, alone, deadline), some, threads)
            work = ALL - sum(each.tried for each in out)
        return out

    def _weigh(self, target: int, alone: sp.csr_matrix | None, deadline: float | None) -> Weighed:
        """Is every sum with cells of the target outweighed for all who may know a part of it?"""
        found, sets, whole = _Found(self._open, len(self._nobody)), [], True
        found.add(STILL)
        todo, seen = [()], {()}
        near: dict[int, _Near] = {}
        while todo and len(seen) <= COALITIONS and not deadlines.passed(deadline):
            known = todo.pop()
            sensitivity = self._sensitivities((target,), known)
            moves = found.first(sensitivity)
            if moves is None:
                moves = self._displacement(sensitivity, near)
                if moves is None:
                    some = self._sums(sensitivity)
                    if some or some is None:
                        sets, whole = sets + (some or []), False
                        continue
                else:
                    found.add(moves)
            if len(known) < self._coalition:
                if moves is None:
                    others = np.setdiff1d(self._who, (target, *known))
                else:
                    others = self._not_served(moves, sensitivity, (target, *known))
                    others = others if alone is None else self._not_apart(moves, target, others, alone)
                more = [tuple(sorted((*known, who))) for who in others.tolist()]
                todo += [one for one in more if one not in seen]
                seen.update(more)
        return Weighed(whole and not todo, sets, len(seen))

    def _of(self, who: int) -> slice:
        """The entries of a contributor."""
        return slice(*np.searchsorted(self._who, (who, who + 1)))

    def _sensitivities(self, target: tuple[int, ...], others: tuple[int, ...]) -> np.ndarray:
        """What each cell adds at most to the sensitivity of a set, for the target and those others: float64[n]."""
        out = self._nobody.copy()
        for who, times in (*((who, self._target) for who in target), *((who, self._others) for who in others)):
            some = self._of(who)
            out[self._cell[some]] += times * self._more[some]
        return out

    def _not_served(self, moves: Moves, sensitivity: np.ndarray, known: tuple[int, ...]) -> np.ndarray:
        """Who, in a coalition with those known, may be one whom the displacement does not outweigh."""
        left = -sensitivity
        left[moves[0]] += moves[1]
        # `known` are the target and some others: so many may join besides one more.
        more = self._others * (self._more + self._besides[self._coalition - len(known)])
        near = (self._more > 0) & (more > np.maximum(left[self._cell], 0.0))
        return np.setdiff1d(self._who[near], known)

    def _alone(self, deadline: float | None, threads: int | None) -> sp.csr_matrix | None:
        """Where a single other adds to sensitivities, the cells that one has a part in and those of a displacement that
        outweighs that one alone: ones [contributors, n], no entries where there is no such displacement. Else None.
        """
        if self._coalition != 1 or self._others + self._whole <= 0:
            return None
        people = np.unique(self._who)

        def touched(who: int) -> np.ndarray:
            sensitivity = self._sensitivities((), (who,))
            moves = STILL if _outweighs(STILL, sensitivity) else None
            if moves is None and not deadlines.passed(deadline):
                moves = self._displacement(sensitivity, {})
            return STILL[0] if moves is None else np.union1d(self._cell[self._of(who)], moves[0])

        cells = in_threads(touched, people.tolist(), threads)
        number = np.repeat(people, [len(some) for some in cells])
        shape = int(people.max(initial=-1)) + 1, len(self._nobody)
        return sp.csr_matrix((np.ones(len(number)), (number, np.concatenate(cells))), shape=shape)

    def _not_apart(self, moves: Moves, target: int, others: np.ndarray, alone: sp.csr_matrix) -> np.ndarray:
        """The others for whom the displacement and one that outweighs them alone do not outweigh both in one."""
        mine = np.zeros(len(self._nobody))
        mine[moves[0]] = mine[self._cell[self._of(target)]] = 1.0
        return others[(np.diff(alone.indptr)[others] == 0) | (alone[others] @ mine > 0)]

    def _displacement(self, sensitivity: np.ndarray, near: dict[int, _Near]) -> Moves | None:
        """A displacement that outweighs the sensitivities; None where none was found. Keeps the neighbourhoods."""
        gaining = np.flatnonzero(sensitivity > 0)
        for size in (*(size for size in SIZES if size < self._view.columns), self._view.columns):
            if size not in near:
                near[size] = _Near(self._view, gaining, size)
            moves = near[size].move(sensitivity)
            if moves is not None and _outweighs(moves, sensitivity):
                return moves
        return None

    def _sums(self, sensitivity: np.ndarray) -> list[np.ndarray] | None:
        """The set with the largest sum of sensitivities that follows, as positions in the entries, as a list: empty
        where that is not positive; None where the work did not suffice to tell.
        """
        entries = self._entries
        gain = sensitivity[entries.cells]
        chosen = np.flatnonzero(np.isin(entries.part, entries.part[gain > 0]))
        rows, gain = entries.rows_of(chosen), gain[chosen]
        # Of sets with the same sum the smallest.
        cost = SPARE * gain[gain > 0].min(initial=np.inf) - gain
        matrix = rows[:, np.unique(rows.indices)].T.tocsr()
        none, ones, zeros = np.zeros(len(chosen)), np.ones(len(chosen)), np.zeros(matrix.shape[0])
        part = lp.minimise(cost, matrix, none, ones).x
        if part is not None and (np.minimum(part, 1 - part) > WHOLE).any():
            program = mip.Program(cost, matrix, none, ones, zeros, zeros, ones.astype(bool))
            solved = mip.minimise_integral(program, none) if len(chosen) <= mip.WHOLE else mip.Integral(mip.UNDECIDED)
            part = solved.x if solved.status == lp.OPTIMAL else None
        if part is None:
            return None
        some = chosen[part > 0.5]
        if cost @ part >= 0 or (entries.keys[some].sum(axis=0) % PRIME).any():
            return [] if cost @ part >= 0 else None
        return [some]


class _Found:
    """Displacements found so far, in order. Two things tell of all at once which need not be looked at: how far each
    moves the cells `open_` up, at most, float32[found, open_], and where it lets cells fall.
    """

    def __init__(self, open_: np.ndarray, count: int) -> None:
        self._moves: list[Moves] = []
        self._column = np.full(count, -1)
        self._column[open_] = np.arange(len(open_))
        self._up = np.zeros((1, len(open_)), dtype=np.float32)
        self._falls, self._end = np.zeros(1, dtype=FALL), 0

    def add(self, moves: Moves) -> None:
        cells, size = moves
        number, column = len(self._moves), self._column[cells]
        up, down = column >= 0, size < 0
        self._up = _with_room(self._up, number + 1)
        self._up[number, column[up]] = np.nextafter(size[up].astype(np.float32), np.float32(np.inf))
        begin, self._end = self._end, self._end + np.count_nonzero(down)
        self._falls = _with_room(self._falls, self._end)
        new = self._falls[begin : self._end]
        new["number"], new["cell"], new["size"] = number, cells[down], size[down]
        self._moves.append(moves)

    def first(self, sensitivity: np.ndarray) -> Moves | None:
        """The first that outweighs sensitivities, which are positive in open cells only; None where there is none."""
        found, falls = len(self._moves), self._falls[: self._end]
        gaining = np.flatnonzero(sensitivity > 0)
        enough = (self._up[:found, self._column[gaining]] >= sensitivity[gaining]).all(axis=1)
        short = np.maximum(sensitivity[falls["cell"]] - falls["size"], 0.0)
        short = np.bincount(falls["number"], short, minlength=found)
        near = np.flatnonzero(enough & (short <= SPARE * _least_gain(sensitivity)))
        return next((self._moves[each] for each in near if _outweighs(self._moves[each], sensitivity)), None)


def _with_room(array: np.ndarray, length: int) -> np.ndarray:
    """The array, with zeros after it where it is shorter, twice as long at least."""
    more = max(length, 2 * len(array)) - len(array)
    return array if length <= len(array) else np.concatenate((array, np.zeros((more, *array.shape[1:]), array.dtype)))


class _Near:
    """Displacements of a neighbourhood of cells, as a program in which the bounds change. Short ones are preferred."""

    def __init__(self, view: View, seeds: np.ndarray, size: int) -> None:
        columns = [grow(view, int(seed), size) for seed in np.unique(view.column[seeds])]
        self._columns = np.unique(np.concatenate(columns))
        self._cells, self._owner = view.members(self._columns)
        self._ratio = view.ratio[self._cells]
        matrix = view.local(self._columns)[1]
        # Up and down apart: a movement costs how far it goes.
        self._matrix = sp.hstack((matrix, -matrix), format="csr")
        self._cost = np.ones(2 * len(self._columns))
        self._program = lp.Program(self._matrix, 0 * self._cost, 0 * self._cost)

    def move(self, least: np.ndarray) -> Moves | None:
        """A displacement that moves cells by no less than `least` float64[n], and a little more where that is up; None
        where the program has none.
        """
        wanted = least[self._cells]
        wanted = wanted + np.where(wanted > 0, SPARE * _least_gain(least), 0.0)
        lower, upper = np.full((2, len(self._columns)), [[-np.inf], [np.inf]])
        up = self._ratio > 0
        np.maximum.at(lower, self._owner[up], wanted[up] / self._ratio[up])
        np.minimum.at(upper, self._owner[~up], wanted[~up] / self._ratio[~up])
        if (lower > upper).any():
            return None
        self._program.bound(
            np.concatenate((np.maximum(lower, 0.0), np.maximum(-upper, 0.0))),
            np.concatenate((np.maximum(upper, 0.0), np.maximum(-lower, 0.0))),
        )
        solution = self._program.minimise(self._cost)
        if solution.status != lp.OPTIMAL:
            return None
        if np.abs(self._matrix @ solution.x).sum() > SPARE / 4 * _least_gain(least):
            return None
        rise, fall = np.split(solution.x, 2)
        moves = (rise - fall)[self._owner] * self._ratio
        some = np.flatnonzero(moves)
        return self._cells[some], moves[some]


def _of_others(cell: np.ndarray, amount: np.ndarray, count: int) -> np.ndarray:
    """Beside each amount in a cell, the `count` largest others there together."""
    order = np.lexsort((-amount, cell))
    first = np.searchsorted(cell[order], cell[order])
    last = np.searchsorted(cell[order], cell[order], side="right")
    before = np.append(0.0, np.cumsum(amount[order]))
    rank = np.arange(len(order)) - first
    # Who is among them makes room for one more.
    among = rank < count
    end = np.minimum(first + count + among, last)
    out = np.empty(len(order))
    out[order] = before[end] - before[first] - np.where(among, amount[order], 0.0)
    return out


def _least_gain(sensitivity: np.ndarray) -> float:
    return float(sensitivity[sensitivity > 0].min(initial=1.0))


def _outweighs(moves: Moves, sensitivity: np.ndarray) -> bool:
    """Does a displacement exceed the sensitivities, clearly where they are positive?"""
    cells, size = moves
    gaining = np.flatnonzero(sensitivity > 0)
    if len(gaining) == 0 and len(cells) == 0:
        return True
    if len(np.setdiff1d(gaining, cells)):
        return False
    spare, over = SPARE * _least_gain(sensitivity), size - sensitivity[cells]
    short = np.maximum(-over, 0.0).sum()
    return bool((over[sensitivity[cells] > 0] >= spare / 2).all() and short <= spare / 4)
