"""Primary rules over any set of cells: what is known of its contributors, and whether the set is unsafe.

The definitions are those of the SQL rules of the same names (Handbook on Statistical Disclosure Control, 2nd ed., ch.
4): `threshold`, `p_percent`, `dominance`, `prior_posterior`. What is not known is taken at its worst.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sdc.engine import arrow
from sdc.engine.errors import EngineError, named
from sdc.engine.system import System

# Names and defaults of each rule's parameters; a bare number is the first of them.
PARAMETERS = {
    "threshold": {"contributors": None},
    "p_percent": {"p": None, "m": 1},
    "dominance": {"k": None, "n": 1},
    "prior_posterior": {"p": None, "q": None},
}
# Shortfalls below this part of a set's size are rounding.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Rules:
    """`threshold` (0 without one), and the concentration rules as rows (target, others, size, coalition).

    A set is unsafe by such a row where `target * x1 + others * (x2 + ... ) + size * X > 0`, with so many other
    contributors as `coalition` says; that sum is the protection level.
    """

    threshold: int
    concentration: tuple[tuple[float, float, float, int], ...]

    @classmethod
    def of(cls, given: Mapping[str, object]) -> Rules:
        """Rules as the SQL side names them; EngineError for what is unknown or out of range."""
        threshold, rows = 0, []
        for name, asked in given.items():
            if name not in PARAMETERS:
                raise EngineError(f"rules: unknown {name!r}; use {', '.join(PARAMETERS)}")
            at = _parameters(name, asked)
            if name == "threshold":
                threshold = int(at["contributors"])
            elif name == "p_percent":
                rows.append((1 + at["p"] / 100, 1.0, -1.0, int(at["m"])))
            elif name == "dominance":
                rows.append((100 / at["k"], 100 / at["k"], -1.0, int(at["n"]) - 1))
            else:
                rows.append((1 + at["p"] / at["q"], 1.0, -1.0, 1))
        return cls(threshold, tuple(rows))


def _parameters(name: str, asked: object) -> dict[str, float]:
    """The parameters of a rule, each a positive number; whole where it counts contributors."""
    known = PARAMETERS[name]
    given = dict(asked) if isinstance(asked, Mapping) else {next(iter(known)): asked}
    at = {**known, **given}
    for key, number in at.items():
        if key not in known:
            raise EngineError(f"rules: {name} has no parameter {key!r}; use {', '.join(known)}")
        sound = isinstance(number, (int, float)) and not isinstance(number, bool) and np.isfinite(number) and number > 0
        if not sound or (key in ("contributors", "m", "n") and number != int(number)):
            kind = "a whole number of contributors, 1 or more" if key in ("contributors", "m", "n") else "a percentage"
            raise EngineError(f"rules: {name}: {key} must be {kind}")
    return at


@dataclass(frozen=True)
class Statistics:
    """What the cells tell of their contributors; cells in the order of the system.

    `contributors` int64[n] distinct contributors; `size` float64[n] the sum of their contributions' absolute values.
    The largest contributors of cell i are the entries `start[i]` to `start[i + 1]` of `who` (codes), `amount`
    (absolute), and `waived` (no longer to be protected). `listed` says whether they were given: if not, only sole
    contributors are known by code.
    """

    contributors: np.ndarray
    size: np.ndarray
    listed: bool
    start: np.ndarray
    who: np.ndarray
    amount: np.ndarray
    waived: np.ndarray

    @classmethod
    def from_arrow(cls, cells: pa.Table, system: System, rules: Rules) -> Statistics:
        """Read `contributors`, `largest` (list of {contributor, amount, waived}) and `absolute` (default: |value|).

        Raises EngineError for what the rules need and the cells do not have. A number of contributors that is missing
        is no 0: sums with such a cell would pass for those of nobody.
        """
        needed = {"contributors"} | ({"largest"} if rules.concentration else set())
        missing = sorted(needed - set(cells.column_names))
        if missing:
            raise EngineError(f"rules: need the column {', '.join(f'`{name}`' for name in missing)} in cells")
        ids = arrow.integers(cells, "cell_id", "cells")
        order = np.argsort(ids, kind="stable")
        number = arrow.numbers(cells, "contributors", "cells", ids=ids, nan=True, default=np.nan)[order]
        size = arrow.numbers(cells, "absolute", "cells", ids=ids, nan=True, default=np.nan)[order]
        size = np.where(np.isnan(size), np.abs(system.value), size)
        bad = np.isnan(number)
        if bad.any():
            missing = system.cell_id[bad]
            raise EngineError(
                f"cells.contributors: missing (cells {named(missing)}); give 0 where nobody contributes", cells=missing
            )
        bad = (number < 0) | (number != np.round(number))
        if bad.any():
            raise EngineError("cells.contributors: not a whole number, 0 or more", cells=system.cell_id[bad])
        if "largest" not in cells.column_names:
            sole = system.contributor >= 0
            start = np.concatenate(([0], np.cumsum(sole)))
            who, amount = system.contributor[sole], size[sole]
            return cls(number.astype(np.int64), size, False, start, who, amount, np.zeros(len(who), dtype=bool))
        start, who, amount, waived = _largest(cells, order)
        return cls(number.astype(np.int64), size, True, start, who, amount, waived)


def _largest(cells: pa.Table, order: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Column `largest` as flat arrays (start, who, amount, waived), cells in `order`."""
    column = cells.column("largest").take(pa.array(order)).combine_chunks()
    kind = column.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)) or not pa.types.is_struct(kind.value_type):
        raise EngineError(f"cells.largest: expected a list of {{contributor, amount}} a cell, got {kind}")
    names = [field.name for field in kind.value_type]
    if not {"contributor", "amount"} <= set(names):
        raise EngineError(f"cells.largest: expected contributor and amount, got {', '.join(names)}")
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    entries = pa.table(dict(zip(names, column.flatten().flatten(), strict=True)))
    if entries["contributor"].null_count or entries["amount"].null_count:
        raise EngineError("cells.largest: NULL contributor or amount; every entry needs both")
    amount = np.abs(arrow.numbers(entries, "amount", "cells.largest", ids=None))
    start = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    return start, arrow.codes(entries, "contributor"), amount, arrow.flags(entries, "waived", "cells.largest")


class Judge:
    """Tells which sets of cells are unsafe, many sets at a time."""

    def __init__(self, rules: Rules, statistics: Statistics) -> None:
        self.rules = rules
        self.statistics = statistics
        at = statistics
        length = np.diff(at.start)
        cell = np.repeat(np.arange(len(length)), length)
        known = np.bincount(cell, weights=at.amount, minlength=len(length))
        least = np.full(len(length), np.inf)
        np.minimum.at(least, cell, at.amount)
        # A contributor that is not listed holds no more than the least that is, and no more than what is left.
        rest = np.maximum(at.size - known, 0.0)
        self.unlisted = np.where(at.contributors > length, np.minimum(least, rest), 0.0)

    def levels(self, owner: np.ndarray, cell: np.ndarray, sets: int) -> np.ndarray:
        """Protection level of each of `sets` sets of cells, float64[sets]; -1 where it is safe.

        Cell `cell[i]` belongs to the set `owner[i]`.
        """
        out = np.full(sets, -1.0)
        few = self.fewest(owner, cell, sets)
        out[(few > 0) & (few < self.rules.threshold)] = 0.0
        size = np.bincount(owner, weights=self.statistics.size[cell], minlength=sets)
        for row in self.rules.concentration:
            short = self.sensitivity_of(row, owner, cell, sets)
            unsafe = (few > 0) & (short > ROUNDING * np.maximum(1.0, size))
            out = np.where(unsafe, np.maximum(out, short), out)
        return out

    def fewest(self, owner: np.ndarray, cell: np.ndarray, sets: int) -> np.ndarray:
        """Distinct contributors of each set at least, int64[sets].

        Where the largest are listed, contributors that are not may be the same in all cells. Where nothing tells the
        contributors of different cells apart, they count as different, and sole contributors once.
        """
        at = self.statistics
        distinct = np.bincount(self._merged(owner, cell).of_set, minlength=sets)
        if not at.listed:
            others = at.contributors[cell] - np.diff(at.start)[cell]
            return distinct + np.bincount(owner, weights=others, minlength=sets).astype(np.int64)
        most = np.zeros(sets, dtype=np.int64)
        np.maximum.at(most, owner, at.contributors[cell])
        return np.maximum(most, distinct)

    def kinds(self, cells: np.ndarray) -> np.ndarray:
        """int64[cells, 2]: equal for cells that count the same contributors, known and unknown."""
        at = self.statistics
        position, entry = gather_lists(at.start, cells)
        name = np.random.default_rng(0).integers(1, 1 << 62, int(at.who.max(initial=0)) + 1)
        known = np.zeros(len(cells), dtype=np.int64)
        np.add.at(known, position, name[at.who[entry]])
        return np.column_stack((known, at.contributors[cells]))

    def weights(self, cells: np.ndarray, family: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Weights float64[cells] of items: cell i stands for `times[i]` cells of its `family`, which are of one kind.

        The weights of items of different families add up to no more than `fewest` of all their cells: who is listed
        in several families counts in parts, and who is not listed as fully as there.
        """
        at = self.statistics
        first = np.unique(family, return_index=True)[1]
        position, entry = gather_lists(at.start, cells[first])
        families = np.bincount(at.who[entry], minlength=1)
        # Of nothing, bincount makes whole numbers.
        shares = np.bincount(position, weights=1.0 / families[at.who[entry]], minlength=len(first)).astype(float)
        weight = shares[family]
        return weight if at.listed else weight + times * (at.contributors - np.diff(at.start))[cells]

    def _merged(self, owner: np.ndarray, cell: np.ndarray) -> _Listed:
        """The listed contributors of the sets, each once a set."""
        at = self.statistics
        position, entry = gather_lists(at.start, cell)
        people = int(at.who.max(initial=0)) + 1
        pair, first, number = np.unique(
            owner[position] * people + at.who[entry], return_index=True, return_inverse=True
        )
        amount = np.bincount(number, weights=at.amount[entry], minlength=len(pair))
        where_listed = np.bincount(number, weights=self.unlisted[cell[position]], minlength=len(pair))
        return _Listed(pair // people, pair % people, amount, where_listed, at.waived[entry][first])

    def sensitivity_of(
        self,
        row: tuple[float, float, float, int],
        owner: np.ndarray,
        cell: np.ndarray,
        sets: int,
        of: np.ndarray | None = None,
    ) -> np.ndarray:
        """`target * x1 + others * (x2 + ...) + size * X` of each set, at its worst; -inf for sets without a target.

        The target is the contributor `of` [sets] where that is listed in the set, else the largest that is one.
        """
        target, others, whole, coalition = row
        listed = self._merged(owner, cell)
        spare = np.bincount(owner, weights=self.unlisted[cell], minlength=sets)
        # Who is not listed in a cell may be somebody who is in another, or somebody else.
        hidden = np.flatnonzero(spare > 0)
        of_set = np.concatenate((listed.of_set, hidden))
        amount = np.concatenate((listed.amount + spare[listed.of_set] - listed.where_listed, spare[hidden]))
        waived = np.concatenate((listed.waived, np.zeros(len(hidden), dtype=bool)))
        named = np.zeros(len(of_set), dtype=bool)
        if of is not None:
            named[: len(listed.who)] = listed.who == of[listed.of_set]
        order = np.lexsort((-amount, waived, ~named, of_set))
        lead = order[np.unique(of_set[order], return_index=True)[1]]
        lead = lead[~waived[lead]]
        largest = np.full(sets, -np.inf)
        largest[of_set[lead]] = amount[lead]
        rest = np.ones(len(of_set), dtype=bool)
        rest[lead] = False
        order = np.lexsort((-amount, of_set))
        order = order[rest[order]]
        rank = np.arange(len(order)) - np.searchsorted(of_set[order], of_set[order])
        order = order[rank < coalition]
        known = np.bincount(of_set[order], weights=amount[order], minlength=sets)
        size = np.bincount(owner, weights=self.statistics.size[cell], minlength=sets)
        # What is taken at its worst twice must not make up more than there is.
        size = np.maximum(size, np.maximum(largest, 0.0) + known)
        return target * largest + others * known + whole * size


@dataclass(frozen=True)
class _Listed:
    """Pairs of a set and a contributor listed in it: amount there, and what it may hold more where it is listed."""

    of_set: np.ndarray
    who: np.ndarray
    amount: np.ndarray
    where_listed: np.ndarray
    waived: np.ndarray


def gather_lists(start: np.ndarray, lists: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Entries of the given lists, of which list i has `start[i]` to `start[i + 1]`: (position in `lists`, entry)."""
    length = start[lists + 1] - start[lists]
    position = np.repeat(np.arange(len(lists)), length)
    before = np.cumsum(length) - length
    return position, np.arange(len(position)) + np.repeat(start[lists] - before, length)
