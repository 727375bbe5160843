"""Suppression against unions: a sum of suppressed cells that fails the rules is protected as a cell of its own.

Each unsafe union joins the system as a suppressed primary with a relation to its members and with the level the rules
ask of it. Then it is protected like any other primary, by whatever is cheapest: a further cell in its relation, or one
that keeps the sum from following. Larger unions that fail in turn join in the next round. tau-Argus protects sums of
singletons in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from sdc.engine.attackers.unions import WORK, Unions, unsafe_unions
from sdc.engine.errors import EngineError, named
from sdc.engine.fixpoint import local_fixpoint
from sdc.engine.pattern import Pattern
from sdc.engine.rules import Judge
from sdc.engine.system import PRIMARY, System

# Rounds of suppression and search for unions; each can only add unions.
ROUNDS = 30
# Sets of cells that a round may try; more only when it finds nothing new and did not try all.
ROUND_WORK = WORK // 10
# Times that a cheaper pattern with unsafe unions of its own is taken up.
IMPROVED = 3


def suppress_with_unions(
    system: System,
    judge: Judge,
    protect: Callable[[System], np.ndarray],
    cheaper: Callable[[System, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Mask [n] of a safe pattern without unsafe unions, as far as the search for them goes in an audit.

    `protect` makes a pattern (mask of its cells) safe for a system, `cheaper` a safe pattern cheaper. Raises
    EngineError naming the members of unions that nothing protects.
    """
    pattern = Pattern(system)
    unions = _settled(pattern, judge)
    start, best, tried = pattern.suppressed, None, 0
    for _ in range(ROUNDS):
        joint = with_unions(system.with_suppressed(start), unions)
        try:
            start = protect(joint)[: system.n]
        except EngineError as error:
            raise _in_members(error, system, unions) from None
        found = _and_further(unions, system, start, judge)
        if len(found) > len(unions):
            unions = found
            continue
        best, tried = start, tried + 1
        better = cheaper(joint, np.append(start, np.ones(len(unions), dtype=bool)))[: system.n]
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


def _and_further(unions: Unions, system: System, suppressed: np.ndarray, judge: Judge) -> Unions:
    """The unions and the unsafe ones of a pattern that are not among them: at least one, if an audit finds any."""
    found, unexamined = unsafe_unions(system, suppressed, judge, ROUND_WORK)
    more = unions.and_new(found)
    if len(more) == len(unions) and unexamined.any():
        more = unions.and_new(unsafe_unions(system, suppressed, judge)[0])
    return more


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


def _settled(pattern: Pattern, judge: Judge) -> Unions:
    """Suppress, in each relation that gives away an unsafe union without a level, its cheapest candidate, repeatedly.

    Returns all unions met on the way; what else they need is for programs to find.
    """
    system = pattern.system
    relation = np.repeat(np.arange(system.m), np.diff(system.A.indptr))
    unions = Unions.none(system.n)
    for _ in range(ROUNDS):
        local_fixpoint(pattern)
        found, _ = unsafe_unions(system, pattern.suppressed, judge, ROUND_WORK)
        unions = unions.and_new(found)
        plain = found.member[np.flatnonzero(found.level == 0.0)]
        # A relation gives a union away if its suppressed cells are the union's.
        hidden = pattern.suppressed[system.A.indices]
        count = np.bincount(relation[hidden], minlength=system.m)
        common = (plain @ (system.A @ sp.diags(pattern.suppressed.astype(float)) != 0).T.astype(float)).tocoo()
        gives = (common.data == count[common.col]) & (common.data == np.diff(plain.indptr)[common.row])
        open_ = np.zeros(system.m, dtype=bool)
        open_[common.col[gives]] = True
        free = open_[relation] & (system.candidate & ~pattern.suppressed)[system.A.indices]
        entry = np.flatnonzero(free)
        if len(entry) == 0:
            return unions
        cell = system.A.indices[entry]
        # What serves several relations comes first.
        serves = np.bincount(cell, minlength=system.n)[cell]
        order = np.lexsort((cell, system.cost[cell] / serves, relation[entry]))
        first = np.unique(relation[entry][order], return_index=True)[1]
        pattern.suppress(np.unique(cell[order[first]]))
    return unions


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
