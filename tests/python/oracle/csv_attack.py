"""An attacker who has nothing but a folder of published CSV files and the public classifications.

Knows no project code, no database and no truth. Reads tidy CSVs (dimension columns with codes, value columns,
and for every value column ``m`` a column ``m_marker``; a suppressed value is empty and marked ``[c]``) and
hierarchies (``code, parent, label``; several rows for a code where it has several parents; the total is
``Total``), rebuilds all relations that any reader can, over all files together, and solves for what was
hidden.

Cells of different files are the same cell when their coordinates agree: a dimension that a file does not have
stands at its total there. A column without a hierarchy file in which the code ``Total`` occurs is a flat
dimension: its total is the sum of all its other codes. Further columns that are neither value nor marker (say
``period``) are keys that separate independent tables; columns named ``*_name`` or ``*_label`` are ignored.

``attack`` reports (a) hidden cells that the equations determine, with their values; (b) hidden cells that
equations *and* bounds pin down, found by bound propagation to a fixpoint; and, on request, (c) every hidden
cell's interval by linear programs."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import scipy.optimize as so
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from . import elimination

TOTAL = "Total"
SUPPRESSED = "[c]"
STRUCTURAL = "[z]"

#: Columns that describe codes and locate no cell.
IGNORED = ("_name", "_label")


class UnreadableRelease(ValueError):
    """The files are not what the attacker was told they are; nothing was attacked."""


@dataclass(frozen=True, order=True)
class Key:
    """A cell: its measure, the values of the separating columns, and its coordinates other than totals."""

    measure: str
    block: tuple[tuple[str, str], ...]
    at: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        place = ", ".join(f"{name}={code}" for name, code in (*self.block, *self.at))
        return f"{self.measure}[{place or 'total'}]"


@dataclass
class Findings:
    """What the attacker learned.

    ``recovered``: value of each hidden cell the equations determine; ``pinned``: of each further one that has
    a single value once bounds are used; ``intervals``: on request; ``contradictions``: published totals that
    are not the sum of their published parts (rounding, errors), which were left out of the system."""

    cells: int = 0
    hidden: int = 0
    relations: int = 0
    recovered: dict[Key, Fraction] = field(default_factory=dict)
    pinned: dict[Key, Fraction] = field(default_factory=dict)
    intervals: dict[Key, tuple[float, float]] = field(default_factory=dict)
    contradictions: list[str] = field(default_factory=list)

    @property
    def leaks(self) -> dict[Key, Fraction]:
        """Every hidden cell whose value the attacker now knows."""
        return {**self.recovered, **self.pinned}

    def __str__(self) -> str:
        return (
            f"{self.cells} cells, {self.hidden} hidden, {self.relations} relations: "
            f"{len(self.recovered)} recovered, {len(self.pinned)} pinned by bounds, "
            f"{len(self.contradictions)} contradictions"
        )


@dataclass(frozen=True)
class Hierarchy:
    """Splits of a dimension, children's before their parent's: one per parent and value of a ``hierarchy``
    column.
    """

    splits: tuple[tuple[str, tuple[str, ...]], ...]
    codes: frozenset[str]

    @classmethod
    def read(cls, path: Path) -> Hierarchy:
        children: dict[tuple[str, str], list[str]] = {}
        codes = {TOTAL}
        for row in _rows(path, {"code", "parent"}):
            codes.add(row["code"])
            if row["parent"]:
                children.setdefault((row.get("hierarchy") or "", row["parent"]), []).append(row["code"])
        splits = [(parent, tuple(kids)) for (_, parent), kids in children.items()]
        height: dict[str, int] = dict.fromkeys(codes, 0)
        for _ in range(len(codes)):
            taller = dict(height)
            for parent, kids in splits:
                taller[parent] = max(taller[parent], max(height[kid] for kid in kids) + 1)
            if taller == height:
                return cls(tuple(sorted(splits, key=lambda split: height[split[0]])), frozenset(codes))
            height = taller
        raise UnreadableRelease(f"{path}: the hierarchy has a cycle")


def _rows(path: Path, needed: Iterable[str]) -> list[dict[str, str]]:
    with Path(path).open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        missing = set(needed) - set(reader.fieldnames or ())
        if missing:
            raise UnreadableRelease(f"{path}: no column {', '.join(sorted(missing))}")
        return list(reader)


def _flat_dimensions(tables: Iterable[list[dict[str, str]]], known: Iterable[str]) -> dict[str, Hierarchy]:
    """Columns that carry totals and have no hierarchy file: the total over all other codes of any file."""
    codes: dict[str, set[str]] = {}
    for rows in tables:
        for row in rows:
            for name, code in row.items():
                codes.setdefault(name, set()).add(code)
    return {
        name: Hierarchy(((TOTAL, tuple(sorted(found - {TOTAL}))),), frozenset(found))
        for name, found in sorted(codes.items())
        if TOTAL in found and name not in known and not name.endswith(IGNORED)
    }


def _published(
    tables: Mapping[Path, list[dict[str, str]]],
    hierarchies: Mapping[str, Hierarchy],
    measures: Sequence[str] | None,
) -> dict[Key, Fraction | None]:
    """Every cell of every file: its value, or None where it is hidden. A cell published in one file is
    published.
    """
    cells: dict[Key, Fraction | None] = {}
    for path, rows in tables.items():
        columns = list(rows[0]) if rows else []
        values = [name for name in columns if f"{name}_marker" in columns and (measures is None or name in measures)]
        if rows and not values and measures is None:
            raise UnreadableRelease(f"{path}: no value column with a marker column beside it")
        markers = {name for name in columns if name.endswith("_marker")}
        dimensions = sorted(name for name in columns if name in hierarchies)
        others = {name.removesuffix("_marker") for name in markers}
        labels = {name for name in columns if name.endswith(IGNORED)}
        keys = sorted(set(columns) - markers - set(dimensions) - others - labels)
        for number, row in enumerate(rows, start=2):
            for name in dimensions:
                if row[name] not in hierarchies[name].codes:
                    raise UnreadableRelease(f"{path}, row {number}: {name} has a code that is not in its hierarchy")
            block = tuple((name, row[name]) for name in keys)
            at = tuple((name, row[name]) for name in dimensions if row[name] != TOTAL)
            for name in values:
                marker, text = row[f"{name}_marker"].strip(), row[name].strip()
                key = Key(name, block, at)
                if text:
                    value = Fraction(Decimal(text.replace(",", "")))
                    if cells.get(key) not in (None, value):
                        raise UnreadableRelease(f"{path}, row {number}: {key} is published with two values")
                    cells[key] = value
                elif marker == STRUCTURAL:
                    cells[key] = Fraction(0)
                elif marker:
                    cells.setdefault(key, None)
                else:
                    raise UnreadableRelease(f"{path}, row {number}: {name} has neither a value nor a marker")
    return cells


@dataclass
class _System:
    """Hidden cells as unknowns; each relation as coefficients of unknowns and the right-hand side left by
    published ones.

    ``sure`` marks the relations that hold without reading absent children as zeros.
    """

    unknown: dict[Key, int]
    rows: list[dict[int, int]] = field(default_factory=list)
    right: list[Fraction] = field(default_factory=list)
    sure: list[bool] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)

    def only_sure(self, reason: str) -> _System:
        """The same system without the relations that read absent children as zeros."""
        kept = [place for place, sure in enumerate(self.sure) if sure]
        return _System(
            self.unknown,
            [self.rows[place] for place in kept],
            [self.right[place] for place in kept],
            [True] * len(kept),
            [*self.contradictions, reason],
        )

    def matrix(self) -> sp.csr_matrix:
        """Relations x unknowns."""
        entries = [(place, cell, sign) for place, row in enumerate(self.rows) for cell, sign in row.items()]
        rows, columns, data = zip(*entries, strict=True) if entries else ((), (), ())
        return sp.csr_matrix(
            (np.array(data, dtype=np.int64), (rows, columns)), shape=(len(self.rows), len(self.unknown))
        )


def _crossings(cells: Iterable[Key], name: str) -> dict[tuple[object, ...], dict[str, Key]]:
    """Keys by everything but one coordinate: (measure, block, other coordinates) -> code -> key."""
    crossings: dict[tuple[object, ...], dict[str, Key]] = {}
    for one in cells:
        mine = dict(one.at)
        code = mine.pop(name, TOTAL)
        crossings.setdefault((one.measure, one.block, tuple(sorted(mine.items()))), {})[code] = one
    return crossings


def _with_margins(
    cells: Mapping[Key, Fraction | None], hierarchies: Mapping[str, Hierarchy]
) -> dict[Key, Fraction | None]:
    """The cells and, as unknowns, all margins over them that no file has: a reader can add up what is
    published.
    """
    known = dict(cells)
    for name, hierarchy in hierarchies.items():
        for crossing, by_code in _crossings(list(known), name).items():
            for parent, children in hierarchy.splits:  # children's own splits come first
                if parent not in by_code and any(child in by_code for child in children):
                    coordinates = crossing[2] if parent == TOTAL else tuple(sorted((*crossing[2], (name, parent))))
                    by_code[parent] = Key(crossing[0], crossing[1], coordinates)
                    known[by_code[parent]] = None
    return known


def _relations(cells: Mapping[Key, Fraction | None], hierarchies: Mapping[str, Hierarchy]) -> _System:
    """All ``parent - sum of children = 0`` among the cells.

    A child that no file lists is taken for zero (sparse tables leave zeros out), as long as that reading
    contradicts no published parent within the same split and the same kind of table; otherwise its siblings
    tell the attacker nothing."""
    system = _System(
        {one: place for place, one in enumerate(sorted(one for one, value in cells.items() if value is None))}
    )
    for name, hierarchy in hierarchies.items():
        crossings = _crossings(cells, name)
        for parent, children in hierarchy.splits:
            gathered: dict[tuple[object, ...], list[tuple[Key, list[Key], bool]]] = {}
            for crossing, by_code in crossings.items():
                present = [by_code[child] for child in children if child in by_code]
                if parent not in by_code or not present:
                    continue
                kind = (crossing[0], tuple(dimension for dimension, _ in crossing[2]))
                gathered.setdefault(kind, []).append((by_code[parent], present, len(present) == len(children)))
            for candidates in gathered.values():
                _add(system, cells, candidates)
    return system


def _add(
    system: _System, cells: Mapping[Key, Fraction | None], candidates: Sequence[tuple[Key, list[Key], bool]]
) -> None:
    equations = []
    absent_is_zero = True
    for parent, children, complete in candidates:
        row = {
            system.unknown[one]: sign
            for sign, one in ((1, parent), *((-1, child) for child in children))
            if cells[one] is None
        }
        right = sum(((cells[child] or Fraction(0)) for child in children), Fraction(0)) - (cells[parent] or Fraction(0))
        if not row and right != 0:
            if complete:
                system.contradictions.append(f"{parent} is not the sum of its parts")
            else:
                absent_is_zero = False
        equations.append((row, right, complete))
    for row, right, complete in equations:
        if row and (complete or absent_is_zero):
            system.rows.append(row)
            system.right.append(right)
            system.sure.append(complete)


def _propagate(
    system: _System, low: list[float | Fraction], high: list[float | Fraction], whole: Sequence[bool]
) -> None:
    """Tighten bounds in place by each relation in turn until nothing moves (interval arithmetic, exact)."""
    users: dict[int, list[int]] = {}
    for place, row in enumerate(system.rows):
        for cell in row:
            users.setdefault(cell, []).append(place)
    queue, queued = list(range(len(system.rows))), set(range(len(system.rows)))
    visits = [0] * len(system.rows)
    while queue:
        place = queue.pop()
        queued.discard(place)
        visits[place] += 1
        if visits[place] > 50:  # bounds that creep without end are for the linear programs
            continue
        row, total = system.rows[place], system.right[place]
        ends = {cell: (low[cell], high[cell]) if sign > 0 else (-high[cell], -low[cell]) for cell, sign in row.items()}
        # Sums of the finite ends, and how many are infinite, so that each cell's complement costs one
        # subtraction.
        sums = [sum((end[side] for end in ends.values() if math.isfinite(end[side])), Fraction(0)) for side in (0, 1)]
        endless = [sum(math.isinf(end[side]) for end in ends.values()) for side in (0, 1)]
        for cell, sign in row.items():
            mine = ends[cell]
            rest = [
                (-math.inf, math.inf)[side]
                if endless[side] > math.isinf(mine[side])
                else sums[side] - (0 if math.isinf(mine[side]) else mine[side])
                for side in (0, 1)
            ]
            floor, ceiling = total - rest[1], total - rest[0]
            floor, ceiling = (floor, ceiling) if sign > 0 else (-ceiling, -floor)
            if whole[cell]:
                floor = math.ceil(floor) if math.isfinite(floor) else floor
                ceiling = math.floor(ceiling) if math.isfinite(ceiling) else ceiling
            if floor > low[cell] or ceiling < high[cell]:
                low[cell], high[cell] = max(low[cell], floor), min(high[cell], ceiling)
                for again in users[cell]:
                    if again not in queued:
                        queue.append(again)
                        queued.add(again)


def _programs(system: _System, low: Sequence[float], high: Sequence[float]) -> list[tuple[float, float]]:
    """The interval of every unknown by two linear programs on its connected block."""
    size = len(system.unknown)
    matrix = system.matrix().astype(float)
    right = np.array([float(total) for total in system.right])
    count, label = connected_components(abs(matrix).T @ abs(matrix) + sp.eye(size), directed=False)
    answer = [(-math.inf, math.inf)] * size
    order = np.argsort(label, kind="stable")
    for members in np.split(order, np.searchsorted(label[order], np.arange(1, count))):
        part = matrix[:, members]
        used = np.flatnonzero(np.diff(part.indptr))
        for place, cell in enumerate(members):
            ends = []
            for sign in (1.0, -1.0):
                cost = np.zeros(members.size)
                cost[place] = sign
                outcome = so.linprog(
                    cost,
                    A_eq=part[used],
                    b_eq=right[used],
                    method="highs",
                    bounds=[(float(low[one]), float(high[one])) for one in members],
                )
                if outcome.status == 3:
                    ends.append(-sign * math.inf)
                elif outcome.status == 0:
                    ends.append(sign * outcome.fun)
                else:
                    raise UnreadableRelease(f"linear program ended with status {outcome.status}: {outcome.message}")
            answer[cell] = (ends[0], ends[1])
    return answer


def attack(
    files: Iterable[Path],
    hierarchies: Mapping[str, Path],
    measures: Sequence[str] | None = None,
    *,
    least: Mapping[str, int] | None = None,
    whole: Iterable[str] = (),
    intervals: bool = False,
) -> Findings:
    """Attack a release.

    Args: files: published CSVs, attacked as one system. hierarchies: for each dimension column the CSV of its
        hierarchy; dimensions of no file are ignored. measures: value columns to attack; by default every
        column that has a marker column. least: the smallest value a hidden cell of a measure can have
        (default 0); 1 for a count whose zeros are published. whole: measures that are whole numbers, which
        bound propagation then uses. intervals: also solve two linear programs per hidden cell (small
        releases).

    Raises:
        UnreadableRelease: a file is not in the layout described above.
    """
    trees = {name: Hierarchy.read(path) for name, path in hierarchies.items()}
    tables = {Path(path): _rows(path, ()) for path in files}
    trees.update(_flat_dimensions(tables.values(), trees))
    published = _published(tables, trees, measures)
    used = {name for one in published for name, _ in one.at}
    trees = {name: tree for name, tree in trees.items() if name in used}
    cells = _with_margins(published, trees)
    system = _relations(cells, trees)
    try:
        fixed, solution, scale = _solve(system)
    except elimination.Contradiction as contradiction:
        system = system.only_sure(f"absent cells are not zeros: {contradiction}")
        fixed, solution, scale = _solve(system)

    keys = sorted(system.unknown, key=system.unknown.__getitem__)
    hidden = [place for place, one in enumerate(keys) if one in published]
    found = Findings(len(published), len(hidden), len(system.rows), contradictions=system.contradictions)
    found.recovered = {keys[place]: Fraction(solution[place], scale) for place in hidden if fixed[place]}

    floors, integers = dict(least or {}), set(whole)
    low: list[float | Fraction] = [Fraction(floors.get(one.measure, 0)) for one in keys]
    high: list[float | Fraction] = [math.inf] * len(keys)
    for place in np.flatnonzero(fixed):
        low[place] = high[place] = Fraction(solution[place], scale)
    _propagate(system, low, high, [one.measure in integers for one in keys])
    found.pinned = {
        keys[place]: Fraction(low[place]) for place in hidden if low[place] == high[place] and not fixed[place]
    }
    if intervals:
        ranges = _programs(system, low, high)
        found.intervals = {keys[place]: ranges[place] for place in hidden}
        for one, (floor, ceiling) in found.intervals.items():
            if one not in found.leaks and ceiling - floor <= 1e-7 * max(1.0, abs(floor)):
                found.pinned[one] = Fraction(floor).limit_denominator(10**6)
    return found


def _solve(system: _System) -> tuple[np.ndarray, list[int], int]:
    """Determined unknowns and their values times the last number, the power of ten that makes all published
    values whole.
    """
    scale = math.lcm(*(total.denominator for total in system.right)) if system.right else 1
    fixed, solution = elimination.determined(system.matrix(), [int(total * scale) for total in system.right])
    return fixed, solution, scale


def recovered_truths(found: Findings, truth: Mapping[Key, float]) -> dict[Key, tuple[Fraction, float]]:
    """For tests that do know the truth: leaks with the true value beside the attacker's."""
    return {key: (value, truth[key]) for key, value in found.leaks.items() if key in truth}


def key(measure: str, block: Mapping[str, str] | None = None, **at: str) -> Key:
    """A cell's key from its coordinates (totals may be given or left out)."""
    coordinates = tuple(sorted((name, code) for name, code in at.items() if code != TOTAL))
    return Key(measure, tuple(sorted((block or {}).items())), coordinates)


def release_of(folder: Path, pattern: str = "*.csv") -> list[Path]:
    """The CSV files of a publication folder, sorted, for ``attack``."""
    return sorted(Path(folder).glob(pattern))
