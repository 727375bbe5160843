"""All solutions of `matrix @ d = 0`: a sparse basis in whole numbers, by exact elimination.

The solutions over the suppressed cells are what an attacker cannot tell apart by the relations alone. A cell is exactly
computable from published cells iff it is zero in every one of them, and what an insider computes is a question about
the rows of a basis (`insiders`). On table relations a basis is very sparse: a dozen cells a vector, nearly all -1 or 1.

Elimination takes many pivots at once. Entries of -1 and 1 whose rows and columns do not meet are pivots of one round,
cheapest first as by Markowitz (1957), and a round is one product of sparse integer matrices; no number is rounded.
What has no such entries, or would grow large, is eliminated one pivot at a time modulo a prime; solutions are then
known modulo that prime, and a number that is zero modulo it and not zero has a probability of 2^-31.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import scipy.sparse as sp

PRIME = (1 << 31) - 1
# Give up when elimination has written this many entries: the caller then knows nothing.
WORK = 60_000_000
# Larger coefficients are left to the modular part.
LARGEST = 1 << 20
# A row that is no row of whole numbers may be one when multiplied by one of these.
FACTORS = (1, 2, 3, 4, 6, 12, 60, 1024)
# Rounds of a matrix with more than LARGE entries that have pivots in fewer than this part of its rows cost more than
# they save: pivots of the next may be dearer.
WORTH = 0.01
LARGE = 50_000
# How many times the entries there were, elimination of some unknowns may leave.
FILL = 4
# Ties between pivots of one cost are broken by a number below this, spread over the matrix.
TIES = 1 << 20


@dataclass(frozen=True)
class Basis:
    """Solutions of `matrix @ d = 0`, as the columns of `vectors` (CSR int64, [unknowns, dimension], sorted indices).

    `whole` bool[dimension] marks columns that are solutions in whole numbers; the others are solutions modulo PRIME,
    with residues between -PRIME/2 and PRIME/2.
    """

    vectors: sp.csr_matrix
    whole: np.ndarray

    @property
    def determined(self) -> np.ndarray:
        """Mask of unknowns that are zero in every solution."""
        return np.diff(self.vectors.indptr) == 0

    def project(self, draws: int) -> np.ndarray:
        """Random combinations of the columns modulo PRIME, int64[unknowns, draws]; the same at every call."""
        weights = np.random.default_rng(0).integers(1, PRIME, (self.vectors.shape[1], draws))
        low, high = self.vectors.copy(), self.vectors.copy()
        # Halves of 16 bits, so that sums of products stay within 64.
        low.data = ((low.data + (1 << 15)) & 0xFFFF) - (1 << 15)
        high.data = (high.data - low.data) >> 16
        out = (low @ weights) % PRIME
        if high.data.any():
            out = (out + ((high @ weights) % PRIME << 16)) % PRIME
        return out


def basis(matrix: sp.csr_matrix, work: int = WORK, turn: int = 0, size: np.ndarray | None = None) -> Basis | None:
    """A basis of the solutions of `matrix @ d = 0`; None if elimination would write more than `work` entries.

    In another `turn` pivots of one cost are taken in another order, which gives other vectors. With `size` [unknowns]
    relations are solved for their largest unknowns, and so vectors are of totals over few parts.
    """
    whole = _whole_rows(matrix)
    steps, columns, exact = [], np.arange(matrix.shape[1]), whole is not None
    if exact:
        found = _rounds(whole, work, turn, size)
        if found is None:
            return None
        steps, columns, core = found
        left, exact = core.data % PRIME, core.nnz == 0
    else:
        core, left = matrix.tocsr(), residues(matrix.data)
    if core.nnz:
        vectors = _modular(core, left.tolist(), work)
        if vectors is None:
            return None
    else:
        vectors = sp.identity(len(columns), dtype=np.int64, format="csr")
    for pivots, rest, top in reversed(steps):
        expressed = (top @ vectors).tocsr()
        if np.abs(expressed.data).max(initial=0) > PRIME // 2:
            expressed.data, exact = _symmetric(expressed.data), False
        order = np.argsort(np.concatenate((rest, pivots)))
        vectors = sp.vstack((vectors, expressed), format="csr")[order]
        if vectors.nnz > work:
            return None
    vectors.eliminate_zeros()
    vectors.sort_indices()
    if exact:
        return Basis(vectors, np.ones(vectors.shape[1], dtype=bool))
    return _lifted(vectors, whole)


def _whole_rows(matrix: sp.csr_matrix) -> sp.csr_matrix | None:
    """The same relations with whole coefficients, each row multiplied by one of FACTORS; None where that is not it."""
    matrix = matrix.tocsr()
    lengths = np.diff(matrix.indptr)
    row = np.repeat(np.arange(matrix.shape[0]), lengths)
    data = matrix.data.copy()
    open_ = np.ones(matrix.shape[0], dtype=bool)
    for factor in FACTORS:
        scaled = matrix.data * factor
        odd = np.abs(scaled - np.round(scaled)) > 1e-9
        good = open_ & (np.bincount(row[odd], minlength=len(open_)) == 0)
        data[good[row]] = np.round(scaled[good[row]])
        open_ &= ~good
        if not open_.any():
            break
    if open_[lengths > 0].any() or np.abs(data).max(initial=0) > LARGEST:
        return None
    out = sp.csr_matrix((data.astype(np.int64), matrix.indices, matrix.indptr), shape=matrix.shape)
    out.eliminate_zeros()
    return out


def _rounds(
    matrix: sp.csr_matrix, work: int, turn: int, size: np.ndarray | None = None
) -> tuple[list[tuple[np.ndarray, np.ndarray, sp.csr_matrix]], np.ndarray, sp.csr_matrix] | None:
    """Eliminate by rounds: (steps, columns left, the matrix left over them), None if `work` ran out.

    Each step (pivots, rest, top) says that the unknowns `pivots` are `top @ d[rest]`.
    """
    columns, matrix = np.arange(matrix.shape[1]), matrix[np.diff(matrix.indptr) > 0]
    steps = []
    cap = 0
    while matrix.nnz and np.abs(matrix.data).max() <= LARGEST:
        row, column, sign, cap = _pivots(matrix, cap, turn, size=None if size is None else size[columns])
        if len(row) == 0:
            break
        if len(row) < WORTH * matrix.shape[0] and matrix.nnz > LARGE:
            cap = 2 * cap + 2
        rest, top, matrix = _eliminated(matrix, row, column, sign)
        steps.append((columns[column], columns[rest], top))
        columns = columns[rest]
        work -= matrix.nnz // 8 + top.nnz
        if work < 0:
            return None
    return steps, columns, matrix


def without(matrix: sp.csr_matrix, gone: np.ndarray) -> tuple[sp.csr_matrix, np.ndarray]:
    """What `matrix @ d = 0` says of other unknowns than those of the mask `gone`: (matrix, its columns).

    The columns are the others, and some of `gone` where no entries of -1 and 1 are left to eliminate them by, or where
    that would make more than FILL times the entries.
    """
    columns = np.arange(matrix.shape[1])
    whole, cap = _whole_rows(matrix), 0
    while whole is not None and np.abs(whole.data).max(initial=0) <= LARGEST and whole.nnz <= FILL * matrix.nnz:
        row, column, sign, cap = _pivots(whole, cap, 0, gone[columns])
        if len(row) == 0:
            break
        rest, _, whole = _eliminated(whole, row, column, sign)
        columns = columns[rest]
    return (matrix, columns) if whole is None else (whole.astype(float), columns)


def _eliminated(
    matrix: sp.csr_matrix, row: np.ndarray, column: np.ndarray, sign: np.ndarray
) -> tuple[np.ndarray, sp.csr_matrix, sp.csr_matrix]:
    """One round: (columns left, what the pivots' unknowns are of these, the matrix left over them)."""
    pivot_row, pivot_column = np.zeros(matrix.shape[0], bool), np.zeros(matrix.shape[1], bool)
    pivot_row[row], pivot_column[column] = True, True
    rest = np.flatnonzero(~pivot_column)
    top = (sp.diags_array(-sign, dtype=np.int64) @ matrix[row][:, rest]).tocsr()
    below = matrix[np.flatnonzero(~pivot_row)]
    matrix = (below[:, rest] + below[:, column] @ top).tocsr()
    matrix.eliminate_zeros()
    return rest, top, matrix[np.diff(matrix.indptr) > 0]


def _pivots(
    matrix: sp.csr_matrix,
    cap: int,
    turn: int,
    among: np.ndarray | None = None,
    size: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Entries (rows, columns, signs) of -1 and 1 that can be pivots of one round, and the cost they may have.

    No pivot's row meets another pivot's column. Costs are those of Markowitz, up to about twice the least. With `among`
    pivots are in columns of that mask only, with `size` in the largest columns of their rows, if there are such.
    """
    lengths = np.diff(matrix.indptr)
    row, column = np.repeat(np.arange(matrix.shape[0]), lengths), matrix.indices.astype(np.int64)
    users = np.bincount(column, minlength=matrix.shape[1])
    entry = np.flatnonzero(np.abs(matrix.data) == 1)
    if among is not None:
        entry = entry[among[column[entry]]]
    if size is not None:
        most = np.maximum.reduceat(size[column], matrix.indptr[:-1])
        largest = size[column[entry]] == most[row[entry]]
        entry = entry[largest] if largest.any() else entry
    nothing = np.zeros(0, dtype=np.int64)
    if len(entry) == 0:
        return nothing, nothing, nothing, cap
    cost = (lengths[row[entry]].astype(np.int64) - 1) * (users[column[entry]] - 1)
    cap = max(cap, 2 * int(cost.min()) + 2)
    entry, cost = entry[cost <= cap], cost[cost <= cap]
    # TIES is a power of 2.
    spread = (row[entry] * 2654435761 + column[entry] * 40503) & (TIES - 1)
    key = cost * TIES + ((spread * (7918 * turn + 1)) & (TIES - 1))
    first_of_row = np.full(matrix.shape[0], np.iinfo(np.int64).max)
    first_of_column = np.full(matrix.shape[1], np.iinfo(np.int64).max)
    np.minimum.at(first_of_row, row[entry], key)
    np.minimum.at(first_of_column, column[entry], key)
    best = (key == first_of_row[row[entry]]) & (key == first_of_column[column[entry]])
    entry, key = entry[best], key[best]
    # Equal keys in one row or column are possible: the first of them counts.
    for side in (row, column):
        chosen = np.unique(side[entry], return_index=True)[1]
        entry, key = entry[chosen], key[chosen]
    rank = np.empty(len(entry), dtype=np.int64)
    rank[np.lexsort((entry, key))] = np.arange(len(entry))
    of_row, of_column = np.full(matrix.shape[0], -1), np.full(matrix.shape[1], -1)
    of_row[row[entry]], of_column[column[entry]] = np.arange(len(entry)), np.arange(len(entry))
    one, two = of_row[row], of_column[column]
    meet = (one >= 0) & (two >= 0) & (one != two)
    one, two = one[meet], two[meet]
    beaten = np.zeros(len(entry), dtype=bool)
    beaten[np.where(rank[one] > rank[two], one, two)] = True
    entry = entry[~beaten]
    return row[entry], column[entry], matrix.data[entry], cap


def _modular(matrix: sp.csr_matrix, coefficients: list[int], work: int) -> sp.csr_matrix | None:
    """A basis modulo PRIME, one pivot at a time: the column in fewest rows, there the shortest row."""
    count = matrix.shape[1]
    starts, index = matrix.indptr.tolist(), matrix.indices.tolist()
    rows = [
        {column: value for column, value in zip(index[begin:end], coefficients[begin:end], strict=True) if value}
        for begin, end in zip(starts, starts[1:], strict=False)
    ]
    users: list[set[int]] = [set() for _ in range(count)]
    for number, row in enumerate(rows):
        for column in row:
            users[column].add(number)
    queue = [(len(used), column) for column, used in enumerate(users) if used]
    heapq.heapify(queue)
    pivots: list[tuple[int, dict[int, int]]] = []
    while queue:
        degree, column = heapq.heappop(queue)
        used = users[column]
        if not used:
            continue
        if len(used) != degree:
            heapq.heappush(queue, (len(used), column))
            continue
        chosen = min(used, key=lambda number: (len(rows[number]), number))
        pivot = rows[chosen]
        used.discard(chosen)
        for other in pivot:
            users[other].discard(chosen)
        factor = PRIME - pow(pivot.pop(column), -1, PRIME)
        expressed = {other: value * factor % PRIME for other, value in pivot.items()}
        work -= len(expressed) * (len(used) + 1)
        if work < 0:
            return None
        for number in used:
            row = rows[number]
            factor = row.pop(column)
            for other, value in expressed.items():
                old = row.get(other)
                new = (value * factor + (old or 0)) % PRIME
                if new:
                    row[other] = new
                    if old is None:
                        users[other].add(number)
                elif old is not None:
                    del row[other]
                    users[other].discard(number)
        used.clear()
        pivots.append((column, expressed))
    dependent = {column for column, _ in pivots}
    free = [column for column in range(count) if column not in dependent]
    solved: list[dict[int, int]] = [{} for _ in range(count)]
    for place, column in enumerate(free):
        solved[column] = {place: 1}
    for column, expressed in reversed(pivots):
        row = solved[column]
        for other, value in expressed.items():
            work -= len(solved[other])
            for place, number in solved[other].items():
                row[place] = (row.get(place, 0) + value * number) % PRIME
        if work < 0:
            return None
    lengths = [len(row) for row in solved]
    data = np.fromiter((value for row in solved for value in row.values()), np.int64, sum(lengths))
    indices = np.fromiter((place for row in solved for place in row), np.int64, sum(lengths))
    indptr = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
    return sp.csr_matrix((_symmetric(data), indices, indptr), shape=(count, len(free)))


def residues(data: np.ndarray) -> np.ndarray:
    """Numbers as residues: as the fraction of small terms that they are the double of, else as the double itself."""
    numbers, place = np.unique(data, return_inverse=True)
    known = []
    for number in numbers.tolist():
        fraction = Fraction(number).limit_denominator(1024)
        if abs(float(fraction) - number) > 1e-12 * abs(number):
            fraction = Fraction(number)
        known.append(fraction.numerator * pow(fraction.denominator, -1, PRIME) % PRIME)
    return np.array(known, dtype=np.int64)[place.reshape(-1)]


def _symmetric(data: np.ndarray) -> np.ndarray:
    """Residues between -PRIME/2 and PRIME/2."""
    data = data % PRIME
    return np.where(data > PRIME // 2, data - PRIME, data)


def _lifted(vectors: sp.csr_matrix, matrix: sp.csr_matrix | None) -> Basis:
    """The basis with columns multiplied so that their residues are small, and told whole where that solves `matrix`."""
    by_column = vectors.tocsc()
    columns = by_column.shape[1]
    owner = np.repeat(np.arange(columns), np.diff(by_column.indptr))
    original = by_column.data.copy()
    small = np.zeros(columns, dtype=bool)
    for factor in FACTORS:
        scaled = _symmetric(original * factor)
        good = ~small & (np.bincount(owner[np.abs(scaled) > LARGEST], minlength=columns) == 0)
        by_column.data[good[owner]] = scaled[good[owner]]
        small |= good
    by_column.data[~small[owner]] = original[~small[owner]]
    whole = np.zeros(columns, dtype=bool)
    if matrix is not None and small.any():
        rest = (matrix @ by_column[:, small]).tocsc()
        rest.eliminate_zeros()
        whole[np.flatnonzero(small)[np.diff(rest.indptr) == 0]] = True
    out = by_column.tocsr()
    out.sort_indices()
    return Basis(out, whole)


def kinds(rows: np.ndarray) -> np.ndarray:
    """Number of each row's class of proportional rows modulo PRIME, -1 for rows of zeros; in order of first rows."""
    lead = np.where(rows[:, 0] != 0, rows[:, 0], rows[:, -1])
    scaled = rows * inverse(lead)[:, None] % PRIME
    order = np.lexsort(scaled.T)
    new = np.append(True, (np.diff(scaled[order], axis=0) != 0).any(axis=1))[: len(order)]
    group = np.empty(len(order), dtype=np.int64)
    group[order] = np.cumsum(new) - 1
    group[(rows == 0).all(axis=1)] = -1
    return _by_first(group)


def _by_first(group: np.ndarray) -> np.ndarray:
    """The same groups numbered 0, 1, ... by their first member; -1 stays."""
    inside = np.flatnonzero(group >= 0)
    _, first, number = np.unique(group[inside], return_index=True, return_inverse=True)
    place = np.empty(len(first), dtype=np.int64)
    place[np.argsort(first)] = np.arange(len(first))
    out = np.full(len(group), -1, dtype=np.int64)
    out[inside] = place[number.reshape(-1)]
    return out


def inverse(numbers: np.ndarray) -> np.ndarray:
    """Inverses modulo PRIME, of all from that of their product (Montgomery 1987); 0 for 0."""
    products = [np.where(numbers == 0, 1, numbers % PRIME)]
    while len(products[-1]) > 1:
        last = products[-1]
        # An odd one out stays as it is.
        paired = last[: len(last) // 2 * 2].reshape(-1, 2)
        products.append(np.append(paired[:, 0] * paired[:, 1] % PRIME, last[len(paired) * 2 :]))
    if len(numbers) == 0:
        return products[0]
    out = np.array([pow(int(products.pop()[0]), -1, PRIME)], dtype=np.int64)
    for last in reversed(products):
        pairs = len(last) // 2
        paired = last[: pairs * 2].reshape(-1, 2)
        both = paired[:, ::-1] * out[:pairs, None] % PRIME
        out = np.append(both.reshape(-1), out[pairs:])
    return np.where(numbers == 0, 0, out)


def rigid_classes(found: Basis) -> tuple[np.ndarray, np.ndarray]:
    """Unknowns that every solution moves in a fixed proportion: (class [unknowns], ratio to the class [unknowns]).

    Class -1 marks determined unknowns. Classes are numbered by their first member, whose ratio is 1. Members whose
    solutions are known modulo PRIME only form classes of their own, which is only less of a help.
    """
    vectors = found.vectors
    number = kinds(found.project(3))
    inside = np.flatnonzero(number >= 0)
    lead = vectors.indptr[inside]
    certain = found.whole[vectors.indices[lead]]
    number[inside[~certain]] = number.max(initial=-1) + 1 + np.arange(np.count_nonzero(~certain))
    number = _by_first(number)
    ratio = np.zeros(len(number))
    first = np.full(int(number.max(initial=-1)) + 1, len(number), dtype=np.int64)
    np.minimum.at(first, number[inside], inside)
    leader = first[number[inside]]
    ratio[inside] = vectors.data[lead] / vectors.data[vectors.indptr[leader]]
    return number, ratio
