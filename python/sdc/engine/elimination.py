"""Which suppressed cells the relations determine: exact sparse elimination modulo a prime.

A cell is exactly computable from published cells iff it is zero in every solution d of `A d = 0` over the suppressed
cells. One solution is drawn at random modulo the Mersenne prime 2^61 - 1: a determined cell is zero in it always, any
other cell with probability 2^-61. No floating-point threshold is involved. Pivots are chosen as by Markowitz (1957):
the column in fewest rows, there the shortest row; on table relations this leaves little fill-in.
"""

from __future__ import annotations

import heapq
import random
from fractions import Fraction

import numpy as np
import scipy.sparse as sp

PRIME = (1 << 61) - 1
# Give up when elimination has rewritten this many entries: the caller then knows nothing.
WORK = 40_000_000


def residues(data: np.ndarray, prime: int = PRIME) -> list[int]:
    """Coefficients as residues; a double is a fraction with a power of two below, so this is exact."""
    out = {}
    for number in np.unique(data):
        fraction = Fraction(float(number))
        out[float(number)] = fraction.numerator * pow(fraction.denominator, -1, prime) % prime
    return [out[number] for number in data.tolist()]


def null_vectors(matrix: sp.csr_matrix, draws: int = 1, work: int = WORK, prime: int = PRIME) -> list[list[int]] | None:
    """Random solutions of `matrix @ d = 0` modulo `prime`, one entry per column; None if `work` ran out."""
    columns = matrix.shape[1]
    starts, index, data = matrix.indptr.tolist(), matrix.indices.tolist(), residues(matrix.data, prime)
    rows = [
        dict(zip(index[begin:end], data[begin:end], strict=True))
        for begin, end in zip(starts, starts[1:], strict=False)
    ]
    users: list[set[int]] = [set() for _ in range(columns)]
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
        if used:
            inverse = pow(pivot[column], -1, prime)
            rest = [(other, value) for other, value in pivot.items() if other != column]
            work -= len(rest) * len(used)
            if work < 0:
                return None
            for number in used:
                row = rows[number]
                factor = prime - row.pop(column) * inverse % prime
                for other, value in rest:
                    old = row.get(other)
                    if old is None:
                        row[other] = value * factor % prime
                        users[other].add(number)
                    else:
                        new = (old + value * factor) % prime
                        if new:
                            row[other] = new
                        else:
                            del row[other]
                            users[other].discard(number)
            used.clear()
        pivots.append((column, pivot))
    dependent = {column for column, _ in pivots}
    free = [column for column in range(columns) if column not in dependent]
    terms = []
    for column, pivot in reversed(pivots):
        factor = prime - pow(pivot.pop(column), -1, prime)
        terms.append((column, factor, list(pivot.items())))
    solutions = []
    for seed in range(draws):
        rng = random.Random(seed)
        solution = [0] * columns
        for column in free:
            solution[column] = rng.randrange(1, prime)
        for column, factor, items in terms:
            total = 0
            for other, value in items:
                total += value * solution[other]
            solution[column] = total * factor % prime
        solutions.append(solution)
    return solutions


def determined(matrix: sp.csr_matrix, work: int = WORK) -> np.ndarray | None:
    """Mask [columns] of unknowns that `matrix @ d = 0` forces to zero; None if `work` ran out."""
    solutions = null_vectors(matrix, work=work)
    return None if solutions is None else np.fromiter((value == 0 for value in solutions[0]), bool, len(solutions[0]))


def rigid_classes(matrix: sp.csr_matrix, work: int = WORK) -> tuple[np.ndarray, np.ndarray] | None:
    """Unknowns that every solution moves in a fixed proportion: (class [columns], ratio to the class [columns]).

    Class -1 marks determined unknowns. Classes are numbered by their first member, whose ratio is 1. Members whose
    ratio is no fraction of small terms form classes of their own, which is only less of a help. None if `work` ran out.
    """
    solutions = null_vectors(matrix, 2, work)
    if solutions is None:
        return None
    number = np.full(matrix.shape[1], -1, dtype=np.int64)
    ratio = np.zeros(matrix.shape[1])
    first: dict[int, tuple[int, int]] = {}
    classes = 0
    for column, (one, two) in enumerate(zip(*solutions, strict=True)):
        if one == 0 and two == 0:
            continue
        inverse = pow(one, -1, PRIME)
        known = first.setdefault(two * inverse % PRIME, (classes, inverse))
        value = _small_fraction(one * known[1] % PRIME)
        if known[0] == classes or value is None:
            value = 1.0
            number[column] = classes
            classes += 1
        else:
            number[column] = known[0]
        ratio[column] = value
    return number, ratio


def _small_fraction(residue: int) -> float | None:
    """The number p/q with |p| <= 64 and q <= 12 that has this residue, or None."""
    for denominator in range(1, 13):
        numerator = residue * denominator % PRIME
        if numerator > PRIME // 2:
            numerator -= PRIME
        if abs(numerator) <= 64:
            return numerator / denominator
    return None
