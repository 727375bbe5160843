"""Unions: sums of suppressed cells that a reader computes, and that fail the primary rules themselves.

A reader who subtracts the published children from a published total knows the sum of the suppressed ones: a cell of
its own, that must pass the rules like any other (Handbook on Statistical Disclosure Control, 2nd ed., ch. 4; Cox 1981
for the rules' subadditivity: sets made of safe ones are safe, so that only small sums matter).

Examined are, among the sums with coefficients of one that follow from the relations:

- in each relation, the suppressed cells of one side where all of the other are published;
- what these become when suppressed cells are replaced by their suppressed parts, up to DEPTH times over, as long as
  the result can fail a rule;
- every sum of two cells, through however many relations;
- under a threshold, every sum of three or four cells with fewer contributors, counted apart, than the threshold,
  unless there are more than PAIRS pairs to be made of such cells.

Other sums are not looked into: longer ones that only follow by adding and subtracting many relations, and differences
and multiples of cells, which are no sets of contributors.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from sdc.engine.attackers.reader import Leak
from sdc.engine.elimination import PRIME, residues
from sdc.engine.errors import EngineError
from sdc.engine.needs import V_EXACT, V_NOT_EXAMINED
from sdc.engine.pattern import Pattern
from sdc.engine.rules import Judge, gather_lists
from sdc.engine.system import System
from sdc.engine.view import Space

NAME = "unions"
DEPTH = 4
# Most sums taken on to the next replacement, those nearest to failing first.
BREADTH = 100_000
# Most pairs of cells from which sums of three and four are made.
PAIRS = 5_000_000
# Most sums of two cells out of one class of cells that move alike.
ALIKE = 1_000_000


@dataclass(frozen=True)
class Unions:
    """Sets of cells: `member` is a matrix of sets x n with ones, `level` float64[sets] their protection levels."""

    member: sp.csr_matrix
    level: np.ndarray

    def __len__(self) -> int:
        return len(self.level)

    @classmethod
    def none(cls, n: int) -> Unions:
        """No sets of a system of n cells."""
        return cls(sp.csr_matrix((0, n)), np.zeros(0))

    def cells(self, number: int) -> np.ndarray:
        """Cells of one set, ascending."""
        return self.member.indices[self.member.indptr[number] : self.member.indptr[number + 1]]

    def and_new(self, other: Unions) -> Unions:
        """These sets and those of the other that are not among them."""
        both = sp.vstack((self.member, other.member), format="csr")
        level = np.concatenate((self.level, other.level))
        first = _distinct(both)
        return Unions(both[first], level[first])


def unsafe_unions(system: System, suppressed: np.ndarray, judge: Judge) -> Unions:
    """Computable sums of two and more suppressed cells that fail the rules, in an order that depends on the cells only.

    Cells that are computed by themselves are nobody's union. Raises EngineError where elimination ran out of work.
    """
    hidden = system.A @ sp.diags(suppressed.astype(float), format="csr")
    hidden.eliminate_zeros()
    found = [_of_relations(hidden)]
    parts = _Parts(hidden)
    hope = _Hope(judge, parts)
    for _ in range(DEPTH):
        found.append(parts.replaced(hope.best(found[-1])))
    found.append(_small_sums(system, suppressed, judge))
    member = sp.vstack(found, format="csr")
    member = member[_distinct(member)]
    owner = np.repeat(np.arange(member.shape[0]), np.diff(member.indptr))
    level = judge.levels(owner, member.indices, member.shape[0])
    unsafe = np.flatnonzero(level >= 0)
    return Unions(member[unsafe], level[unsafe])


def _of_relations(hidden: sp.csr_matrix) -> sp.csr_matrix:
    """Sums in single relations: those whose suppressed cells all have the same coefficient, two cells or more."""
    count = np.diff(hidden.indptr)
    rows = np.flatnonzero(count >= 2)
    first = np.zeros(hidden.shape[0])
    first[rows] = hidden.data[hidden.indptr[rows]]
    equal = hidden.data == np.repeat(first, count)
    same = np.bincount(np.repeat(np.arange(hidden.shape[0]), count), weights=equal, minlength=hidden.shape[0]) == count
    out = hidden[rows[same[rows]]]
    out.data[:] = 1.0
    out.sort_indices()
    return out


class _Parts:
    """For suppressed cells the ways to replace them by suppressed parts of theirs (and published ones)."""

    def __init__(self, hidden: sp.csr_matrix) -> None:
        n = hidden.shape[1]
        count = np.diff(hidden.indptr)
        relation = np.repeat(np.arange(hidden.shape[0]), count)
        positive = np.bincount(relation, weights=hidden.data > 0, minlength=hidden.shape[0])
        most, least = np.zeros(hidden.shape[0]), np.full(hidden.shape[0], np.inf)
        np.maximum.at(most, relation, np.abs(hidden.data))
        np.minimum.at(least, relation, np.abs(hidden.data))
        # The whole is alone on its side of the relation, and all coefficients are of one size.
        alone = np.where(hidden.data > 0, positive[relation] == 1, (count - positive)[relation] == 1)
        way = np.flatnonzero(alone & (count[relation] >= 2) & (most == least)[relation])
        way = way[np.argsort(hidden.indices[way], kind="stable")]
        self.whole = hidden.indices[way]
        self.start = np.searchsorted(self.whole, np.arange(n + 1))
        # A way as a change of a sum: minus the whole, plus the parts.
        sign = -np.sign(hidden.data[way])
        self.change = sp.diags(sign, format="csr") @ hidden[relation[way]] if len(way) else sp.csr_matrix((0, n))
        self.change.data = np.sign(self.change.data)

    def replaced(self, sums: sp.csr_matrix) -> sp.csr_matrix:
        """The sums with one of their cells replaced, in all ways that lead to sums with coefficients of one."""
        owner = np.repeat(np.arange(sums.shape[0]), np.diff(sums.indptr))
        position, way = gather_lists(self.start, sums.indices)
        out = (sums[owner[position]] + self.change[way]).tocsr()
        out.eliminate_zeros()
        out.sort_indices()
        count = np.diff(out.indptr)
        row = np.repeat(np.arange(out.shape[0]), count)
        once = np.bincount(row, weights=out.data == 1.0, minlength=out.shape[0]) == count
        out = out[np.flatnonzero(once & (count >= 2))]
        return out[_distinct(out)]


class _Hope:
    """How near to failing a sum can come when its cells are replaced by parts: bounds cell by cell, added up.

    Replacing never adds contributors; sensitivities of sets are at most the sums of those of their parts.
    """

    def __init__(self, judge: Judge, parts: _Parts) -> None:
        at = judge.statistics
        self.threshold, self.listed = judge.rules.threshold, at.listed
        # Sole contributors of different cells may be one and the same.
        self.contributors = np.where(at.contributors > 1, at.contributors, 0).astype(float)
        self.sensitivity = [np.maximum(row, -1e300) for row in judge.sensitivity]
        inside = parts.change.copy()
        inside.data = np.maximum(inside.data, 0.0)
        for _ in range(DEPTH):
            if self.listed:
                entry = np.repeat(np.arange(inside.shape[0]), np.diff(inside.indptr))
                fewest = np.zeros(inside.shape[0])
                np.maximum.at(fewest, entry, self.contributors[inside.indices] * (inside.data > 0))
            else:
                fewest = inside @ self.contributors
            np.minimum.at(self.contributors, parts.whole, fewest)
            for row in self.sensitivity:
                np.maximum.at(row, parts.whole, inside @ row)

    def best(self, sums: sp.csr_matrix) -> sp.csr_matrix:
        """The sums that may fail a rule when replaced, at most BREADTH."""
        if sums.shape[0] == 0:
            return sums
        if self.listed:
            few = np.maximum.reduceat(self.contributors[sums.indices], sums.indptr[:-1])
        else:
            few = sums @ self.contributors
        short = few - self.threshold
        for row in self.sensitivity:
            short = np.minimum(short, -(sums @ row))
        kept = np.flatnonzero(short < 0)
        if len(kept) > BREADTH:
            kept = np.sort(kept[np.argsort(short[kept], kind="stable")[:BREADTH]])
        return sums[kept]


def _small_sums(system: System, suppressed: np.ndarray, judge: Judge) -> sp.csr_matrix:
    """Computable sums of two to four cells, by random solutions: their entries cancel in every solution.

    Two solutions modulo the prime 2^31 - 1 as one key: a sum that is none has a chance of about 2^-62 to seem one.
    """
    space = Space.of(system, suppressed)
    view, basis = space.view, space.basis
    if basis is None:
        raise EngineError("unions: the relations are too entangled for exact elimination; nothing was examined")
    cells = np.flatnonzero(suppressed & (view.column >= 0))
    rows = basis.project(2)[view.column[cells]].T * residues(view.ratio[cells]) % PRIME
    moving = rows.any(axis=0)
    cells, rows = cells[moving], rows[:, moving]
    found = [_matrix(_cancelling(rows, cells), system.n)]
    number = judge.statistics.contributors[cells]
    few = (number > 0) & (number <= judge.rules.threshold - 3)
    cells, rows, number = cells[few], rows[:, few], number[few]
    if 2 <= len(cells) and len(cells) * (len(cells) - 1) // 2 <= PAIRS:
        one, two = np.triu_indices(len(cells), 1)
        together = number[one] + number[two]
        kept = together <= judge.rules.threshold - 2
        found += _longer(cells, rows, one[kept], two[kept], together[kept], number, judge.rules.threshold, system.n)
    return sp.vstack(found, format="csr")


def _keys(rows: np.ndarray) -> np.ndarray:
    """Two residues as one number."""
    return rows[0] << 31 | rows[1]


def _cancelling(rows: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Pairs of cells, int64[pairs, 2], whose entries cancel."""
    key, opposite = _keys(rows), _keys(-rows % PRIME)
    order = np.argsort(key, kind="stable")
    first = np.searchsorted(key[order], opposite, side="left")
    times = np.searchsorted(key[order], opposite, side="right") - first
    times[times.cumsum() > ALIKE] = 0
    one = np.repeat(np.arange(len(cells)), times)
    two = order[np.arange(len(one)) + np.repeat(first - (times.cumsum() - times), times)]
    kept = one < two
    return np.stack((cells[one[kept]], cells[two[kept]]), axis=1)


def _longer(
    cells: np.ndarray,
    rows: np.ndarray,
    one: np.ndarray,
    two: np.ndarray,
    together: np.ndarray,
    number: np.ndarray,
    threshold: int,
    n: int,
) -> list[sp.csr_matrix]:
    """Sums of three and of four cells with fewer contributors than the threshold, from the pairs (one, two)."""
    pair = (rows[:, one] + rows[:, two]) % PRIME
    key, opposite = _keys(pair), _keys(-pair % PRIME)
    # A pair that cancels by itself is a sum already.
    open_ = np.flatnonzero(key != 0)
    order = open_[np.argsort(key[open_], kind="stable")]
    out = []
    for wanted, left in ((_keys(-rows % PRIME), number), (opposite, together)):
        first = np.searchsorted(key[order], wanted, side="left")
        times = np.searchsorted(key[order], wanted, side="right") - first
        source = np.repeat(np.arange(len(wanted)), times)
        match = order[np.arange(len(source)) + np.repeat(first - (times.cumsum() - times), times)]
        kept = left[source] + together[match] < threshold
        source, match = source[kept], match[kept]
        others = (source,) if left is number else (one[source], two[source])
        members = np.sort(np.stack((one[match], two[match], *others), axis=1), axis=1)
        members = members[(np.diff(members, axis=1) > 0).all(axis=1)]
        out.append(_matrix(np.unique(cells[members], axis=0), n))
    return out


def _matrix(members: np.ndarray, n: int) -> sp.csr_matrix:
    """Sets of equal size [sets, size] as a matrix of ones."""
    sets, size = members.shape
    columns = np.sort(members, axis=1).ravel()
    return sp.csr_matrix((np.ones(len(columns)), columns, np.arange(sets + 1) * size), shape=(sets, n))


def _distinct(sums: sp.csr_matrix) -> np.ndarray:
    """Indices of the first of equal rows of ones, in order."""
    if sums.shape[0] == 0:
        return np.zeros(0, dtype=np.int64)
    random = np.random.default_rng(0).integers(1, 1 << 62, (sums.shape[1], 2))
    keys = np.add.reduceat(random[sums.indices], sums.indptr[:-1], axis=0)
    return np.sort(np.unique(keys, axis=0, return_index=True)[1])


@dataclass(frozen=True)
class _Reader:
    """Finds the members of unsafe unions: the primaries among them, or all where there is none.

    Where they could not be looked for, every primary is not examined.
    """

    judge: Judge
    name: str = NAME

    def leaks(self, pattern: Pattern, deadline: float | None = None) -> list[Leak]:
        primary = pattern.system.primary
        unions = None
        if deadline is None or time.monotonic() < deadline:
            with suppress(EngineError):
                unions = unsafe_unions(pattern.system, pattern.suppressed, self.judge)
        if unions is None:
            return [Leak(int(cell), V_NOT_EXAMINED) for cell in np.flatnonzero(primary)]
        found = []
        for number in range(len(unions)):
            members = unions.cells(number)
            harmed = members[primary[members]] if primary[members].any() else members
            found += [Leak(int(cell), V_EXACT, members) for cell in harmed]
        return found


def reader(judge: Judge | None) -> _Reader:
    """The attacker by the rules of `judge`; EngineError without rules."""
    if judge is None:
        raise EngineError("attackers: unions needs rules to judge sums by: rules={'threshold': ...} or others")
    return _Reader(judge)
