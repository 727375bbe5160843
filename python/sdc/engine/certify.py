"""Prove many cells protected at once: linear programs over blocks of columns, everything outside held fixed.

A displacement found inside a block is a displacement of the whole table, so blocks can only miss proofs, never invent
them. Each program moves as many unproven cells as it can as far as they need; what one block cannot prove is tried
again as the centre of a block of its own.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from sdc.engine import deadlines, lp
from sdc.engine.neighbourhood import grow, peel
from sdc.engine.parallel import in_threads
from sdc.engine.pattern import Pattern
from sdc.engine.view import View

# How far a column may move in a block, in units of the block's largest wanted displacement.
REACH = 8.0
# (size, centred) of the rounds: the first cover the table, in large blocks where bounds are narrow and displacements
# reach far; the later ones give one cell the weight of all others.
ROUNDS = ((1000, False), (300, False), (3000, False), (8000, False), (100, True), (400, True), (4000, True))
COVER = ROUNDS[:2]
# Programs per block that has no centre.
TURNS = 6
PROJECTION_STEPS = 20
# Blocks solved before what they proved is put together.
BATCH = 8


def signs(matrix: sp.csr_matrix, seed: int) -> np.ndarray:
    """A random vector roughly projected on the null space: columns that can move together get fitting signs.

    Conjugate gradients on the normal equations of `min |matrix.T @ y - vector|`, stopped early.
    """
    vector = np.random.default_rng(seed).standard_normal(matrix.shape[1])
    transposed = matrix.T.tocsr()
    residual = vector
    gradient = matrix @ residual
    direction = gradient
    norm = float(gradient @ gradient)
    for _ in range(PROJECTION_STEPS):
        if norm <= 1e-20:
            break
        image = transposed @ direction
        step = norm / float(image @ image)
        residual = residual - step * image
        gradient = matrix @ residual
        before, norm = norm, float(gradient @ gradient)
        direction = gradient + (norm / before) * direction
    return residual


def open_columns(
    pattern: Pattern, view: View, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Columns with an unmet cell and what they want (above, below, either), in units of the column."""
    cells, owner = view.members(columns)
    unmet = ~pattern.met(cells)
    cells, owner = cells[unmet], owner[unmet]
    above, below, either = pattern.needs.open_sides(pattern.up[cells], pattern.down[cells], cells)
    ratio = view.ratio[cells]
    size = np.abs(ratio)
    above, below = np.where(ratio > 0, above, below) / size, np.where(ratio > 0, below, above) / size
    which, position = np.unique(owner, return_inverse=True)
    wants = []
    for side in (above, below, either / size):
        most = np.zeros(len(which))
        np.maximum.at(most, position, side)
        wants.append(most)
    return columns[which], *wants


def certify_block(pattern: Pattern, view: View, columns: np.ndarray, centre: int | None = None) -> None:
    """Look for displacements of `columns` that meet unmet needs; with a `centre` that column's before all others'."""
    columns = peel(view, columns)
    if len(columns) == 0 or (centre is not None and centre not in columns):
        return
    matrix = view.local(columns)[1]
    by_column = matrix.tocsc()
    left = None
    for attempt in range(2 if centre is not None else TURNS):
        wants = open_columns(pattern, view, columns)
        if len(wants[0]) == 0 or len(wants[0]) == left or (centre is not None and centre not in wants[0]):
            return
        if attempt > 0:
            left = len(wants[0])
        if attempt > 1:
            chosen = apart(by_column[:, np.searchsorted(columns, wants[0])], attempt)
            wants = tuple(want[chosen] for want in wants)
        point = _widest(view, columns, matrix, wants, attempt, centre)
        if point is None or not pattern.add_point(*view.expand(columns, point)):
            return


def apart(matrix: sp.csc_matrix, turn: int) -> np.ndarray:
    """Indices of columns no two of which share a row: those first, in a random order of the turn, in all their rows.

    Cells of one relation that can all move in one direction only get in each other's way when asked together.
    """
    rank = np.random.default_rng(turn).permutation(matrix.shape[1])
    owner = np.repeat(np.arange(matrix.shape[1]), np.diff(matrix.indptr))
    first = np.full(matrix.shape[0], matrix.shape[1])
    np.minimum.at(first, matrix.indices, rank[owner])
    beaten = np.zeros(matrix.shape[1], dtype=bool)
    beaten[owner[first[matrix.indices] < rank[owner]]] = True
    return np.flatnonzero(~beaten)


def _widest(
    view: View,
    columns: np.ndarray,
    matrix: sp.csr_matrix,
    wants: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    attempt: int,
    centre: int | None,
) -> np.ndarray | None:
    """Feasible displacement of `columns` that maximises the sum of capped, relative displacements of open ones.

    Columns with levels ask for a displacement whose opposite is feasible too, which proves both sides at once; should
    that have failed (`attempt` > 0) one side is asked for. Columns that are merely exact take either side.
    """
    open_, above, below, either = wants
    where = np.searchsorted(columns, open_)
    room_up, room_down = view.room_up[columns], view.room_down[columns]
    levels = (above > 0) | (below > 0)
    if levels.any() and attempt == 0:
        room_up = room_down = np.minimum(room_up, room_down)
    sign = np.where(signs(matrix, attempt)[where] >= 0, 1.0, -1.0)
    if attempt > 0:
        if centre is not None:
            sign[np.searchsorted(open_, centre)] *= -1.0
        sign = np.where(levels & (below == 0), 1.0, sign)
        sign = np.where(levels & (above == 0), -1.0, sign)
    sign = np.where(~levels & (room_down[where] < either), 1.0, sign)
    sign = np.where(~levels & (room_up[where] < either), -1.0, sign)
    wanted = np.where(levels, np.where(sign > 0, above, below), either)
    wanted = np.where(wanted > 0, wanted, np.maximum.reduce((above, below, either)))
    scale = float(wanted.max())
    wanted = wanted / scale
    weight = np.ones(len(open_))
    if centre is not None:
        weight[np.searchsorted(open_, centre)] = len(open_)
    uniform = centre is None and attempt < 2 and bool((wanted == wanted[0]).all()) and not levels.any()
    reach = 1.0 if uniform else REACH
    upper = np.minimum(room_up / scale, reach)
    lower = -np.minimum(room_down / scale, reach)
    cost = np.zeros(len(columns))
    if uniform:
        cost[where] = -sign
        solution = lp.minimise(cost, matrix, lower, upper)
        return None if solution.x is None else solution.x * scale
    # A displacement is a rewarded part, from the far bound up to what is wanted, plus an unrewarded rest beyond it.
    forward = sign > 0
    part = np.minimum(wanted, np.where(forward, upper[where], -lower[where]))
    rest_upper, rest_lower = upper.copy(), lower.copy()
    rest_upper[where] = np.where(forward, upper[where] - part, 0.0)
    rest_lower[where] = np.where(forward, 0.0, lower[where] + part)
    solution = lp.minimise(
        np.concatenate((cost, -sign * weight / wanted)),
        sp.hstack((matrix, matrix[:, where]), format="csr"),
        np.concatenate((rest_lower, np.where(forward, lower[where], -part))),
        np.concatenate((rest_upper, np.where(forward, part, upper[where]))),
    )
    if solution.x is None:
        return None
    point = solution.x[: len(columns)]
    point[where] += solution.x[len(columns) :]
    return point * scale


def certify(
    pattern: Pattern,
    view: View,
    rounds: tuple[tuple[int, bool], ...] = ROUNDS,
    *,
    deadline: float | None = None,
    threads: int | None = None,
) -> np.ndarray:
    """Prove what blocks can prove; returns the cells still unmet, ascending.

    `view` holds the classes of the pattern's suppressed cells. After `deadline` (time.monotonic) no further block is
    begun. Blocks are solved BATCH at a time, whatever the number of threads, so that the result is always the same.
    """
    done = 0
    for size, centred in rounds:
        # A second cover of blocks that are whole components would only repeat the first.
        if not centred and min(size, done) >= view.columns > 0:
            continue
        done = max(done, size)
        seeds = np.unique(view.column[pattern.unmet()])
        visited = np.zeros(view.columns, dtype=bool)
        batch: list[tuple[np.ndarray, int | None]] = []
        for column in seeds[seeds >= 0]:
            if visited[column] or pattern.met(view.members(np.array([column]))[0]).all():
                continue
            if deadlines.passed(deadline):
                break
            block = grow(view, int(column), size)
            visited[column if centred else block] = True
            batch.append((block, int(column) if centred else None))
            if len(batch) == BATCH:
                _certify_batch(pattern, view, batch, threads)
                batch = []
        _certify_batch(pattern, view, batch, threads)
        if deadlines.passed(deadline):
            break
    return pattern.unmet()


def _certify_batch(
    pattern: Pattern, view: View, batch: list[tuple[np.ndarray, int | None]], threads: int | None
) -> None:
    """Solve blocks side by side, each with what was proven before the batch, and record what they prove."""

    def solve(item: tuple[np.ndarray, int | None]) -> list[tuple[np.ndarray, np.ndarray]]:
        ahead = pattern.shadow()
        certify_block(ahead, view, *item)
        return ahead.points

    for points in in_threads(solve, batch, threads):
        pattern.record(points)
