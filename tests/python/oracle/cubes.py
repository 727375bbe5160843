"""Random cubes for tests and benchmarks, built the plain way and independent of the project's SQL and engine.

A cube has dimensions; a dimension has codes and *splits* ``parent -> children`` (one per parent and
hierarchy: a second hierarchy over the same leaves is simply further splits). Cells are the crossings of
codes; every split, crossed with the codes of the other dimensions, is one relation.

Everything is seeded. The Hypothesis strategies over these cubes are in ``strategies``.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import scipy.sparse as sp


@dataclass(frozen=True)
class Dimension:
    """Codes 0..size-1; the first ``leaves`` are leaves, and every split lists a parent and its children."""

    leaves: int
    splits: tuple[tuple[int, tuple[int, ...]], ...]

    @property
    def size(self) -> int:
        return 1 + max(itertools.chain([self.leaves - 1], (parent for parent, _ in self.splits)))

    def membership(self) -> sp.csr_matrix:
        """Codes x leaves: which leaves a code sums. Hierarchies that disagree on a code's leaves are a
        caller's mistake.
        """
        below: list[frozenset[int]] = [frozenset([leaf]) for leaf in range(self.leaves)]
        below += [frozenset()] * (self.size - self.leaves)
        for parent, children in sorted(self.splits, key=lambda split: max(split[1])):
            members = frozenset().union(*(below[child] for child in children))
            assert not below[parent] or below[parent] == members, "two hierarchies disagree on a code"
            below[parent] = members
        pairs = [(code, leaf) for code, members in enumerate(below) for leaf in sorted(members)]
        rows, columns = zip(*pairs, strict=True)
        return sp.csr_matrix((np.ones(len(pairs)), (rows, columns)), shape=(self.size, self.leaves))


def flat(leaves: int) -> Dimension:
    """Leaves and one total."""
    return Dimension(leaves, ((leaves, tuple(range(leaves))),))


def tree(groups: Sequence[int]) -> Dimension:
    """Two levels: a total over groups with the given numbers of leaves. A group of one is a single-child
    parent.
    """
    leaves = sum(groups)
    splits, start = [], 0
    for place, size in enumerate(groups):
        splits.append((leaves + place, tuple(range(start, start + size))))
        start += size
    splits.append((leaves + len(groups), tuple(range(leaves, leaves + len(groups)))))
    return Dimension(leaves, tuple(splits))


def levels(*fanouts: int) -> Dimension:
    """A regular tree from the top: ``levels(3, 4)`` is a total of three groups of four leaves."""
    widths = np.cumprod(fanouts)
    starts = np.concatenate([[0], np.cumsum(widths[::-1])]).tolist()
    splits = []
    for depth, fanout in enumerate(reversed(fanouts)):
        for parent in range(int(widths[len(fanouts) - 1 - depth] // fanout)):
            children = range(starts[depth] + parent * fanout, starts[depth] + (parent + 1) * fanout)
            splits.append((starts[depth + 1] + parent, tuple(children)))
    return Dimension(int(widths[-1]), tuple(splits))


def random_dimension(rng: np.random.Generator, leaves: int, depth: int = 3, second: bool = False) -> Dimension:
    """A random tree of mixed depth, with single-child parents; ``second`` adds another hierarchy over the
    same leaves.
    """
    splits: list[tuple[int, tuple[int, ...]]] = []
    code = leaves
    nodes = list(range(leaves))
    for _ in range(depth - 1):
        if len(nodes) < 3:
            break
        kept: list[int] = []
        cut = np.sort(rng.choice(np.arange(1, len(nodes)), size=int(rng.integers(1, len(nodes) - 1)), replace=False))
        for part in np.split(np.array(nodes), cut):
            if part.size == 1 and rng.random() < 0.7:  # stays as it is: branches of unequal depth
                kept.append(int(part[0]))
            else:
                splits.append((code, tuple(part.tolist())))
                kept.append(code)
                code += 1
        nodes = kept
    other: list[tuple[int, tuple[int, ...]]] = []
    if second and leaves >= 3:
        order = np.arange(leaves)
        cut = np.sort(rng.choice(np.arange(1, leaves), size=int(rng.integers(1, leaves - 1)), replace=False))
        tops = []
        for part in np.split(np.roll(order, 1), cut):
            if part.size == 1:
                tops.append(int(part[0]))
            else:
                other.append((code, tuple(sorted(part.tolist()))))
                tops.append(code)
                code += 1
        other.append((-1, tuple(tops)))
    total = code
    splits.append((total, tuple(nodes)))
    splits += [(total if parent == -1 else parent, children) for parent, children in other]
    return Dimension(leaves, tuple(splits))


@dataclass(frozen=True)
class Cube:
    """A table in the engine's contract, with the codes of its cells (cells x dimensions) for printing and for
    CSVs.
    """

    cells: pa.Table
    relations: pa.Table
    codes: np.ndarray
    dimensions: tuple[Dimension, ...] = field(repr=False)

    def __repr__(self) -> str:
        shape = " x ".join(str(dimension.size) for dimension in self.dimensions)
        return f"Cube({shape}: {self.cells.num_rows} cells, {self.relations.num_rows} coefficients)"


def aggregate(leaves: np.ndarray, dimensions: Sequence[Dimension]) -> np.ndarray:
    """Sum an array over leaves up to all codes of every dimension (exact for whole numbers below 2**53)."""
    full = leaves.astype(float)
    for axis, dimension in enumerate(dimensions):
        moved = np.moveaxis(full, axis, 0)
        summed = dimension.membership() @ moved.reshape(moved.shape[0], -1)
        full = np.moveaxis(summed.reshape((dimension.size, *moved.shape[1:])), 0, axis)
    return full


def relations_of(dimensions: Sequence[Dimension], position: np.ndarray) -> pa.Table:
    """One relation per split and crossing; ``position`` has the cell id of each crossing, -1 for an absent
    (zero) cell.

    An absent parent has absent children only, and gives no relation.
    """
    relation, cell, coefficient = [], [], []
    offset = 0
    for axis, dimension in enumerate(dimensions):
        moved = np.moveaxis(position, axis, 0).reshape(dimension.size, -1)
        crossing = np.arange(moved.shape[1])
        for parent, children in dimension.splits:
            for sign, code in ((1.0, parent), *((-1.0, child) for child in children)):
                relation.append(offset + crossing)
                cell.append(moved[code])
                coefficient.append(np.full(crossing.size, sign))
            offset += crossing.size
    relation_id, cell_id = np.concatenate(relation), np.concatenate(cell).astype(np.int64)
    present = cell_id >= 0
    return pa.table(
        {
            "relation_id": relation_id[present].astype(np.int64),
            "cell_id": cell_id[present],
            "coefficient": np.concatenate(coefficient)[present],
        }
    )


def build(
    dimensions: Sequence[Dimension],
    value: np.ndarray,
    primary: np.ndarray,
    keep: np.ndarray | None = None,
    **columns: np.ndarray,
) -> Cube:
    """A cube from arrays over all crossings; ``keep`` false leaves a cell out (sparse cubes)."""
    keep = np.ones(value.shape, dtype=bool) if keep is None else keep
    position = np.full(value.shape, -1, dtype=np.int64)
    position[keep] = np.arange(int(keep.sum()))
    status = np.where(primary[keep], "primary", "safe")
    cells = {
        "cell_id": pa.array(position[keep]),
        "value": pa.array(value[keep].astype(float)),
        "status": pa.array(status),
    }
    for name, array in columns.items():
        if name == "contributor":
            cells[name] = pa.array(array[keep].astype(np.int64), mask=array[keep] < 0)
        else:
            cells[name] = pa.array(array[keep])
    return Cube(pa.table(cells), relations_of(dimensions, position), np.argwhere(keep), tuple(dimensions))


def count_cube(
    dimensions: Sequence[Dimension],
    leaves: np.ndarray,
    threshold: float,
    sparse: bool = False,
    lower: float = 0.0,
) -> Cube:
    """Counts of records under the threshold rule ``0 < n < threshold``; every record its own contributor.

    ``lower`` is the attacker's least count of a non-zero cell: 1 where zeros are published and so known.
    """
    value = aggregate(leaves, dimensions)
    number = np.cumsum(leaves.ravel()).reshape(leaves.shape)  # in a cell of one record, the sum of "last ids" is its id
    only = aggregate(np.where(leaves > 0, number, 0), dimensions)
    return build(
        dimensions,
        value,
        (value > 0) & (value < threshold),
        keep=(value > 0) if sparse else None,
        integer=np.ones(value.shape, dtype=bool),
        contributor=np.where(value == 1, only, -1),
        lower=np.where(value > 0, lower, 0.0),
    )


def contributions(
    rng: np.random.Generator,
    shape: Sequence[int],
    records: int,
    spread: float = 0.2,
    skew: float = 1.5,
    variety: float = 1.3,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Synthetic microdata: leaf index, contributor and amount of each record.

    Amounts are whole and log-normal with sigma ``skew`` (so some cells are dominated); cells differ in
    popularity by sigma ``variety``; a share ``spread`` of the records belongs to the contributor of another
    record, mostly in another cell."""
    size = int(np.prod(shape))
    popularity = rng.lognormal(0.0, variety, size)
    leaf = np.sort(rng.choice(size, size=records, p=popularity / popularity.sum()))
    contributor = np.arange(records)
    moved = rng.random(records) < spread
    contributor[moved] = rng.integers(0, records, int(moved.sum()))
    amount = np.ceil(rng.lognormal(4.0, skew, records))
    return leaf, contributor, amount


def statistics(
    dimensions: Sequence[Dimension], leaf: np.ndarray, contributor: np.ndarray, amount: np.ndarray
) -> dict[str, np.ndarray]:
    """Per cell: total, number of contributors, the two largest contributions and the largest contributor.

    Contributions are summed per contributor inside the cell before they are ranked (methods: *Contributor*).
    """
    shape = tuple(dimension.size for dimension in dimensions)
    index = np.unravel_index(leaf, tuple(dimension.leaves for dimension in dimensions))
    code, source = np.zeros(leaf.size, dtype=np.int64), np.arange(leaf.size)
    for axis, dimension in enumerate(dimensions):  # each record once per crossing of the codes above it
        above = dimension.membership().tocsc()
        mine = index[axis][source]
        repeat = np.diff(above.indptr)[mine]
        first = np.repeat(above.indptr[mine] - np.concatenate([[0], np.cumsum(repeat)[:-1]]), repeat)
        code = np.repeat(code, repeat) * dimension.size + above.indices[first + np.arange(repeat.sum())]
        source = np.repeat(source, repeat)
    owner = contributor[source]
    order = np.lexsort((owner, code))
    code, owner, money = code[order], owner[order], amount[source][order]
    start = np.flatnonzero(np.concatenate([[True], (np.diff(code) != 0) | (np.diff(owner) != 0)]))
    code, owner, money = code[start], owner[start], np.add.reduceat(money, start)
    order = np.lexsort((owner, -money, code))
    code, owner, money = code[order], owner[order], money[order]
    start = np.flatnonzero(np.concatenate([[True], np.diff(code) != 0]))
    size = int(np.prod(shape))
    answer = {name: np.zeros(size) for name in ("total", "n", "x1", "x2")}
    answer["largest"] = np.full(size, -1, dtype=np.int64)
    cell, count = code[start], np.diff(np.append(start, code.size))
    answer["total"][cell] = np.add.reduceat(money, start)
    answer["n"][cell] = count
    answer["x1"][cell] = money[start]
    answer["x2"][cell] = np.where(count > 1, money[np.minimum(start + 1, money.size - 1)], 0.0)
    answer["largest"][cell] = owner[start]
    return {name: array.reshape(shape) for name, array in answer.items()}


def magnitude_cube(
    dimensions: Sequence[Dimension],
    leaf: np.ndarray,
    contributor: np.ndarray,
    amount: np.ndarray,
    percent: float = 10.0,
    sparse: bool = False,
    widths: float = 0.0,
) -> Cube:
    """Magnitudes under the p% rule, ``X - x1 - x2 < p/100 * x1``, with ``upl = lpl`` the shortfall of that
    inequality.

    ``widths`` asks besides for a sliding level of that share of the upper level plus the lower one.
    """
    of = statistics(dimensions, leaf, contributor, amount)
    shortfall = percent / 100.0 * of["x1"] - (of["total"] - of["x1"] - of["x2"])
    primary = (of["n"] > 0) & (shortfall > 1e-9)
    level = np.where(primary, shortfall, 0.0)
    return build(
        dimensions,
        of["total"],
        primary,
        keep=(of["n"] > 0) if sparse else None,
        upl=level,
        lpl=np.minimum(level, of["total"]),
        spl=widths * 2.0 * level,
        contributor=np.where(of["n"] == 1, of["largest"], -1),
        count=of["n"],
    )


def amounts(
    dimensions: Sequence[Dimension], leaf: np.ndarray, contributor: np.ndarray, amount: np.ndarray
) -> list[dict[int, float]]:
    """Per crossing what each contributor has in it, the plain way; in the order of a cube that is not sparse."""
    shape = tuple(dimension.size for dimension in dimensions)
    index = np.unravel_index(leaf, tuple(dimension.leaves for dimension in dimensions))
    below = [dimension.membership().tocsc() for dimension in dimensions]
    found: list[dict[int, float]] = [{} for _ in range(int(np.prod(shape)))]
    for record in range(leaf.size):
        above = [part[:, index[axis][record]].indices.tolist() for axis, part in enumerate(below)]
        for codes in itertools.product(*above):
            cell = found[int(np.ravel_multi_index(codes, shape))]
            cell[int(contributor[record])] = cell.get(int(contributor[record]), 0.0) + float(amount[record])
    return found


def with_contributors(cube: Cube, held: Sequence[dict[int, float]], largest: int | None = None) -> Cube:
    """The cube with the columns ``contributors`` and, where wanted, ``largest`` (so many of each cell)."""
    cells = cube.cells.append_column("contributors", pa.array([len(each) for each in held], pa.int64()))
    if largest is not None:
        kind = pa.list_(pa.struct([("contributor", pa.int64()), ("amount", pa.float64())]))
        lists = [
            [
                {"contributor": who, "amount": much}
                for who, much in sorted(each.items(), key=lambda one: (-one[1], one[0]))[:largest]
            ]
            for each in held
        ]
        cells = cells.append_column("largest", pa.array(lists, kind))
    return Cube(cells, cube.relations, cube.codes, cube.dimensions)


def random_cube(seed: int, cells: int = 120, magnitude: bool = False, **options: object) -> Cube:
    """A random cube of at most about ``cells`` cells, all of it from one seed."""
    rng = np.random.default_rng(seed)
    dimensions: list[Dimension] = []
    room = cells
    for _ in range(int(rng.integers(1, 5))):
        if room < 4:
            break
        leaves = int(rng.integers(2, max(3, min(9, room // 2))))
        dimension = random_dimension(rng, leaves, int(rng.integers(1, 4)), bool(rng.random() < 0.25))
        if dimension.size > room:
            dimension = flat(2)
        dimensions.append(dimension)
        room //= dimension.size
    shape = [dimension.leaves for dimension in dimensions]
    size = int(np.prod(shape))
    if magnitude:
        records = int(size * rng.uniform(1.5, 5.0)) + 3
        return magnitude_cube(dimensions, *contributions(rng, shape, records), **options)
    leaves = rng.negative_binomial(1, rng.uniform(0.08, 0.5), size).reshape(shape)
    leaves.flat[0] += 20
    return count_cube(dimensions, leaves, float(rng.integers(2, 8)), sparse=bool(rng.random() < 0.3), **options)
