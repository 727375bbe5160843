"""Suppression against unions: a sum of suppressed cells that fails the rules is protected as a cell of its own.

Relations that give an unsafe union away by themselves are widened by a cell before anything else is done. Each union
met joins the system as a suppressed primary with a relation to its members and with the level the rules ask of it, and
is protected like any other primary, by whatever is cheapest: a further cell in its relation, or one that keeps the sum
from following. Tau-Argus protects sums of singletons in the same way. What follows through several relations is looked
for in the pattern that results, and kept from following by further cells: those take nothing from what is proven. Many
unions are moved by the vectors of bases, few by the cheapest displacement of each; then cells that no union needs any
more are published again. Where that does not do, the unions found join the system too, in a further round.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from sdc.engine import deadlines, elimination
from sdc.engine.attackers.unions import Unions, unsafe_unions
from sdc.engine.audit import Finding
from sdc.engine.circuits import as_points, certify_by_basis, scales_of
from sdc.engine.closing import MANY, close, repair_pairs
from sdc.engine.elimination import Basis
from sdc.engine.errors import EngineError, named
from sdc.engine.fixpoint import local_fixpoint
from sdc.engine.pattern import Pattern
from sdc.engine.repair import Repairer
from sdc.engine.rules import Judge
from sdc.engine.system import PRIMARY, System
from sdc.engine.thin import superfluous
from sdc.engine.view import View

# Rounds of suppression and search for unions; each can only add unions.
ROUNDS = 30
# Coefficients that differ by less are equal.
ROUNDING = 1e-9
# Many unions are moved by vectors: of bases of the cheapest candidates, of these parts of them one after the other, as
# long as so many unions are left.
PARTS = (*np.arange(1, 10) / 10, 0.97)
FEW = 20
# The part of the unions, about, that are moved before prices are looked at again.
SHARE = 0.25
# Columns of the largest neighbourhood in which a proof is looked for that thinning took away.
NEAR = 4000
# Times that a cheaper pattern with unsafe unions of its own is taken up.
IMPROVED = 3


def suppress_with_unions(
    system: System,
    judge: Judge,
    protect: Callable[[System], Pattern],
    cheaper: Callable[[System, np.ndarray], np.ndarray],
    safe: Callable[[Pattern], bool],
    deadline: float | None = None,
    threads: int | None = None,
) -> np.ndarray:
    """Mask [n] of a safe pattern without unsafe unions, as far as the search for them goes in an audit.

    `protect` makes the pattern of a system safe, `cheaper` a safe pattern (mask of its cells) cheaper, and `safe` tells
    whether a pattern is. Raises EngineError naming the members of unions that nothing protects, and when `deadline`
    (time.monotonic) passes before there is such a pattern.
    """
    pattern = Pattern(system)
    unions = _prevented(pattern, judge)
    start, best, tried = pattern.suppressed, None, 0
    for _ in range(ROUNDS):
        try:
            protected = protect(with_unions(system.with_suppressed(start), unions))
            start, unions, done = _reinforced(system, protected, unions, judge, safe, deadline, threads)
        except EngineError as error:
            if best is not None:
                return best
            raise _in_members(error, system, unions, deadline) from None
        if not done:
            continue
        best, tried = start, tried + 1
        joint = with_unions(system.with_suppressed(start), unions)
        better = cheaper(joint, np.append(start, np.ones(len(unions), dtype=bool)))[: system.n]
        if np.array_equal(better, start):
            return start
        found = unsafe_unions(system, better, judge, deadline=deadline, every=False, threads=threads)[0]
        found = unions.and_new(found)
        if deadlines.passed(deadline) or tried == IMPROVED and len(found) > len(unions):
            return best
        if len(found) == len(unions):
            return better
        start, unions = better, found
    if best is not None:
        return best
    bad = system.cell_id[np.unique(unions.member.indices)]
    raise EngineError(f"suppress: sums of cells {named(bad)}: no suppression found protects them", cells=bad)


def close_to_insiders(
    system: System,
    suppressed: np.ndarray,
    judge: Judge,
    examined: Callable[[Pattern], Finding],
    deadline: float | None = None,
    threads: int | None = None,
) -> np.ndarray | None:
    """The pattern `suppressed` with further cells, if need be, so that insiders pin down nothing; None if that fails.

    `examined` audits a pattern against them. No unsafe union follows from the result if none did before.
    """

    def safe(pattern: Pattern) -> bool:
        # The next round examines it.
        return True

    points: list[tuple[np.ndarray, np.ndarray]] = []
    for _ in range(ROUNDS):
        pattern = Pattern(system, suppressed)
        pattern.add_points(points)
        finding = examined(pattern)
        points = pattern.points
        if len(finding.failing) == 0:
            return suppressed
        try:
            repair_pairs(pattern, Repairer(pattern), finding.insiders, deadline, threads)
            again, _, done = _reinforced(system, pattern, Unions.none(system.n), judge, safe, deadline, threads)
        except EngineError:
            return None
        if not done or np.array_equal(again, suppressed):
            return None
        suppressed = again
    return None


def _reinforced(
    system: System,
    protected: Pattern,
    unions: Unions,
    judge: Judge,
    safe: Callable[[Pattern], bool],
    deadline: float | None,
    threads: int | None,
) -> tuple[np.ndarray, Unions, bool]:
    """The cells of a safe pattern and further ones that keep sums from following: (mask [n], the unions and those met,
    whether this is a safe pattern without unsafe unions).

    Further cells take nothing from what is proven, and so some of them can be published again once no sum follows; the
    cells of the safe pattern stay, on which it rests what sums there can be. They do not help where unions ask for
    levels.
    """
    pattern = Pattern(system, protected.suppressed[: system.n])
    pattern.add_points(_within(protected.points, system.n))
    met, before, among, thinned = unions, pattern.suppressed.copy(), None, False
    for _ in range(ROUNDS):
        found, unexamined = unsafe_unions(
            system, pattern.suppressed, judge, deadline=deadline, every=False, among=among, threads=threads
        )
        if unexamined.any() and deadlines.passed(deadline):
            raise _time_ended(system.cell_id[unexamined & system.primary], "sums of cells {} were examined")
        if len(found) == 0 and not thinned and not deadlines.passed(deadline):
            thinned = True
            if _thin(pattern, pattern.suppressed & ~before, met):
                continue
        if len(found) == 0:
            pattern.publish_exact()
            same = np.array_equal(pattern.suppressed, before)
            return pattern.suppressed, met, same or safe(pattern)
        met = met.and_new(found)
        if found.level.max() > 0:
            break
        if among is None and not judge.rules.concentration and not unexamined.any():
            # A sum that a later pattern gives away is, but for cells hidden since, made of sums that this one does.
            among = ~before | (judge.statistics.contributors == 0)
            among[found.member.indices] = True
        # Programs are for few.
        found = _moved(pattern, _minimal(found), deadline) if len(found) >= MANY else _minimal(found)
        if len(found) == 0:
            continue
        joint = Pattern(with_unions(system.with_suppressed(pattern.suppressed), found))
        try:
            close(joint, Repairer(joint), (), deadline=deadline, threads=threads)
        except EngineError as error:
            raise _in_members(error, system, found, deadline) from None
        pattern.suppress(np.flatnonzero(joint.suppressed[: system.n]))
        pattern.add_points(_within(joint.points, system.n))
    return pattern.suppressed, met, False


def _within(points: list[tuple[np.ndarray, np.ndarray]], n: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """What the points do to the first n cells."""
    return [(cells[cells < n], moves[cells < n]) for cells, moves in points]


def with_unions(system: System, unions: Unions) -> System:
    """The system with each union as a suppressed primary of its own, after all other cells."""
    count = len(unions)
    if count == 0:
        return system
    member = unions.member
    new_ids = np.arange(1, count + 1)
    value = member @ system.value
    lower, upper = member @ system.lower, member @ system.upper
    few = np.diff(member.indptr)
    new = {
        "cell_id": int(system.cell_id[-1]) + new_ids,
        "value": value,
        "status": np.full(count, PRIMARY, dtype=system.status.dtype),
        "cost": member @ system.cost,
        "lower": np.minimum(lower, value),
        "upper": np.maximum(upper, value),
        "upl": unions.level,
        "lpl": np.minimum(unions.level, value - lower),
        "spl": np.zeros(count),
        "frozen": np.zeros(count, dtype=bool),
        "integer": member @ system.integer.astype(float) == few,
        "contributor": _common(member, system.contributor),
        "holding": _common(member, system.holding),
    }
    columns = {name: np.concatenate((getattr(system, name), column)) for name, column in new.items()}
    relation_id = np.append(system.relation_id, system.relation_id.max(initial=0) + new_ids)
    matrix = sp.bmat([[system.A, None], [-member, sp.identity(count)]], format="csr")
    matrix.sort_indices()
    return replace(system, relation_id=relation_id, A=matrix, **columns)


def _common(member: sp.csr_matrix, code: np.ndarray) -> np.ndarray:
    """The code that all members of a set have, -1 where they differ: to whom alone a union belongs it is no secret."""
    if member.shape[0] == 0:
        return np.zeros(0, dtype=code.dtype)
    low = np.minimum.reduceat(code[member.indices], member.indptr[:-1])
    return np.where(low == np.maximum.reduceat(code[member.indices], member.indptr[:-1]), low, -1)


def _prevented(pattern: Pattern, judge: Judge) -> Unions:
    """Suppress, in each relation that gives away an unsafe union by itself, its cheapest candidate, repeatedly.

    Returns all unions met on the way; what else they need is for programs to find.
    """
    system, unions = pattern.system, Unions.none(pattern.system.n)
    for _ in range(ROUNDS):
        local_fixpoint(pattern)
        member = _one_sided(system.A @ sp.diags_array(pattern.suppressed.astype(float), format="csr"))
        owner = np.repeat(np.arange(system.m), np.diff(member.indptr))
        level = np.where(np.diff(member.indptr) > 1, judge.levels(owner, member.indices, system.m), -1.0)
        given = np.flatnonzero(level >= 0)
        unions = unions.and_new(Unions(member[given], level[given]))
        if not _widen(pattern, given):
            break
    return unions


def _widen(pattern: Pattern, relations: np.ndarray) -> bool:
    """Suppress the cheapest candidate of each relation, if any: what serves several comes first. Was there one?"""
    system = pattern.system
    matrix = system.A[relations]
    relation, cell = np.repeat(np.arange(len(relations)), np.diff(matrix.indptr)), matrix.indices
    free = (system.candidate & ~pattern.suppressed)[cell]
    relation, cell = relation[free], cell[free]
    serves = np.bincount(cell, minlength=system.n)[cell]
    order = np.lexsort((cell, system.cost[cell] / serves, relation))
    first = np.unique(relation[order], return_index=True)[1]
    pattern.suppress(np.unique(cell[order[first]]))
    return len(first) > 0


def _moved(pattern: Pattern, unions: Unions, deadline: float | None) -> Unions:
    """Suppress what cheap vectors move that move many unions, and record these; returns the unions left.

    A vector of a basis is short, not cheap, so it is one of what is suppressed and of candidates up to some cost, which
    rises. A vector's cost is shared by the unions it moves, and none is taken that costs more than a cell may.
    """
    system = pattern.system
    free = system.cost[system.candidate & ~pattern.suppressed]
    for most in np.unique(np.quantile(free, PARTS)) if len(free) else ():
        if len(unions) < FEW or deadlines.passed(deadline):
            break
        view = View.paired(system, pattern.suppressed | (system.candidate & (system.cost <= most)))
        basis = elimination.basis(view.by_relation)
        if basis is None:
            break
        vectors = _proofs(pattern, view, basis)
        moves = (unions.member @ view.moves @ vectors).tocoo()
        charge = view.moves.T.astype(bool).astype(float) @ np.where(pattern.suppressed, 0.0, system.cost)
        chosen = _chosen(moves, vectors, charge, most)
        points = as_points(view, vectors, chosen)
        for cells, _ in points:
            pattern.suppress(cells)
        pattern.add_points(points)
        moved = moves.row[np.isin(moves.col, chosen) & (np.abs(moves.data) > ROUNDING)]
        left = np.setdiff1d(np.arange(len(unions)), moved)
        unions = Unions(unions.member[left], unions.level[left])
    return unions


def _proofs(pattern: Pattern, view: View, basis: Basis) -> sp.csc_matrix:
    """The vectors of the basis that prove all cells they move."""
    vectors = basis.vectors[:, np.flatnonzero(basis.whole)].tocsc().astype(float)
    inside = np.flatnonzero(view.column >= 0)
    needed = np.zeros(view.columns)
    np.maximum.at(needed, view.column[inside], pattern.needs.step[inside] / np.abs(view.ratio[inside]))
    if vectors.shape[1] == 0:
        return vectors
    scale = np.repeat(np.maximum(*scales_of(view, vectors)), np.diff(vectors.indptr))
    enough = scale * np.abs(vectors.data) >= needed[vectors.indices] * (1 - ROUNDING)
    return vectors[:, np.logical_and.reduceat(enough, vectors.indptr[:-1])]


def _chosen(moves: sp.coo_matrix, vectors: sp.csc_matrix, charge: np.ndarray, most: float) -> np.ndarray:
    """Numbers of vectors that move each union once at least, at no more than `most` a union.

    `moves` is what they do to the unions, `charge` float64[columns] what it costs to suppress the columns.
    """
    some = np.abs(moves.data) > ROUNDING
    union, vector = moves.row[some], moves.col[some]
    support, charge = vectors.astype(bool).astype(float), charge.copy()
    chosen = [np.zeros(0, dtype=np.int64)]
    while len(union):
        price = (charge @ support)[vector] / np.bincount(vector)[vector]
        order = np.lexsort((vector, price, union))
        best = order[np.unique(union[order], return_index=True)[1]]
        best = best[price[best] <= most]
        if len(best) == 0:
            break
        # The cheapest first: they may move other unions too, and what they suppress is free for the next.
        best = np.unique(vector[best[price[best] <= np.quantile(price[best], SHARE)]])
        chosen.append(best)
        charge[np.unique(vectors[:, best].indices)] = 0.0
        left = ~np.isin(union, union[np.isin(vector, best)])
        union, vector = union[left], vector[left]
    return np.concatenate(chosen)


def _thin(pattern: Pattern, added: np.ndarray, unions: Unions) -> bool:
    """Publish those of the cells `added` (mask [n]) that no union and no other cell needs; were there any?

    What is proven stays proven: otherwise if need be, or the cells of the displacement that proves it stay.
    """
    if not added.any():
        return False
    joint = Pattern(with_unions(pattern.system.with_suppressed(pattern.suppressed), unions))
    if joint.space().basis is None:
        return False
    gone = superfluous(joint, (), np.append(added, np.zeros(len(joint.suppressed) - len(added), dtype=bool)))
    suppressed, points, cost = pattern.suppressed.copy(), pattern.points.copy(), pattern.system.cost
    pattern.suppressed[gone] = False
    lost = [point for point in points if not pattern.suppressed[point[0]].all()]
    pattern.forget()
    certify_by_basis(pattern)
    repairer = Repairer(pattern)
    for _ in range(ROUNDS):
        for cell in pattern.unmet().tolist():
            if not repairer.repair(cell, NEAR):
                back = [point for point in lost if cell in point[0]]
                for cells, _ in back:
                    pattern.suppress(cells)
                pattern.add_points(back)
        if len(pattern.unmet()) == 0:
            break
    if len(pattern.unmet()) == 0 and cost[pattern.suppressed].sum() < cost[suppressed].sum():
        return True
    pattern.suppressed[:], pattern.points = suppressed, points
    pattern.recredit()
    return False


def _minimal(unions: Unions) -> Unions:
    """Those that contain no other."""
    shared = (unions.member @ unions.member.T).tocoo()
    size = np.diff(unions.member.indptr)
    contains = (shared.data == size[shared.col]) & (size[shared.row] > size[shared.col])
    kept = np.setdiff1d(np.arange(len(unions)), shared.row[contains])
    return Unions(unions.member[kept], unions.level[kept])


def _one_sided(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """The rows whose stored entries are all the same and not zero, as ones; the others without entries."""
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    low, high = np.full(matrix.shape[0], np.inf), np.full(matrix.shape[0], -np.inf)
    np.minimum.at(low, row, matrix.data)
    np.maximum.at(high, row, matrix.data)
    kept = ((high - low <= ROUNDING) & (low * high > 0))[row]
    return sp.csr_matrix((np.ones(int(kept.sum())), (row[kept], matrix.indices[kept])), shape=matrix.shape)


def _time_ended(cells: np.ndarray, what: str) -> EngineError:
    """The error for time that ended before `what` about these cells (ids)."""
    what = what.format(named(cells))
    return EngineError(f"suppress: the time limit ended before {what}; nothing was suppressed", cells=cells)


def _in_members(error: EngineError, system: System, unions: Unions, deadline: float | None) -> EngineError:
    """The error with unions named by their members; as it is where it names none."""
    last = int(system.cell_id[-1])
    numbers = [cell - last - 1 for cell in error.cells if cell > last]
    if not numbers:
        return error
    cells = [unions.cells(number) for number in numbers]
    bad = system.cell_id[np.unique(np.concatenate(cells))]
    bad = np.concatenate((bad, [cell for cell in error.cells if cell <= last])).astype(np.int64)
    if deadlines.passed(deadline):
        return _time_ended(bad, "sums of cells {} were protected")
    shown = "; ".join(named(system.cell_id[members]) for members in cells[:5])
    more = f" and {len(cells) - 5} more" if len(cells) > 5 else ""
    return EngineError(
        f"suppress: the sum of cells {shown}{more} fails the rules, and follows or comes too near whatever may be"
        " suppressed; nothing was suppressed; look for frozen and zero cells in their relations",
        cells=bad,
    )
