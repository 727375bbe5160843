"""Dives: whole solutions of the master's linear program, visited only for the inequalities that they violate.

A whole optimum of the master problem violates few inequalities, and each costs another integer program. The
attacks that matter are nearly all met on the way down from the linear relaxation to some whole solutions near
it, where a node costs milliseconds. Attacks hold everywhere, so what is found under branching is valid for
all of the master.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from sdc.engine.cutting.master import Master, Row

WHOLE = 1e-6
MOST_ROUNDS = 25
# A round of inequalities at a fractional node must raise its bound by this part to be followed by another.
LEAST_PROGRESS = 1e-3


@dataclass(order=True)
class Node:
    """A subproblem: its parent's objective and the free cells that branching fixed at zero and one."""

    bound: float
    number: int
    zeros: tuple[int, ...] = field(compare=False)
    ones: tuple[int, ...] = field(compare=False)


def dive(
    master: Master,
    nodes: int,
    separate: Callable[[np.ndarray, bool], list[Row]],
    accept: Callable[[np.ndarray], list[Row]],
    cutoff: Callable[[], float],
    late: Callable[[], bool],
) -> None:
    """Visit at most so many nodes: down to a whole solution, then on from the node of least bound.

    `separate(weights, thorough)` returns rows violated at weights [n]; `accept(pattern)` those of a
    whole pattern, none if it is safe. They are added to the master. The master's limits are reset in
    the end.
    """
    heap = [Node(master.objective, 0, (), ())]
    number = 0
    node = None
    for _ in range(nodes):
        if late():
            break
        if node is None:
            if not heap:
                break
            node = heapq.heappop(heap)
        if node.bound >= cutoff():
            node = None
            continue
        branch = _bound(master, node, separate, accept, cutoff)
        if branch is None:
            node = None
            continue
        number += 1
        heapq.heappush(heap, Node(master.objective, number, (*node.zeros, branch), node.ones))
        node = Node(master.objective, 0, node.zeros, (*node.ones, branch))
    free = len(master.free)
    master.limit(np.zeros(free), np.ones(free))


def follow(
    master: Master,
    pattern: np.ndarray,
    separate: Callable[[np.ndarray, bool], list[Row]],
    cutoff: Callable[[], float],
    late: Callable[[], bool],
) -> None:
    """Dive towards a whole `pattern` [n] that is not safe, cell by cell, for what it and its neighbours violate.

    The few inequalities that the pattern itself violates are met by a neighbour at little more cost; those on the way
    are what all of them miss. Arguments as for `dive`.
    """
    free = len(master.free)
    lower, upper = np.zeros(free), np.ones(free)
    cells = np.flatnonzero(pattern[master.free])
    while not late():
        master.limit(lower, upper)
        if not master.relax(cutoff()):
            break
        if master.add_rows(separate(master.weights(), True)):
            continue
        below = cells[master.x[cells] < 1 - WHOLE]
        lower[np.setdiff1d(cells, below)] = 1.0
        if not len(below):
            break
        lower[below[np.argmax(master.x[below])]] = 1.0
    master.limit(np.zeros(free), np.ones(free))


def _bound(master: Master, node: Node, separate, accept, cutoff) -> int | None:
    """Solve a node with inequalities as long as they help; its branching cell, or None if it is finished."""
    lower, upper = np.zeros(len(master.free)), np.ones(len(master.free))
    lower[list(node.ones)] = 1.0
    upper[list(node.zeros)] = 0.0
    if (master.fixed & (lower > 0)).any():
        return None
    master.limit(lower, upper)
    before = -np.inf
    for _ in range(MOST_ROUNDS):
        if not master.relax(cutoff()):
            return None
        weights = master.weights()
        fractional = np.flatnonzero((master.x > WHOLE) & (master.x < 1 - WHOLE))
        if not len(fractional):
            found = separate(weights, True) or accept(weights > 0.5)
            if not found or not master.add_rows(found):
                return None
            continue
        if master.objective < before + LEAST_PROGRESS * abs(before):
            break
        before = master.objective
        if not master.add_rows(separate(weights, False)):
            break
    else:
        return None
    # The first in cell order, not the likeliest: dives that stray from the optimum meet more of the attacks
    # around it.
    return int(fractional[0])
