"""Repair many pairs at once: their neighbourhoods side by side, as blocks of one linear program.

A program of one neighbourhood is solved faster than it is put together. Blocks share nothing, so the optimum of all is
the optimum of each, found from the charges as they were before; pairs that lie far apart are best taken together.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from sdc.engine import lp
from sdc.engine.neighbourhood import Growth
from sdc.engine.parallel import in_threads
from sdc.engine.pattern import NOISE
from sdc.engine.repair import MOVE, PASSES, Repairer
from sdc.engine.view import View, gather

# Blocks of a program, and programs solved side by side.
BLOCKS = 16
PROGRAMS = 2
TOGETHER = BLOCKS * PROGRAMS

Pair = tuple[int, np.ndarray]


def repair_many(repairer: Repairer, pairs: list[Pair], size: int, threads: int | None = None) -> list[Pair]:
    """Suppress what keeps each pair's cell from being exact to who knows its cells; returns the pairs left open.

    Only the neighbourhood of `size` columns of each is looked into.
    """
    pattern, charge = repairer.pattern, repairer.charge()
    parts = [pairs[begin : begin + BLOCKS] for begin in range(0, len(pairs), BLOCKS)]
    found = in_threads(lambda part: _displacements(repairer, part, size, charge), parts, threads)
    points, asked, left = [], [], []
    for pair, point in zip(pairs, (point for part in found for point in part), strict=True):
        if point is None:
            left.append(pair)
        elif not any(serves(*pair, set(cells.tolist())) for cells, _ in points):
            points.append(point)
            asked.append(pair)
    if not points:
        return left
    cells = np.unique(np.concatenate([cells for cells, _ in points]))
    new = cells[~pattern.suppressed[cells]]
    pattern.suppress(new)
    good = pattern.add_points(points)
    if not good.all():
        used = np.zeros(len(pattern.suppressed), dtype=bool)
        for point, holds in zip(points, good.tolist(), strict=True):
            used[point[0]] |= holds
        pattern.suppressed[new[~used[new]]] = False
        left += [pair for pair, holds in zip(asked, good.tolist(), strict=True) if not holds]
    return left


def serves(cell: int, known: np.ndarray, moved: set[int]) -> bool:
    """Does a displacement of the cells `moved` keep `cell` from being exact to who knows the cells `known`?"""
    return cell in moved and moved.isdisjoint(known.tolist())


def _displacements(
    repairer: Repairer, pairs: list[Pair], size: int, charge: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray] | None]:
    """For each pair the cheapest displacement found, as (cells ascending, displacement), or None."""
    view = repairer.view
    seeds = view.column[[cell for cell, _ in pairs]]
    amounts = np.array([repairer.amount(cell) for cell, _ in pairs])
    able = np.flatnonzero((seeds >= 0) & (amounts != 0))
    out: list[tuple[np.ndarray, np.ndarray] | None] = [None] * len(pairs)
    if len(able) == 0:
        return out
    seeds, amounts = seeds[able], amounts[able]
    owner, column = Growth(view, seeds, charge, _middles(view, seeds, charge)).to(size)
    held = np.zeros(len(owner), dtype=bool)
    for number, at in enumerate(able.tolist()):
        begin, end = np.searchsorted(owner, (number, number + 1))
        held[begin:end] = np.isin(column[begin:end], view.column[pairs[at][1]])
    owner, column, matrix = _peeled(view, owner[~held], column[~held])
    target = np.full(len(seeds), -1)
    is_target = column == seeds[owner]
    target[owner[is_target]] = np.flatnonzero(is_target)
    displacement = _cheapest(view, owner, column, matrix, charge[column], target, amounts)
    for number, at in enumerate(able.tolist()):
        if target[number] < 0:
            continue
        begin, end = np.searchsorted(owner, (number, number + 1))
        moved = begin + np.flatnonzero(np.abs(displacement[begin:end]) > NOISE)
        if displacement[target[number]] == 0.0:
            continue
        cells, moves = view.expand(column[moved], displacement[moved] * abs(amounts[number]))
        order = np.argsort(cells)
        out[at] = cells[order], moves[order]
    return out


def _middles(view: View, seeds: np.ndarray, charge: np.ndarray) -> np.ndarray:
    """The median charge of what shares a relation with each seed."""
    owner, relation, _ = gather(view.by_column, seeds)
    position, near, _ = gather(view.by_relation, relation)
    owner, near = owner[position][charge[near] > 0], near[charge[near] > 0]
    out = np.ones(len(seeds))
    for number in np.unique(owner).tolist():
        out[number] = np.median(charge[near[owner == number]])
    return out


def _peeled(view: View, owner: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray, sp.csc_matrix]:
    """Those columns of each owner that can move (as `neighbourhood.peel`), with their relations."""
    position, relation, coefficient = gather(view.by_column, column)
    relations, row = np.unique(owner[position] * view.by_relation.shape[0] + relation, return_inverse=True)
    alive = np.ones(len(column), dtype=bool)
    while True:
        live = alive[position]
        alone = live & (np.bincount(row[live], minlength=len(relations))[row] == 1)
        if not alone.any():
            break
        alive[position[alone]] = False
    used, row = np.unique(row[live], return_inverse=True)
    starts = np.append(0, np.cumsum(np.bincount(position[live], minlength=len(column))[alive]))
    matrix = sp.csc_matrix((coefficient[live], row, starts), shape=(len(used), int(alive.sum())))
    return owner[alive], column[alive], matrix


def _cheapest(
    view: View,
    owner: np.ndarray,
    column: np.ndarray,
    matrix: sp.csc_matrix,
    charge: np.ndarray,
    target: np.ndarray,
    amounts: np.ndarray,
) -> np.ndarray:
    """Cheapest displacement of all blocks, in units of their amounts; 0 for blocks whose target cannot move so far.

    As `Repairer` has it, but that a target is not forced to move: it is worth more than its block.
    """
    scale = np.abs(amounts)[owner]
    upper, lower = (np.minimum(room[column] / scale, 1e6) for room in (view.room_up, view.room_down))
    there = target[target >= 0]
    charge = charge.copy()
    charge[there] = 0.0
    least = np.full(len(amounts), np.inf)
    np.minimum.at(least, owner[charge > 0], charge[charge > 0])
    move = MOVE * np.where(np.isfinite(least), least, 1.0)[owner]
    per_unit = charge / np.clip(np.maximum(upper, lower), 1e-9, 1.0)
    worth = 1.0 + np.bincount(owner, weights=per_unit + move, minlength=len(amounts))[owner[there]]
    rising = amounts[owner[there]] > 0
    upper[there], lower[there] = rising, ~rising
    count = len(column)
    program = lp.Program(
        sp.hstack((matrix, -matrix), format="csr"), np.zeros(2 * count), np.concatenate((upper, lower))
    )
    best, totals = np.zeros(count), np.full(len(amounts), np.inf)
    for _ in range(PASSES):
        cost = np.tile(per_unit + move, 2)
        cost[np.where(rising, there, count + there)] -= worth
        solution = program.minimise(cost)
        if solution.x is None:
            break
        displacement = solution.x[:count] - solution.x[count:]
        near = np.round(displacement)
        displacement = np.where(np.abs(displacement - near) < 1e-7, near, displacement)
        size = np.abs(displacement)
        used = size > NOISE
        total = np.bincount(owner, weights=np.where(used, charge, 0.0), minlength=len(amounts))
        reached = np.zeros(len(amounts), dtype=bool)
        reached[owner[there]] = size[there] > 1.0 - NOISE
        better = reached & (total < totals)
        totals[better] = total[better]
        best = np.where(better[owner], displacement, best)
        several = np.bincount(owner, weights=used & (charge > 0), minlength=len(amounts)) > 1
        if not several.any():
            break
        again = used & several[owner]
        per_unit[again] = charge[again] / np.maximum(size[again], 1e-6)
    return best
