"""Zero-one programs over tables that add, solved from the totals downwards with backtracking.

A table of three and more dimensions is no network, and neither its relaxation nor branch and bound over all of it ends
in useful time. Its relations have an order, though: a total is decided before its parts (the same for any hierarchies
and linked tables, because only the relations are looked at). Cells of one rank, joined by their relations, form small
groups; each is a program of its own, in which the parts of its cells, not decided yet, may be fractions: so a group is
decided only in a way that its parts can follow, as far as the relaxation tells (relax-and-fix, Dillenberger et al.
1994; the order from totals to parts as in the modular methods of the Handbook on Statistical Disclosure Control, 2nd
ed., section 4.4). Where a group has no solution beside what was decided, neighbouring groups are decided anew together
with it, the smallest first, ever more of them. Every relation among decided cells holds at every moment. Effort is
bounded in columns and nodes, not in time.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from sdc.engine import deadlines
from sdc.engine.mip import FEASIBLE, UNDECIDED, Integral, Program, branch

# Nodes for the program of one group, and the distance from its optimum with which it ends, for each column.
NODES, GAP = 50, 0.02
# Columns of undecided parts beside a group; with more they are not looked at.
AHEAD = 3_000
# A group that has no solution grows by this share at a time, up to this many columns and so many times.
GROWTH, LARGEST, TRIES = 0.5, 12_000, 30
# Columns in all programs of groups that had no solution, for each column of the whole, and at least so many.
WORK, LEAST_WORK = 20, 200_000
# Ranks are followed so far: dimensions times the levels of each.
DEEPEST = 100


def decide_top_down(program: Program, parent: np.ndarray, time_limit: float | None = None) -> Integral:
    """A solution of a program whose columns are 0 or 1 and whose rows are equations; FEASIBLE or UNDECIDED.

    Columns with `upper` 0 are known; they are there for the order of the others. `parent` [m]: the column that is the
    total of the others in a row, -1 where there is none. UNDECIDED names the columns of the group at which it ended.
    """
    kind, merged, parent = _merged(program, parent)
    search = _TopDown(merged, parent, deadlines.after(time_limit))
    stuck = search.run()
    if stuck is not None:
        return Integral(UNDECIDED, columns=np.flatnonzero(np.isin(kind, stuck)))
    x = search.x[kind]
    return Integral(FEASIBLE, x, float(program.cost @ x))


def _merged(program: Program, parent: np.ndarray) -> tuple[np.ndarray, Program, np.ndarray]:
    """The program with columns that a row makes equal (a total over one part) as one: (merged column [n], program,
    parents)."""
    matrix = program.matrix
    n = matrix.shape[1]
    pair = np.flatnonzero((np.diff(matrix.indptr) == 2) & (program.row_upper == 0))
    first, last = matrix.indptr[pair], matrix.indptr[pair] + 1
    equal = matrix.data[first] == -matrix.data[last]
    ends = matrix.indices[first[equal]], matrix.indices[last[equal]]
    count, kind = connected_components(sp.csr_matrix((np.ones(len(ends[0])), ends), shape=(n, n)), directed=False)
    joined = (matrix @ sp.csr_matrix((np.ones(n), (np.arange(n), kind)), shape=(n, count))).tocsr()
    joined.eliminate_zeros()
    joined.sort_indices()
    kept = np.flatnonzero((np.diff(joined.indptr) > 0) | (program.row_upper != 0))
    merged = Program(
        cost=np.bincount(kind, weights=program.cost, minlength=count),
        matrix=joined[kept],
        lower=np.zeros(count),
        upper=(np.bincount(kind, weights=1.0 - program.upper, minlength=count) == 0).astype(float),
        row_lower=program.row_lower[kept],
        row_upper=program.row_upper[kept],
        integer=np.ones(count, dtype=bool),
    )
    return kind, merged, np.where(parent[kept] >= 0, kind[parent[kept]], -1)


class _TopDown:
    """The state of one search: `x` [n], meaningful where `decided` [n], and the groups, numbered in the order of
    decision (`group` [n], -1 where the column is known)."""

    def __init__(self, program: Program, parent: np.ndarray, ends: float | None) -> None:
        self.program, self.ends = program, ends
        self.rows, self.columns = program.matrix, program.matrix.tocsc()
        self.pattern = abs(program.matrix).sign().tocsr()
        n = len(program.cost)
        known = np.flatnonzero(parent >= 0)
        # parts[c]: the rows of which column c is the total
        self.parts = sp.csr_matrix((np.ones(len(known)), (parent[known], known)), shape=(n, self.rows.shape[0]))
        self.rank = _ranks(self.rows, parent)
        self.x = np.zeros(n)
        self.decided = program.upper == 0
        self.group = np.full(n, -1)
        self.members: list[np.ndarray] = []
        self.work = max(LEAST_WORK, WORK * n)

    def run(self) -> np.ndarray | None:
        """Decide every column; None, or the columns of the group that could not be."""
        for rank in range(int(self.rank.max(initial=0)) + 1):
            groups = self.groups(rank)
            for columns in groups:
                self.group[columns] = len(self.members)
                self.members.append(columns)
            for columns in groups:
                if not self.decide(columns) and not self.backtrack(columns):
                    return columns
        return None

    def groups(self, rank: int) -> list[np.ndarray]:
        """The columns of a rank, by the rows that have no undecided column of a later rank."""
        mine = (self.rank == rank) & ~self.decided
        here = np.flatnonzero(mine)
        if not len(here):
            return []
        later = (~self.decided & ~mine).astype(float)
        closing = np.flatnonzero((self.pattern @ later == 0) & (self.pattern @ mine.astype(float) > 0))
        joins = self.pattern[closing][:, here]
        _, label = connected_components(sp.bmat([[None, joins], [joins.T, None]]), directed=False)
        label = label[len(closing) :]
        order = np.argsort(label, kind="stable")
        return [here[part] for part in np.split(order, np.flatnonzero(np.diff(label[order])) + 1)]

    def below(self, columns: np.ndarray) -> np.ndarray:
        """The parts of `columns`, without `columns`."""
        rows = np.unique(self.parts[columns].indices)
        return np.setdiff1d(self.rows[rows].indices, columns)

    def decide(self, columns: np.ndarray) -> bool:
        """Choose `columns` anew beside what else is decided; False, and nothing changed, where that is not found."""
        decided = self.decided.copy()
        decided[columns] = False
        ahead = self.below(columns)
        ahead = ahead[~decided[ahead]]
        chosen = np.concatenate([columns, ahead if len(ahead) <= AHEAD else ahead[:0]])
        inside = np.zeros(len(decided), dtype=bool)
        inside[chosen] = True
        rows = np.unique(self.columns[:, chosen].indices)
        rows = rows[self.pattern[rows] @ (~decided & ~inside).astype(float) == 0]
        needed = self.program.row_upper[rows] - self.rows[rows] @ np.where(inside | ~decided, 0.0, self.x)
        part = self.rows[rows][:, chosen].tocsr()
        part.sort_indices()
        whole = np.arange(len(chosen)) < len(columns)
        found = branch(
            Program(
                cost=self.program.cost[chosen],
                matrix=part,
                lower=np.zeros(len(chosen)),
                upper=np.ones(len(chosen)),
                row_lower=needed,
                row_upper=needed,
                integer=whole,
            ),
            NODES,
            gap=max(0.5, GAP * len(chosen)),
            seconds=deadlines.left(self.ends),
        ).x
        if found is None:
            return False
        # The solver's rows hold up to its tolerance; rows of whole numbers must hold exactly.
        found = np.where(whole, np.round(found), found)
        only = np.diff(part[:, len(columns) :].indptr) == 0
        if (part[only] @ found != needed[only]).any():
            return False
        self.x[columns] = found[: len(columns)]
        self.decided[columns] = True
        return True

    def backtrack(self, columns: np.ndarray) -> bool:
        """Decide `columns` together with ever more of the decided groups around them."""
        for _ in range(TRIES):
            grown = self.grown(columns)
            self.work -= len(grown)
            over = deadlines.passed(self.ends)
            if len(grown) == len(columns) or len(grown) > LARGEST or self.work < 0 or over:
                return False
            columns = grown
            if self.decide(columns):
                return True
        return False

    def grown(self, columns: np.ndarray) -> np.ndarray:
        """`columns` and the smallest of the decided groups that share a row with them or with their parts."""
        ahead = np.union1d(columns, self.below(columns))
        near = np.unique(self.rows[np.unique(self.columns[:, ahead].indices)].indices)
        near = np.setdiff1d(near[self.decided[near] & (self.group[near] >= 0)], columns)
        around = [self.closed(self.members[group]) for group in np.unique(self.group[near])]
        # Later groups first among equals: they have fewer parts below them.
        around = [each for _, _, each in sorted((len(np.setdiff1d(a, columns)), -i, a) for i, a in enumerate(around))]
        target = len(columns) + max(30, int(GROWTH * len(columns)))
        for each in around:
            columns = np.union1d(columns, each)
            if len(columns) >= target:
                break
        return self.closed(columns)

    def closed(self, columns: np.ndarray) -> np.ndarray:
        """`columns` with all decided parts below them: a total cannot change without its parts."""
        while True:
            below = self.below(columns)
            below = below[self.decided[below] & (self.group[below] >= 0)]
            if not len(below):
                return np.unique(columns)
            columns = np.union1d(columns, below)


def _ranks(rows: sp.csr_matrix, parent: np.ndarray) -> np.ndarray:
    """The longest way from a column without a total down to each column [n]; in a circle any number.

    The ranks are only the order in which groups are decided: any order gives true solutions.
    """
    n = rows.shape[1]
    of = np.repeat(parent, np.diff(rows.indptr))
    edge = (of >= 0) & (of != rows.indices)
    total, part = of[edge], rows.indices[edge]
    rank = np.zeros(n, dtype=np.int64)
    for _ in range(DEEPEST):
        higher = rank.copy()
        np.maximum.at(higher, part, rank[total] + 1)
        if (higher == rank).all():
            break
        rank = higher
    return rank
