"""Suppression against unions: a sum of suppressed cells that fails the rules is protected as a cell of its own.

Relations that give an unsafe union away by themselves are widened by a cell before anything else is done. Each union
met joins the system as a suppressed primary with a relation to its members and with the level the rules ask of it, and
is protected like any other primary, by whatever is cheapest: a further cell in its relation, or one that keeps the sum
from following. Tau-Argus protects sums of singletons in the same way. What follows through several relations is looked
for in the pattern that results, and kept from following by further cells: those take nothing from what is proven.
Where that does not do, the unions found join the system too, in a further round.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from sdc.engine import elimination
from sdc.engine.attackers.unions import Unions, unsafe_unions
from sdc.engine.closing import MANY, close
from sdc.engine.errors import EngineError, named
from sdc.engine.fixpoint import local_fixpoint
from sdc.engine.pattern import Pattern
from sdc.engine.repair import Repairer
from sdc.engine.rules import Judge
from sdc.engine.system import PRIMARY, System
from sdc.engine.view import View

# Rounds of suppression and search for unions; each can only add unions.
ROUNDS = 30
# Coefficients that differ by less are equal.
ROUNDING = 1e-9
# Many unions are moved by the vectors of a basis as long as that leaves less than this part of them.
GAIN = 0.7
# The part of the unions, about, that are moved before prices are looked at again.
SHARE = 0.25
# Times that a cheaper pattern with unsafe unions of its own is taken up.
IMPROVED = 3


def suppress_with_unions(
    system: System,
    judge: Judge,
    protect: Callable[[System], Pattern],
    cheaper: Callable[[System, np.ndarray], np.ndarray],
    safe: Callable[[Pattern], bool],
) -> np.ndarray:
    """Mask [n] of a safe pattern without unsafe unions, as far as the search for them goes in an audit.

    `protect` makes the pattern of a system safe, `cheaper` a safe pattern (mask of its cells) cheaper, and `safe` tells
    whether a pattern is. Raises EngineError naming the members of unions that nothing protects.
    """
    pattern = Pattern(system)
    unions = _prevented(pattern, judge)
    start, best, tried = pattern.suppressed, None, 0
    for _ in range(ROUNDS):
        try:
            protected = protect(with_unions(system.with_suppressed(start), unions))
            start, unions, done = _reinforced(system, protected, unions, judge, safe)
        except EngineError as error:
            raise _in_members(error, system, unions) from None
        if not done:
            continue
        best, tried = start, tried + 1
        joint = with_unions(system.with_suppressed(start), unions)
        better = cheaper(joint, np.append(start, np.ones(len(unions), dtype=bool)))[: system.n]
        if np.array_equal(better, start):
            return start
        found = _and_further(unions, system, better, judge)
        if len(found) == len(unions):
            return better
        if tried == IMPROVED:
            return best
        start, unions = better, found
    if best is not None:
        return best
    bad = system.cell_id[np.unique(unions.member.indices)]
    raise EngineError(f"suppress: sums of cells {named(bad)}: no suppression found protects them", cells=bad)


def _reinforced(
    system: System, protected: Pattern, unions: Unions, judge: Judge, safe: Callable[[Pattern], bool]
) -> tuple[np.ndarray, Unions, bool]:
    """The cells of a safe pattern and further ones that keep sums from following: (mask [n], the unions and those met,
    whether this is a safe pattern without unsafe unions).

    Further cells take nothing from what is proven. They do not help where unions ask for levels.
    """
    pattern = Pattern(system, protected.suppressed[: system.n])
    pattern.add_points(_within(protected.points, system.n))
    met, before, among = unions, pattern.suppressed.copy(), None
    last = np.inf
    for _ in range(ROUNDS):
        found, _ = unsafe_unions(system, pattern.suppressed, judge, every=False, among=among)
        if len(found) == 0:
            pattern.publish_exact()
            same = np.array_equal(pattern.suppressed, before)
            return pattern.suppressed, met, same or safe(pattern)
        met = met.and_new(found)
        if found.level.max() > 0:
            break
        if among is None and not judge.rules.concentration:
            # A sum that a later pattern gives away is, but for cells hidden since, made of sums that this one does.
            among = ~before | (judge.statistics.contributors == 0)
            among[found.member.indices] = True
        # Programs are for few.
        if len(found) >= MANY and len(found) < last * GAIN:
            last = len(found)
            if _moved(pattern, found):
                continue
        found = _minimal(found)
        joint = Pattern(with_unions(system.with_suppressed(pattern.suppressed), found))
        try:
            close(joint, Repairer(joint), ())
        except EngineError as error:
            raise _in_members(error, system, found) from None
        pattern.suppress(np.flatnonzero(joint.suppressed[: system.n]))
        pattern.add_points(_within(joint.points, system.n))
    return pattern.suppressed, met, False


def _within(points: list[tuple[np.ndarray, np.ndarray]], n: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """What the points do to the first n cells."""
    return [(cells[cells < n], moves[cells < n]) for cells, moves in points]


def _and_further(unions: Unions, system: System, suppressed: np.ndarray, judge: Judge) -> Unions:
    """The unions and the unsafe ones of a pattern that are not among them, which an audit would find."""
    return unions.and_new(unsafe_unions(system, suppressed, judge, every=False)[0])


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


def _moved(pattern: Pattern, unions: Unions) -> bool:
    """Suppress what the cheapest vector moves that moves each union, of a basis of all that may be suppressed.

    A vector's cost is shared by the unions it moves. False where there is no such basis or none that moves a union.
    """
    system = pattern.system
    view = View.paired(system, pattern.suppressed | system.candidate)
    basis = elimination.basis(view.by_relation)
    if basis is None:
        return False
    inside = np.flatnonzero(view.column >= 0)
    tied = sp.csr_matrix((view.ratio[inside], (inside, view.column[inside])), shape=(system.n, view.columns))
    vectors = basis.vectors[:, np.flatnonzero(basis.whole)].astype(float)
    moves = (unions.member @ tied @ vectors).tocoo()
    some = np.abs(moves.data) > ROUNDING
    union, vector = moves.row[some], moves.col[some]
    charge = tied.T.astype(bool).astype(float) @ np.where(pattern.suppressed, 0.0, system.cost)
    support = vectors.astype(bool).astype(float)
    chosen = [vector[:0]]
    while len(union):
        cost = charge @ support
        price = cost[vector] / np.bincount(vector)[vector]
        order = np.lexsort((vector, price, union))
        best = order[np.unique(union[order], return_index=True)[1]]
        # The cheapest first: they may move other unions too, and what they suppress is free for the next.
        best = np.unique(vector[best[price[best] <= np.quantile(price[best], SHARE)]])
        chosen.append(best)
        charge[np.diff(vectors[:, best].indptr) > 0] = 0.0
        left = ~np.isin(union, union[np.isin(vector, best)])
        union, vector = union[left], vector[left]
    chosen = vectors[:, np.concatenate(chosen)].tocsc()
    points = []
    for begin, end in itertools.pairwise(chosen.indptr.tolist()):
        cells, displacement = view.expand(chosen.indices[begin:end], chosen.data[begin:end])
        ascending = np.argsort(cells)
        points.append((cells[ascending], displacement[ascending]))
        pattern.suppress(cells)
    pattern.add_points(points)
    return len(points) > 0


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


def _in_members(error: EngineError, system: System, unions: Unions) -> EngineError:
    """The error with unions named by their members; as it is where it names none."""
    last = int(system.cell_id[-1])
    numbers = [cell - last - 1 for cell in error.cells if cell > last]
    if not numbers:
        return error
    cells = [unions.cells(number) for number in numbers]
    shown = "; ".join(named(system.cell_id[members]) for members in cells[:5])
    more = f" and {len(cells) - 5} more" if len(cells) > 5 else ""
    bad = np.unique(np.concatenate(cells))
    rest = [cell for cell in error.cells if cell <= last]
    return EngineError(
        f"suppress: the sum of cells {shown}{more} fails the rules, and follows or comes too near whatever may be"
        " suppressed; nothing was suppressed; look for frozen and zero cells in their relations",
        cells=[*system.cell_id[bad].tolist(), *rest],
    )
