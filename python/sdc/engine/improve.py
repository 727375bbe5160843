"""Make a safe pattern cheaper without making it unsafe, within a fixed amount of work.

What is superfluous is published again, and small integer programs over the cells that the linear relaxation finds
cheapest look for better patterns: the exact method, stopped early. The work is counted in linear programs, never in
time, so that the result does not depend on the machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sdc.engine.cutting import incumbent
from sdc.engine.cutting.block import Target, blocks_of
from sdc.engine.cutting.proofs import Proofs
from sdc.engine.cutting.solver import SolverError
from sdc.engine.insiders import Insider
from sdc.engine.optimal import OptimalResult, Search, solve
from sdc.engine.system import System

# Linear programs for one call: some seconds where relations are few, as in two-way tables of some thousand cells.
WORK = 2000
# Larger blocks are left as they are.
LARGEST = 4000


def improve(
    system: System,
    suppressed: np.ndarray,
    insiders: Sequence[Insider] = (),
    *,
    pinning: bool = True,
    work: int = WORK,
    window: np.ndarray | None = None,
    movements: Sequence[np.ndarray] = (),
    keep: np.ndarray | None = None,
    largest: int = LARGEST,
) -> np.ndarray:
    """A pattern (mask [n]) that is no dearer than the safe pattern `suppressed` and as safe.

    Args:
        insiders, pinning: as for `solve`.
        work: linear programs, about, for the whole call.
        window: mask [n] of the cells that may change; the others are as constants to the attacker. None: all cells.
        movements: with a window, the displacements (arrays of the cells that they move) that prove the pattern safe,
            to everybody. Those across the edge of the window stay possible, and so do those of cells in it whose
            protection the window alone does not give.
        keep: mask [n] of secondaries that must stay.
        largest: blocks of more cells are left as they are.

    A block where the pattern is not safe, or the solver fails, is left as it is. The work is shared among the blocks.
    """
    result = suppressed | system.primary
    keep = np.zeros(system.n, bool) if keep is None else keep
    if window is not None:
        keep = keep | _held(system.n, movements, ~window)
    movable = result | system.candidate
    movable = movable if window is None else movable & window
    blocks = blocks_of(system, movable, insiders, pinning=pinning, largest=largest)
    for number, block in enumerate(blocks):
        start = result[block.cells]
        proofs = Proofs(block, start)
        failing = np.zeros(system.n, bool)
        try:
            failing[block.cells[[target.cell for target in _open(proofs)]]] = True
        except SolverError:
            continue
        work -= proofs.work
        if failing.any() and window is None:
            continue
        held = keep | _held(system.n, movements, failing)
        kept = block.primary | (start & held[block.cells])
        looked_after = [
            tuple(target for target in targets if not failing[block.cells[target.cell]])
            for targets in (block.targets, block.secondary_targets)
        ]
        block = replace(block, primary=kept, targets=looked_after[0], secondary_targets=looked_after[1])
        search = Search(block, work=max(work, 0) // (len(blocks) - number))
        if not failing.any() and np.array_equal(kept, proofs.block.primary):
            # The same question: what was proven of the start is not proven again, nor counted again.
            search.take_over(proofs)
        try:
            search.run(start)
        except (SolverError, incumbent.Unprotectable):
            pass
        work -= search.worked
        if search.best is not None and search.best_cost < block.cost[start & ~kept].sum():
            result[block.cells] = search.best
    return result


def _open(proofs: Proofs) -> list[Target]:
    """Targets that the pattern leaves open to somebody."""
    both = [proofs.open(primary=primary) for primary in (True, False)]
    return [proofs.targets[i] for i in np.concatenate(both) if proofs.ask(int(i), one=True)]


def _held(size: int, movements: Sequence[np.ndarray], touching: np.ndarray) -> np.ndarray:
    """Mask of the cells of all movements that move a cell of the mask `touching`."""
    out = np.zeros(size, bool)
    for cells in movements:
        if touching[cells].any():
            out[cells] = True
    return out


def solve_components(
    system: System,
    suppressed: np.ndarray,
    insiders: Sequence[Insider] = (),
    *,
    pinning: bool = True,
    work: int | None = WORK,
    time_limit: float | None = None,
    largest: int | None = LARGEST,
) -> OptimalResult:
    """The optimum of every component of movable cells for which `work` linear programs suffice; None: of every one.

    Elsewhere it is the best pattern found from the safe pattern `suppressed`, never dearer than it; `proven` says
    whether all components are optimal, and `bound` how good the whole is at least. No limit makes it unsafe, and
    nothing is raised: what no search improves stays as it is.
    """
    limits = {"work": work, "time_limit": time_limit, "largest": largest}
    return solve(system, start=suppressed, audited=True, insiders=insiders, pinning=pinning, **limits)
