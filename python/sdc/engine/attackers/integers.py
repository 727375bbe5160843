"""Readers who count: suppressed counts are whole, and not zero where zeros are published; and the rule may be public.

`integers` knows that cells marked `integer` are whole numbers, and that they are at least 1 if no suppressed one is
zero. `public_rule` knows besides the threshold T, and that every connected part of the pattern has a cell below it,
for else nothing would have been suppressed there; not which cell: one opaque marker stands for primary and secondary
alike. In `15 = 10 + 3 + x + x` both are left with 1 + 1.

What they learn of a cell is the range of whole tables (Handbook on Statistical Disclosure Control, 2nd ed., ch. 4;
Fischetti & Salazar-Gonzalez 2001 with whole variables). Connected parts of up to LARGEST suppressed cells are examined
exactly, by integer programs. In larger parts a cell is safe if another whole table is found among the displacements
the audit knows, or in a neighbourhood with everything else held fixed, and it is open if linear programs with what he
knows say so. Where neither is found, and where WORK ran out, it is `not_examined`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from sdc.engine import deadlines, mip
from sdc.engine.attackers.reader import Leak
from sdc.engine.certify import COVER, certify
from sdc.engine.errors import EngineError, named
from sdc.engine.intervals import interval
from sdc.engine.needs import V_NOT_EXAMINED, V_SAFE, Needs
from sdc.engine.neighbourhood import grow
from sdc.engine.pattern import Pattern
from sdc.engine.rules import Judge
from sdc.engine.system import System
from sdc.engine.view import View

LARGEST = 150
# Neighbourhoods in larger parts, in suppressed cells.
NEAR = (40, 150)
# Integer programs, about, for one examination; and what the linear programs around one cell count for.
WORK = 5_000
LINEAR = 4
# Neighbourhoods for the repair, in cells that are suppressed or may be.
REPAIR = (40, 150, 500)
# Rounds of examination and repair.
ROUNDS = 20
# Parts of a whole displacement: a vertex of a table's relations has small denominators.
DENOMINATORS = (1.0, 2.0, 3.0, 4.0, 6.0)


@dataclass(frozen=True)
class IntegerReader:
    """The attacker `name`; `judge` has the public rule, None where the rule is not known."""

    name: str
    judge: Judge | None = None

    def leaks(self, pattern: Pattern, deadline: float | None = None, threads: int | None = None) -> list[Leak]:
        """Cells that are not protected from him, or that could not be examined."""
        verdict = _Ranges(pattern, self.judge, deadline, threads).examine()
        return [Leak(int(cell), int(verdict[cell])) for cell in np.flatnonzero(verdict != V_SAFE)]

    def complete(
        self, system: System, suppressed: np.ndarray, deadline: float | None = None, threads: int | None = None
    ) -> np.ndarray:
        """A pattern with further cells where this attacker learns too much; what was not examined stays as it is.

        More suppressed cells never narrow what anybody can rule out. Raises EngineError naming cells that nothing
        protects.
        """
        pattern = Pattern(system, suppressed)
        for _ in range(ROUNDS):
            ranges = _Ranges(pattern, self.judge, deadline, threads)
            verdict = ranges.examine()
            open_ = np.flatnonzero((verdict != V_SAFE) & (verdict != V_NOT_EXAMINED))
            if len(open_) == 0:
                return pattern.suppressed
            before = int(pattern.suppressed.sum())
            for cell in open_:
                ranges.repair(int(cell))
            if int(pattern.suppressed.sum()) == before:
                break
        bad = system.cell_id[open_]
        raise EngineError(
            f"suppress: cells {named(bad)} cannot be protected from {self.name}: no set of cells that may be suppressed"
            " leaves another whole number; look for frozen and zero cells in their relations",
            cells=bad,
        )


def reader(judge: Judge | None) -> IntegerReader:
    """Who knows of whole numbers and published zeros."""
    return IntegerReader("integers")


def reader_of_rule(judge: Judge | None) -> IntegerReader:
    """Who knows the threshold too; EngineError without one."""
    if judge is None or judge.rules.threshold == 0:
        raise EngineError("attackers: public_rule needs the threshold: rules={'threshold': ...}")
    return IntegerReader("public_rule", judge)


class _Ranges:
    """How far cells are known to move in whole tables: `up`, `down` [n]."""

    def __init__(self, pattern: Pattern, judge: Judge | None, deadline: float | None, threads: int | None) -> None:
        system = pattern.system
        self.deadline = deadline
        self.pattern, self.system = pattern, system
        self.needs: Needs = pattern.needs
        whole = system.integer
        least = system.lower.copy()
        shown = not (pattern.suppressed & whole & (system.value == 0)).any()
        counts = whole & (system.lower >= 0) & (system.value >= 1)
        if shown:
            least[counts] = np.maximum(least[counts], 1.0)
        self.room_down = _whole_part(system.value - least, whole)
        self.room_up = _whole_part(system.upper - system.value, whole)
        self.up, self.down = np.zeros(system.n), np.zeros(system.n)
        self.work = WORK
        self.part = self._parts()
        self.below = np.zeros(system.n)
        if judge is not None:
            self._know(judge)
        # Displacements within the bounds he knows; many of them are whole, or whole in multiples.
        self.tight = Pattern(replace(system, lower=least), pattern.suppressed)
        view = View.paired(self.tight.system, pattern.suppressed)
        certify(self.tight, view, COVER, deadline=deadline, threads=threads)
        for cells, displacement in (*pattern.points, *self.tight.points):
            self._credit_whole(cells, displacement)

    def _parts(self) -> np.ndarray:
        """Number of each suppressed cell's connected part, -1 for others."""
        hidden = np.flatnonzero(self.pattern.suppressed)
        matrix = abs(self.system.A[:, hidden])
        links = sp.bmat([[None, matrix.T], [matrix, None]], format="csr")
        out = np.full(self.system.n, -1, dtype=np.int64)
        out[hidden] = sp.csgraph.connected_components(links, directed=False)[1][: len(hidden)]
        return out

    def _know(self, judge: Judge) -> None:
        """Enter what is below the threshold: `below` [n] is T - 1 in parts that have a cell below it, else 0.

        The rule speaks of contributors: it says something of values where these are what is counted.
        """
        system, least = self.system, judge.rules.threshold
        counted = system.integer & (judge.statistics.contributors == system.value)
        hidden = np.flatnonzero(self.pattern.suppressed)
        other = np.zeros(int(self.part.max(initial=-1)) + 1, dtype=bool)
        other[self.part[hidden[~counted[hidden]]]] = True
        few = np.zeros(len(other), dtype=bool)
        few[self.part[hidden[system.value[hidden] < least]]] = True
        self.below[hidden] = np.where(few & ~other, least - 1.0, 0.0)[self.part[hidden]]

    def examine(self) -> np.ndarray:
        """Verdict codes [n] of whole suppressed cells and those connected with them; safe for all others."""
        system = self.system
        hidden = np.flatnonzero(self.pattern.suppressed)
        size = np.bincount(self.part[hidden])
        has_whole = np.bincount(self.part[hidden], weights=system.integer[hidden]) > 0
        verdict = np.full(system.n, V_SAFE, dtype=np.int8)
        order = np.argsort(self.part[hidden], kind="stable")
        groups = np.split(hidden[order], np.cumsum(size)[:-1])
        view = rigid = None
        for number in np.argsort(size, kind="stable"):
            cells = groups[number]
            if not has_whole[number]:
                continue
            for cell in cells.tolist():
                if self._met(cell):
                    continue
                if self.work <= 0 or deadlines.passed(self.deadline):
                    verdict[cell] = V_NOT_EXAMINED
                elif size[number] <= LARGEST:
                    settled = self._extend(cell, cells)
                    verdict[cell] = self._verdict(cell) if settled else V_NOT_EXAMINED
                else:
                    if view is None:
                        view, rigid = _apart(system, hidden), View.rigid(self.tight.system, self.pattern.suppressed)
                    verdict[cell] = self._look_around(cell, view, hidden, rigid)
        return verdict

    def _verdict(self, cell: int) -> int:
        one = np.array([cell])
        return int(self.needs.verdict(self.up[one], self.down[one], one)[0])

    def _met(self, cell: int) -> bool:
        return self._verdict(cell) == V_SAFE

    def _look_around(self, cell: int, view: View, hidden: np.ndarray, rigid: View) -> int:
        """Verdict on a cell of a large part: open by linear programs, or safe by a whole table near it."""
        known = len(self.tight.points)
        found = interval(self.tight, rigid, cell).verdict
        self.work -= LINEAR
        for cells, displacement in self.tight.points[known:]:
            self._credit_whole(cells, displacement)
        if found not in (V_SAFE, V_NOT_EXAMINED):
            return found
        for size in NEAR:
            if not self._met(cell):
                self._extend(cell, hidden[grow(view, int(view.column[cell]), size)])
        return V_SAFE if self._met(cell) else V_NOT_EXAMINED

    def _extend(self, cell: int, cells: np.ndarray) -> bool:
        """Move `cell` as far as it needs, up and down, nothing but `cells` moving; False if that is not settled."""
        one = np.array([cell])
        settled = True
        for sign in (1.0, -1.0):
            above, below, either = (float(side[0]) for side in self.needs.open_sides(self.up[one], self.down[one], one))
            wanted = max(above if sign > 0 else below, either)
            if wanted <= 0:
                continue
            if self.work <= 0:
                return False
            self.work -= 1
            settled &= self._push(cell, cells, sign, wanted)
        return settled

    def _push(self, cell: int, cells: np.ndarray, sign: float, wanted: float) -> bool:
        """Credit the farthest whole table in one direction, up to `wanted`; False where it is not proven farthest."""
        program = self._program(cells, cell, sign, wanted)
        found = mip.minimise_integral(program, np.zeros(len(program.cost)))
        if found.x is not None:
            self._credit(cells, found.x[: len(cells)])
        reached = self.up[cell] if sign > 0 else self.down[cell]
        return found.status == mip.OPTIMAL or reached >= wanted

    def _bounds(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Finite bounds of the cells' displacements; the reach is far beyond what any level asks for."""
        level = np.maximum.reduce((self.needs.up[cells], self.needs.down[cells], self.needs.width[cells]))
        reach = np.ceil(10.0 * (np.abs(self.system.value[cells]).sum() + level.sum() + 1.0))
        return -np.minimum(self.room_down[cells], reach), np.minimum(self.room_up[cells], reach)

    def _program(self, cells: np.ndarray, cell: int, sign: float, wanted: float) -> mip.Program:
        """Farthest displacement of `cell` among whole tables that differ in `cells` only."""
        system = self.system
        lower, upper = self._bounds(cells)
        at = int(np.searchsorted(cells, cell))
        most = np.ceil(wanted)
        lower[at], upper[at] = (0.0, min(upper[at], most)) if sign > 0 else (max(lower[at], -most), 0.0)
        matrix = system.A[:, cells]
        matrix = matrix[np.flatnonzero(np.diff(matrix.indptr))]
        cost = np.zeros(len(cells))
        cost[at] = -sign
        integer = system.integer[cells]
        rows = np.zeros(matrix.shape[0])
        row_lower, row_upper = rows, rows.copy()
        top = self.below[cells] - system.value[cells]
        if self.below[cell] > 0 and not self._certainly_below(cell, cells, top, upper):
            # One cell, at least, stays below the threshold: a column for each that says it does.
            count = len(cells)
            slack = np.maximum(upper - top, 0.0)
            matrix = sp.bmat(
                [
                    [matrix, None],
                    [sp.identity(count), sp.diags(slack)],
                    [None, sp.csr_matrix(np.ones((1, count)))],
                ],
                format="csr",
            )
            cost = np.concatenate((cost, np.zeros(count)))
            lower, upper = np.concatenate((lower, np.zeros(count))), np.concatenate((upper, np.ones(count)))
            integer = np.concatenate((integer, np.ones(count, dtype=bool)))
            row_lower = np.concatenate((row_lower, np.full(count, -np.inf), [1.0]))
            row_upper = np.concatenate((row_upper, top + slack, [np.inf]))
        return mip.Program(cost, matrix, lower, upper, row_lower, row_upper, integer)

    def _certainly_below(self, cell: int, cells: np.ndarray, top: np.ndarray, upper: np.ndarray) -> bool:
        """Does some cell of the part stay below the threshold whatever the displacement of `cells`?"""
        if (upper <= top).any():
            return True
        still = (self.part == self.part[cell]) & (self.system.value <= self.below)
        still[cells] = False
        return bool(still.any())

    def _allowed(self, cells: np.ndarray, displacement: np.ndarray) -> bool:
        """Does every part that is moved keep a cell below the threshold?"""
        if not (self.below[cells] > 0).any():
            return True
        value = self.system.value.copy()
        value[cells] += displacement
        parts = np.unique(self.part[cells[self.below[cells] > 0]])
        few = self.part[(self.below > 0) & (value <= self.below)]
        return bool(np.isin(parts, few).all())

    def _credit_whole(self, cells: np.ndarray, displacement: np.ndarray) -> None:
        """Credit a displacement that is whole once scaled."""
        unit = displacement / np.abs(displacement).min()
        for denominator in DENOMINATORS:
            scaled = np.round(unit * denominator)
            if np.abs(scaled - unit * denominator).max() <= 1e-6 * denominator:
                self._credit(cells, scaled / np.gcd.reduce(scaled.astype(np.int64)))
                return

    def _credit(self, cells: np.ndarray, displacement: np.ndarray) -> None:
        """Credit multiples of a whole displacement, in both directions, as far as the bounds allow."""
        moved = np.abs(displacement) > mip.WHOLE_TO
        cells, displacement = cells[moved], displacement[moved]
        if len(cells) == 0 or not self._holds(cells, displacement):
            return
        for direction in (displacement, -displacement):
            room = np.where(direction > 0, self.room_up[cells], self.room_down[cells])
            times = min(np.floor((room / np.abs(direction)).min() + mip.WHOLE_TO), 1e9)
            for multiple in sorted({times, min(times, 1.0)}):
                if multiple >= 1 and self._allowed(cells, direction * multiple):
                    self.up[cells] = np.maximum(self.up[cells], direction * multiple)
                    self.down[cells] = np.maximum(self.down[cells], -direction * multiple)

    def _holds(self, cells: np.ndarray, displacement: np.ndarray) -> bool:
        """Is it whole where it must be, and do all relations hold?"""
        whole = self.system.integer[cells]
        if (displacement != np.round(displacement))[whole].any():
            return False
        columns = self.pattern.by_cell[:, cells]
        off, size = np.abs(columns @ displacement), abs(columns) @ np.abs(displacement)
        return bool((off <= 1e-9 * np.maximum(size, 1.0)).all())

    def repair(self, cell: int) -> None:
        """Suppress what the cheapest whole displacement found moves that moves `cell` as far as it needs."""
        one = np.array([cell])
        if self._met(cell):
            return
        above, below, either = (float(side[0]) for side in self.needs.open_sides(self.up[one], self.down[one], one))
        ways = [(sign, wanted) for sign, wanted in ((1.0, above), (-1.0, below)) if wanted > 0]
        # Either direction will do: the cheaper one is taken.
        groups = [[way] for way in ways] or [[(1.0, either), (-1.0, either)]]
        where = np.flatnonzero(self.pattern.suppressed | self.system.candidate)
        view = _apart(self.system, where)
        for group in groups:
            for size in REPAIR:
                cells = where[grow(view, int(view.column[cell]), size)]
                found = [self._cheapest(cells, cell, sign, np.ceil(wanted)) for sign, wanted in group]
                found = [each for each in found if each is not None]
                if found:
                    cost, displacement = min(found, key=lambda each: each[0])
                    moved = np.abs(displacement) > mip.WHOLE_TO
                    new = cells[moved]
                    self.pattern.suppress(new)
                    self.pattern.add_point(new, displacement[moved])
                    break

    def _cheapest(self, cells: np.ndarray, cell: int, sign: float, wanted: float) -> tuple[float, np.ndarray] | None:
        """Whole displacement of `cells` with `cell` moved by `wanted` that needs the cheapest further suppressions."""
        system = self.system
        count = len(cells)
        reach = 4.0 * wanted + 4.0
        lower = -np.minimum(self.room_down[cells], reach)
        upper = np.minimum(self.room_up[cells], reach)
        at = int(np.searchsorted(cells, cell))
        if not lower[at] <= sign * wanted <= upper[at]:
            return None
        lower[at] = upper[at] = sign * wanted
        fresh = np.flatnonzero(~self.pattern.suppressed[cells])
        matrix = system.A[:, cells]
        matrix = matrix[np.flatnonzero(np.diff(matrix.indptr))]
        pick = sp.csr_matrix((np.ones(len(fresh)), (np.arange(len(fresh)), fresh)), shape=(len(fresh), count))
        both = (
            sp.bmat([[matrix, None], [pick, sp.diags(-upper[fresh])], [pick, sp.diags(-lower[fresh])]], format="csr")
            if len(fresh)
            else matrix
        )
        zero = np.zeros(matrix.shape[0])
        none, free = np.zeros(len(fresh)), np.full(len(fresh), np.inf)
        program = mip.Program(
            cost=np.concatenate((np.zeros(count), system.cost[cells[fresh]])),
            matrix=both,
            lower=np.concatenate((lower, none)),
            upper=np.concatenate((upper, np.ones(len(fresh)))),
            row_lower=np.concatenate((zero, -free, none)),
            row_upper=np.concatenate((zero, none, free)),
            integer=np.concatenate((system.integer[cells], np.ones(len(fresh), dtype=bool))),
        )
        start = np.concatenate((np.clip(np.zeros(count), lower, upper), none))
        found = mip.minimise_integral(program, start)
        return None if found.x is None else (found.objective, found.x[:count])


def _apart(system: System, cells: np.ndarray) -> View:
    """A view in which each of the cells is a column of its own."""
    column, ratio = np.full(system.n, -1, dtype=np.int64), np.zeros(system.n)
    column[cells], ratio[cells] = np.arange(len(cells)), 1.0
    return View.of(system, column, ratio)


def _whole_part(room: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Room of whole cells rounded down to a whole number."""
    return np.maximum(np.where(whole, np.floor(room + mip.WHOLE_TO), room), 0.0)
