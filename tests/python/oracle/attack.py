"""Attacks on a suppression pattern, written apart from the engine, as the yardstick of its tests.

The attack model is that of Fischetti and Salazar-Gonzalez (2001) and of the *Handbook on Statistical
Disclosure Control* (2nd ed.): the attacker knows every published cell, all relations ``A y = 0`` and bounds
``lower <= y <= upper`` on every cell, and asks what a hidden cell can be.

All linear programs work on the deviation ``d = y - x`` from the true table ``x``, so that the relations read
``A d = 0`` and the true table is ``d = 0``: no right-hand side, nothing lost by cancellation.

Four attacks, from cheap to complete:

``exact_cells``        linear algebra only, exact arithmetic (rational, or modulo a random prime for larger
systems)
``intervals``          the attacker's interval by linear programs through ``scipy.optimize.linprog``
``integer_intervals``  the same over whole numbers through ``scipy.optimize.milp``
``enumerate_tables``   every table of whole numbers, for tiny systems
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pyarrow as pa
import scipy.optimize as so
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

#: Widths up to this are a point: far above HiGHS's tolerance, far below any vertex of a small table.
TOLERANCE = 1e-6

#: Systems with at most this many hidden cells are reduced over the rationals, larger ones modulo primes.
RATIONAL_LIMIT = 16

FINDINGS = ("exact", "under_above", "under_below", "too_narrow")


class AttackError(RuntimeError):
    """The attack could not be completed; it is never to be read as "no leak found"."""


@dataclass(frozen=True)
class View:
    """One table as an attacker sees it.

    All arrays have one entry per cell, ordered by ``cell_id``; ``relations`` is relations x cells. ``value``
    holds the truth, of which the attacks use only the published part and, as the origin of deviations, the
    hidden part."""

    cell_id: np.ndarray
    value: np.ndarray
    hidden: np.ndarray
    primary: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    upl: np.ndarray
    lpl: np.ndarray
    spl: np.ndarray
    integer: np.ndarray
    contributor: tuple[object, ...]
    relation_id: tuple[int, ...]
    relations: sp.csr_matrix

    @classmethod
    def from_arrow(cls, cells: pa.Table, relations: pa.Table, pattern: pa.Table | None = None) -> View:
        """Read the engine's contract; ``pattern`` (cell_id, status), where given, overrides the statuses in
        ``cells``.
        """
        rows = sorted(cells.to_pylist(), key=lambda row: row["cell_id"])
        position = {row["cell_id"]: place for place, row in enumerate(rows)}
        status = {row["cell_id"]: row["status"] for row in rows}
        if pattern is not None:
            status.update(zip(pattern["cell_id"].to_pylist(), pattern["status"].to_pylist(), strict=True))

        def column(name: str, default: float | bool, kind: type) -> np.ndarray:
            filled = [default if row.get(name) is None else row[name] for row in rows]
            return np.array(filled, dtype=kind)

        names = {key: place for place, key in enumerate(sorted(set(relations["relation_id"].to_pylist())))}
        matrix = sp.csr_matrix(
            (
                relations["coefficient"].to_numpy(),
                (
                    [names[key] for key in relations["relation_id"].to_pylist()],
                    [position[key] for key in relations["cell_id"].to_pylist()],
                ),
            ),
            shape=(len(names), len(rows)),
        )
        ids = [row["cell_id"] for row in rows]
        return cls(
            cell_id=np.array(ids, dtype=np.int64),
            value=column("value", 0.0, float),
            hidden=np.array([status[key] != "safe" for key in ids]),
            primary=np.array([status[key] == "primary" for key in ids]),
            lower=column("lower", 0.0, float),
            upper=column("upper", math.inf, float),
            upl=column("upl", 0.0, float),
            lpl=column("lpl", 0.0, float),
            spl=column("spl", 0.0, float),
            integer=column("integer", False, bool),
            contributor=tuple(row.get("contributor") for row in rows),
            relation_id=tuple(names),
            relations=matrix,
        )

    def knowing(self, cell_ids: Iterable[int]) -> View:
        """The same table for an insider who also knows these cells."""
        known = np.isin(self.cell_id, np.fromiter(cell_ids, dtype=np.int64))
        return View(**{**self.__dict__, "hidden": self.hidden & ~known})

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Independent blocks of hidden cells: dense relations (restricted to the block) and positions of its
        cells.
        """
        hidden = np.flatnonzero(self.hidden)
        if hidden.size == 0:
            return
        matrix = self.relations[:, hidden]
        matrix = matrix[np.diff(matrix.indptr) > 0]
        # Absolute values, so that two relations in which cells meet with opposite signs do not cancel to
        # "unconnected".
        joined = abs(matrix).T @ abs(matrix) + sp.eye(hidden.size)
        count, label = connected_components(joined, directed=False)
        for block in range(count):
            members = np.flatnonzero(label == block)
            part = matrix[:, members]
            yield part[np.diff(part.indptr) > 0].toarray(), hidden[members]


# --- exact disclosure by linear algebra
# -------------------------------------------------------------------------------


def _rational_determined(matrix: np.ndarray) -> np.ndarray:
    """Columns whose unit vector lies in the row space, by Gauss-Jordan elimination over the rationals."""
    rows = [[Fraction(entry) for entry in row] for row in matrix.tolist()]
    pivots: list[int] = []
    for column in range(matrix.shape[1]):
        top = len(pivots)
        source = next((place for place in range(top, len(rows)) if rows[place][column] != 0), None)
        if source is None:
            continue
        rows[top], rows[source] = rows[source], rows[top]
        inverse = 1 / rows[top][column]
        rows[top] = [entry * inverse for entry in rows[top]]
        for place, row in enumerate(rows):
            factor = row[column]
            if place != top and factor != 0:
                rows[place] = [entry - factor * lead for entry, lead in zip(row, rows[top], strict=True)]
        pivots.append(column)
    found = np.zeros(matrix.shape[1], dtype=bool)
    for place, column in enumerate(pivots):
        found[column] = sum(entry != 0 for entry in rows[place]) == 1
    return found


def _is_prime(number: int) -> bool:
    """Miller-Rabin with bases that decide every number below 3.4e14."""
    if number < 2 or any(number % small == 0 and number != small for small in (2, 3, 5, 7, 11, 13, 17)):
        return False
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in (2, 3, 5, 7, 11, 13, 17):
        if base % number == 0:
            continue
        power = pow(base, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True


def random_primes(count: int, seed: int = 20260101) -> list[int]:
    """Distinct primes from [2**30, 2**31), drawn at random but the same for the same seed."""
    rng = np.random.default_rng(seed)
    primes: list[int] = []
    while len(primes) < count:
        candidate = int(rng.integers(2**30, 2**31)) | 1
        if candidate not in primes and _is_prime(candidate):
            primes.append(candidate)
    return primes


def _whole(matrix: np.ndarray) -> np.ndarray:
    """Rows scaled to whole numbers (relations are homogeneous); raises where a coefficient is no short
    fraction.
    """
    if np.array_equal(matrix, np.rint(matrix)):
        return matrix.astype(np.int64)
    scaled = []
    for row in matrix.tolist():
        fractions = [Fraction(entry).limit_denominator(10**6) for entry in row]
        if any(
            abs(float(part) - entry) > 1e-12 * max(1.0, abs(entry)) for part, entry in zip(fractions, row, strict=True)
        ):
            raise AttackError("a relation has a coefficient that is no short fraction")
        common = math.lcm(*(part.denominator for part in fractions))
        scaled.append([int(part * common) for part in fractions])
    return np.array(scaled, dtype=np.int64)


def _modular_determined(matrix: np.ndarray, prime: int) -> np.ndarray:
    """As ``_rational_determined`` modulo ``prime``: products of residues stay below 2**62, so int64 never
    overflows.
    """
    rows = matrix % prime
    pivots: list[int] = []
    for column in range(rows.shape[1]):
        top = len(pivots)
        below = np.flatnonzero(rows[top:, column])
        if below.size == 0:
            continue
        source = top + int(below[0])
        rows[[top, source]] = rows[[source, top]]
        rows[top] = rows[top] * pow(int(rows[top, column]), -1, prime) % prime
        others = np.flatnonzero(rows[:, column])
        others = others[others != top]
        rows[others] = (rows[others] - rows[others, column][:, None] * rows[top]) % prime
        pivots.append(column)
    found = np.zeros(rows.shape[1], dtype=bool)
    found[pivots] = np.count_nonzero(rows[: len(pivots)], axis=1) == 1
    return found


def exact_cells(view: View) -> set[int]:
    """Hidden cells that the relations alone determine, whatever the bounds say.

    A hidden cell is determined if and only if its unit vector lies in the row space of the relations
    restricted to hidden columns (Langsrud 2024 uses the same test). Small blocks are reduced over the
    rationals. Larger ones are reduced modulo two random 31-bit primes that must agree: the reduction modulo p
    can differ from the rational one only where p divides one of its pivot minors, which Hadamard's inequality
    bounds by ``(k**0.5)**k`` for k relations with entries of size one; that number has fewer than ``k *
    log2(k) / 60`` such prime factors among the 5e7 primes drawn from, so the chance that *both* primes
    mislead is below 1e-9 for k up to 5,000."""
    found: set[int] = set()
    for matrix, cells in view.blocks():
        if cells.size <= RATIONAL_LIMIT:
            determined = _rational_determined(matrix)
        else:
            whole = _whole(matrix)
            first, second = (_modular_determined(whole, prime) for prime in random_primes(2))
            if not np.array_equal(first, second):
                first = _rational_determined(matrix)
            determined = first
        found.update(view.cell_id[cells[determined]].tolist())
    return found


# --- interval attack by linear programs
# -------------------------------------------------------------------------------


@dataclass
class _Block:
    """One block of hidden cells with its deviations' bounds and the box inside which a missing bound is
    searched.
    """

    matrix: np.ndarray
    cells: np.ndarray
    low: np.ndarray
    high: np.ndarray
    reach: float

    @classmethod
    def of(cls, view: View, matrix: np.ndarray, cells: np.ndarray) -> _Block:
        value = view.value[cells]
        low, high = view.lower[cells] - value, view.upper[cells] - value
        finite = np.concatenate([np.abs(value), np.abs(low[np.isfinite(low)]), np.abs(high[np.isfinite(high)])])
        levels = max(view.upl[cells].max(), view.lpl[cells].max(), view.spl[cells].max())
        # A bounded deviation is a combination of the finite bounds; ten times their sum is out of its reach.
        return cls(matrix, cells, np.minimum(low, 0.0), np.maximum(high, 0.0), 10.0 * (finite.sum() + levels + 1.0))

    def extreme(self, place: int, sign: float, integer: np.ndarray | None = None) -> np.ndarray:
        """Deviations of the block at which that of ``place`` is largest (sign 1) or smallest (sign -1)."""
        cost = np.zeros(self.cells.size)
        cost[place] = -sign
        low, high = self.low.copy(), self.high.copy()
        low[place], high[place] = max(low[place], -self.reach), min(high[place], self.reach)
        if integer is None:
            rows = self.matrix if self.matrix.shape[0] else None
            answer = so.linprog(
                cost,
                A_eq=rows,
                b_eq=None if rows is None else np.zeros(rows.shape[0]),
                bounds=np.column_stack([low, high]),
                method="highs-ds",
            )
        else:
            rules = so.LinearConstraint(self.matrix, 0.0, 0.0) if self.matrix.shape[0] else ()
            answer = so.milp(cost, integrality=integer.astype(int), bounds=so.Bounds(low, high), constraints=rules)
        if answer.status != 0 or answer.x is None:
            raise AttackError(f"solver status {answer.status} on a block of {self.cells.size} cells: {answer.message}")
        return answer.x

    def open_ended(self, deviation: float, bound: float) -> bool:
        return math.isinf(bound) and abs(deviation) >= 0.999 * self.reach


def _interval(view: View, block: _Block, place: int, integer: np.ndarray | None) -> tuple[float, float]:
    least = block.extreme(place, -1.0, integer)[place]
    most = block.extreme(place, 1.0, integer)[place]
    value = view.value[block.cells[place]]
    return (
        -math.inf if block.open_ended(least, block.low[place]) else value + least,
        math.inf if block.open_ended(most, block.high[place]) else value + most,
    )


def _intervals(view: View, wanted: Iterable[int] | None, whole: bool) -> dict[int, tuple[float, float]]:
    chosen = None if wanted is None else set(wanted)
    answer: dict[int, tuple[float, float]] = {}
    for matrix, cells in view.blocks():
        block = _Block.of(view, matrix, cells)
        integer = view.integer[cells] if whole else None
        for place, cell in enumerate(view.cell_id[cells].tolist()):
            if chosen is None or cell in chosen:
                answer[cell] = _interval(view, block, place, integer)
    return answer


def intervals(view: View, wanted: Iterable[int] | None = None) -> dict[int, tuple[float, float]]:
    """The attacker's interval of every hidden cell (or of those ``wanted``), infinite where there is no
    bound.
    """
    return _intervals(view, wanted, whole=False)


def integer_intervals(view: View, wanted: Iterable[int] | None = None) -> dict[int, tuple[float, float]]:
    """As ``intervals`` for an attacker who also knows that the ``integer`` cells are whole numbers."""
    return _intervals(view, wanted, whole=True)


def whole_numbers(low: float, high: float) -> float:
    """How many whole numbers an interval holds, forgiving the solver its tolerance."""
    if math.isinf(low) or math.isinf(high):
        return math.inf
    return math.floor(high + TOLERANCE) - math.ceil(low - TOLERANCE) + 1


def findings_of(view: View, place: int, low: float, high: float) -> frozenset[str]:
    """Everything that is wrong with the interval [low, high] of the cell at ``place``; empty means protected.

    Levels are demanded of primary cells only; no hidden cell may be a point, nor, where it is a whole number,
    hold one whole number only."""
    value = view.value[place]
    slack = TOLERANCE * max(1.0, abs(value) * 1e-3)
    found = set()
    if high - low <= slack or (view.integer[place] and whole_numbers(low, high) < 2):
        found.add("exact")
    if view.primary[place]:
        if high < value + view.upl[place] - slack:
            found.add("under_above")
        if low > value - view.lpl[place] + slack:
            found.add("under_below")
        if high - low < view.spl[place] - slack:
            found.add("too_narrow")
    return frozenset(found)


def findings(view: View, whole: bool = False) -> dict[int, frozenset[str]]:
    """For every hidden cell everything the attacker achieves (``findings_of``), by its own two programs where
    needed.

    Each optimum is a table the attacker cannot rule out, so it widens the interval known for all cells of its
    block; a cell whose known interval already satisfies every demand is protected without programs of its
    own."""
    answer: dict[int, frozenset[str]] = {}
    for matrix, cells in view.blocks():
        block = _Block.of(view, matrix, cells)
        integer = view.integer[cells] if whole else None
        known_low, known_high = np.zeros(cells.size), np.zeros(cells.size)
        for place in range(cells.size):
            value = view.value[cells[place]]
            for sign in (1.0, -1.0):
                if not findings_of(view, cells[place], value + known_low[place], value + known_high[place]):
                    break
                point = block.extreme(place, sign, integer)
                np.minimum(known_low, point, out=known_low)
                np.maximum(known_high, point, out=known_high)
            answer[int(view.cell_id[cells[place]])] = findings_of(
                view, cells[place], value + known_low[place], value + known_high[place]
            )
    return answer


def leaks(view: View, whole: bool = False) -> dict[int, frozenset[str]]:
    """``findings`` without the protected cells."""
    return {cell: found for cell, found in findings(view, whole).items() if found}


# --- insiders and unions
# ----------------------------------------------------------------------------------------------


def insiders(view: View, together: bool = True) -> Iterator[tuple[object, list[int]]]:
    """Contributors who know hidden cells because nobody else is in them, with those cells.

    ``together`` gives a contributor all its cells at once; otherwise one at a time (the classical singleton).
    """
    owned: dict[object, list[int]] = {}
    for place in np.flatnonzero(view.hidden):
        if view.contributor[place] is not None:
            owned.setdefault(view.contributor[place], []).append(int(view.cell_id[place]))
    for contributor in sorted(owned, key=str):
        if together:
            yield contributor, owned[contributor]
        else:
            yield from ((contributor, [cell]) for cell in owned[contributor])


def insider_leaks(view: View, together: bool = True, levels: bool = True) -> dict[object, dict[int, frozenset[str]]]:
    """Primary cells of *others* that a contributor learns who knows its own cells.

    With ``levels`` false only exact disclosures count.
    """
    found: dict[object, dict[int, frozenset[str]]] = {}
    primary = set(view.cell_id[view.primary].tolist())
    for contributor, cells in insiders(view, together):
        harmed = {
            cell: what if levels else what & {"exact"}
            for cell, what in leaks(view.knowing(cells)).items()
            if cell in primary and (levels or "exact" in what)
        }
        if harmed:
            found.setdefault(contributor, {}).update(harmed)
    return found


@dataclass(frozen=True)
class Union:
    """A sum of hidden cells that one relation gives away."""

    relation: int
    cells: tuple[int, ...]
    total: float
    contributors: frozenset[object]


def unions(view: View) -> list[Union]:
    """Sums of hidden cells derivable from one relation: the hidden cells on it, where they enter with one
    sign.

    ``contributors`` holds the sole contributors of the members, None standing for "several": a union whose
    only element is one contributor gives that contributor's total away."""
    found = []
    for place in range(view.relations.shape[0]):
        row = view.relations[place]
        hidden = view.hidden[row.indices]
        members, coefficients = row.indices[hidden], row.data[hidden]
        if members.size and np.all(coefficients == coefficients[0]):
            found.append(
                Union(
                    view.relation_id[place],
                    tuple(view.cell_id[members].tolist()),
                    float(view.value[members].sum()),
                    frozenset(view.contributor[member] for member in members),
                )
            )
    return found


def union_leaks(view: View, threshold: float = 0.0) -> list[Union]:
    """Unions with several members that fail the primary rule themselves.

    Either all members belong to one and the same contributor, or, for counts under a threshold rule, they add
    up to less than ``threshold`` (and to something)."""
    return [
        union
        for union in unions(view)
        if len(union.cells) > 1
        and ((len(union.contributors) == 1 and None not in union.contributors) or 0 < union.total < threshold)
    ]


def derivable_sums(view: View, most: int) -> Iterator[tuple[int, ...]]:
    """Every set of two up to ``most`` hidden cells whose sum the relations determine, by trying all (tiny systems).

    A sum is determined if and only if the sets' indicator lies in the row space of the relations over hidden
    cells, here in reduced form over the rationals. Sets with a cell that is determined by itself are left out.
    """
    places = np.flatnonzero(view.hidden)
    rows, pivots = _solved(view.relations[:, places].toarray(), np.zeros(view.relations.shape[0]))
    basis = np.array([[float(entry) for entry in row[:-1]] for row in rows]).reshape(len(rows), places.size)
    open_ = np.flatnonzero(~np.isin(view.cell_id[places], list(exact_cells(view))))
    for size in range(2, most + 1):
        chosen = np.array(list(itertools.combinations(open_.tolist(), size)), dtype=np.int64).reshape(-1, size)
        wanted = np.zeros((len(chosen), places.size))
        np.put_along_axis(wanted, chosen, 1.0, axis=1)
        determined = np.abs(wanted - wanted[:, pivots] @ basis).max(axis=1, initial=0.0) <= 1e-9
        yield from (tuple(view.cell_id[places[one]].tolist()) for one in chosen[determined])


def is_derivable(view: View, cells: Iterable[int]) -> bool:
    """Whether the relations determine the sum of these hidden cells."""
    member = np.isin(view.cell_id, list(cells)).astype(float)
    total = View(
        **{
            **view.__dict__,
            "cell_id": np.append(view.cell_id, view.cell_id.max() + 1),
            "value": np.append(view.value, member @ view.value),
            "hidden": np.append(view.hidden, True),
            "relations": sp.bmat([[view.relations, None], [sp.csr_matrix(-member), np.ones((1, 1))]], format="csr"),
        }
    )
    return int(total.cell_id[-1]) in exact_cells(total)


def shortfall(amounts: dict[object, float], threshold: float = 0.0, percent: float = 0.0, share: float = 0.0) -> float:
    """By how much a set with these amounts per contributor fails the threshold, p% or dominance (1, share) rule.

    The greatest required protection level; 0 for the threshold; negative where the set is safe.
    """
    ordered = sorted((abs(amount) for amount in amounts.values()), reverse=True)
    size, first, second = sum(ordered), (ordered or [0.0])[0], ([*ordered, 0.0, 0.0])[1]
    short = [-1.0]
    if 0 < len(ordered) < threshold:
        short.append(0.0)
    if percent and ordered:
        short.append(percent / 100 * first - (size - first - second))
    if share and ordered:
        short.append(100 / share * first - size)
    return max(short)


# --- enumeration
# ------------------------------------------------------------------------------------------------------


def enumerate_tables(view: View, limit: int = 200_000) -> tuple[np.ndarray, np.ndarray]:
    """Every table of whole numbers the attacker cannot rule out: (hidden cell ids, tables x cells).

    Solves for the pivot cells of each block over the rationals and runs through the whole numbers of the free
    ones, so it is independent of any optimiser except for the box it runs through, which comes from bounds
    and published totals.

    Raises:
        AttackError: a cell has no finite range, or there are more than ``limit`` candidates.
    """
    places = np.flatnonzero(view.hidden)
    if places.size == 0:
        return view.cell_id[places], np.zeros((1, 0))
    matrix = view.relations[:, places].toarray()
    right = -(view.relations[:, ~view.hidden] @ view.value[~view.hidden])
    low, high = _box(matrix, right, view.lower[places].copy(), view.upper[places].copy())
    if not (np.all(np.isfinite(low)) and np.all(np.isfinite(high))):
        raise AttackError("a hidden cell has no finite range")
    rows, pivots = _solved(matrix, right)
    free = [column for column in range(places.size) if column not in pivots]
    ranges = [range(math.ceil(low[column]), math.floor(high[column]) + 1) for column in free]
    if math.prod(len(choice) for choice in ranges) > limit:
        raise AttackError("too many candidate tables to enumerate")
    tables = []
    for choice in itertools.product(*ranges):
        table: list[Fraction] = [Fraction(0)] * places.size
        for column, number in zip(free, choice, strict=True):
            table[column] = Fraction(number)
        for row, pivot in zip(rows, pivots, strict=True):
            table[pivot] = row[-1] - sum(row[column] * table[column] for column in free)
        if all(entry.denominator == 1 and low[column] <= entry <= high[column] for column, entry in enumerate(table)):
            tables.append([int(entry) for entry in table])
    return view.cell_id[places], np.array(tables, dtype=float)


def _box(matrix: np.ndarray, right: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tighten bounds by each relation in turn until nothing moves (interval arithmetic; whole numbers)."""
    for _ in range(100):
        before = (low.copy(), high.copy())
        for row, total in zip(matrix, right, strict=True):
            used = np.flatnonzero(row)
            for column in used:
                rest = used[used != column]
                ends = np.sort(np.stack([row[rest] * low[rest], row[rest] * high[rest]]), axis=0)
                bounds = sorted([(total - ends[0].sum()) / row[column], (total - ends[1].sum()) / row[column]])
                low[column] = max(low[column], math.ceil(bounds[0] - 1e-9) if math.isfinite(bounds[0]) else bounds[0])
                high[column] = min(
                    high[column], math.floor(bounds[1] + 1e-9) if math.isfinite(bounds[1]) else bounds[1]
                )
        if np.array_equal(before[0], low) and np.array_equal(before[1], high):
            break
    return low, high


def _solved(matrix: np.ndarray, right: np.ndarray) -> tuple[list[list[Fraction]], list[int]]:
    """Reduced row echelon form of ``matrix y = right``: rows with the right-hand side appended, and pivot
    columns.
    """
    rows = [
        [Fraction(entry) for entry in (*row, total)] for row, total in zip(matrix.tolist(), right.tolist(), strict=True)
    ]
    pivots: list[int] = []
    for column in range(matrix.shape[1]):
        top = len(pivots)
        source = next((place for place in range(top, len(rows)) if rows[place][column] != 0), None)
        if source is None:
            continue
        rows[top], rows[source] = rows[source], rows[top]
        rows[top] = [entry / rows[top][column] for entry in rows[top]]
        for place in range(len(rows)):
            factor = rows[place][column]
            if place != top and factor != 0:
                rows[place] = [entry - factor * lead for entry, lead in zip(rows[place], rows[top], strict=True)]
        pivots.append(column)
    if any(row[-1] != 0 for row in rows[len(pivots) :]):
        raise AttackError("the published values contradict the relations")
    return rows[: len(pivots)], pivots
