"""Exact sparse elimination modulo a prime: which unknowns does a large linear system determine, and what are
they?

The question of ``attack.exact_cells`` for systems far too large to reduce densely. Rows are eliminated with
Markowitz's choice of pivot (least-used column, then shortest row), which for the relations of tables leaves
little fill. Then one solution of the homogeneous system is drawn at random from all of them, modulo the
Mersenne prime 2**61 - 1: an unknown that the system determines is zero in every such solution, any other is
zero with probability 1 / (2**61 - 1).

So a determined unknown is always reported, and a free one is reported in error with probability below ``n *
5e-19``; the one further proviso is that the prime divides no pivot minor of the system, whose entries are
small whole numbers."""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

PRIME = 2**61 - 1


class Contradiction(ValueError):
    """The system has no solution: what was published does not satisfy the relations. ``row`` is the row that
    shows it.
    """

    def __init__(self, row: int) -> None:
        super().__init__(f"the published values contradict relation {row}")
        self.row = row


class FillIn(RuntimeError):
    """The elimination grew beyond the limit; nothing is known about the system."""


@dataclass(frozen=True)
class Reduced:
    """A system in echelon form: ``order`` has (pivot unknown, its row) in the order of elimination."""

    unknowns: int
    order: list[tuple[int, dict[int, int], int]]

    @classmethod
    def of(cls, matrix: sp.csr_matrix, right: Sequence[int] | None = None, limit: int = 60_000_000) -> Reduced:
        """Eliminate ``matrix @ y = right``.

        Args:
            matrix: whole-number coefficients, equations x unknowns.
            right: whole-number right-hand sides (zero if None).
            limit: of row entries rewritten in all, after which the elimination is given up.

        Raises:
            Contradiction: no solution exists.
            FillIn: ``limit`` was exceeded.
        """
        matrix = matrix.tocsr()
        equations, unknowns = matrix.shape
        bounds = matrix.indptr.tolist()
        columns, data = matrix.indices.tolist(), [int(entry) % PRIME for entry in matrix.data.tolist()]
        totals = [0] * equations if right is None else [int(total) % PRIME for total in right]
        rows: list[dict[int, int]] = []
        users: list[set[int]] = [set() for _ in range(unknowns)]
        for row in range(equations):
            entries = {columns[place]: data[place] for place in range(bounds[row], bounds[row + 1]) if data[place]}
            rows.append(entries)
            for column in entries:
                users[column].add(row)
            if not entries and totals[row]:
                raise Contradiction(row)

        waiting = [(len(rows_of), column) for column, rows_of in enumerate(users) if rows_of]
        heapq.heapify(waiting)
        order: list[tuple[int, dict[int, int], int]] = []
        done = [False] * unknowns
        work = 0
        while waiting:
            degree, column = heapq.heappop(waiting)
            using = users[column]
            if done[column] or not using:
                continue
            if len(using) != degree:  # stale entry: filed again under its present degree
                heapq.heappush(waiting, (len(using), column))
                continue
            pivot = min(using, key=lambda row: (len(rows[row]), row))
            entries, total = rows[pivot], totals[pivot]
            inverse = pow(entries[column], -1, PRIME)
            for other in entries:
                users[other].discard(pivot)
            for row in sorted(using):
                target = rows[row]
                factor = target[column] * inverse % PRIME
                for other, coefficient in entries.items():
                    entry = (target.get(other, 0) - factor * coefficient) % PRIME
                    if entry:
                        if other not in target:
                            users[other].add(row)
                        target[other] = entry
                    elif other in target:
                        del target[other]
                        users[other].discard(row)
                totals[row] = (totals[row] - factor * total) % PRIME
                if not target and totals[row]:
                    raise Contradiction(row)
                work += len(entries)
            if work > limit:
                raise FillIn(f"gave up after rewriting {work} entries")
            for other in entries:
                if users[other]:
                    heapq.heappush(waiting, (len(users[other]), other))
            done[column] = True
            order.append(
                (
                    column,
                    {other: entry * inverse % PRIME for other, entry in entries.items()},
                    total * inverse % PRIME,
                )
            )
        return cls(unknowns, order)

    def null_vector(self, seed: int) -> list[int]:
        """A solution of the homogeneous system, drawn at random from all solutions modulo the prime."""
        draw = random.Random(seed)
        pivots = {column for column, _, _ in self.order}
        vector = [0 if column in pivots else draw.randrange(1, PRIME) for column in range(self.unknowns)]
        for column, entries, _ in reversed(self.order):
            vector[column] = -sum(entry * vector[other] for other, entry in entries.items() if other != column) % PRIME
        return vector

    def solution(self) -> list[int]:
        """The solution in which every free unknown is zero, lifted to whole numbers of absolute value below
        2**60.
        """
        vector = [0] * self.unknowns
        for column, entries, total in reversed(self.order):
            vector[column] = (total - sum(entry * vector[other] for other, entry in entries.items())) % PRIME
        return [entry - PRIME if entry > PRIME // 2 else entry for entry in vector]


def determined(
    matrix: sp.csr_matrix, right: Sequence[int] | None = None, seed: int = 1
) -> tuple[np.ndarray, list[int]]:
    """Unknowns fixed by ``matrix @ y = right``, as a mask, and one solution (where the mask holds, the only
    one).

    Arguments and errors as for ``Reduced.of``; ``seed`` is that of the random solution.
    """
    reduced = Reduced.of(matrix, right)
    return np.array([entry == 0 for entry in reduced.null_vector(seed)], dtype=bool), reduced.solution()
