"""What insiders pin down by bounds: primaries with one possible value for a contributor who knows its own cells.

What an insider computes from the relations alone is found by `insiders`, in systems of any size. Bounds and whole
numbers need linear programs, one insider at a time; they are solved block by block, smallest blocks first, within a
fixed amount of work. Blocks beyond it are reported as not looked into, and stand on the test of the relations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdc.engine.cutting.block import Block, blocks_of, with_insiders
from sdc.engine.cutting.proofs import Proofs
from sdc.engine.cutting.solver import SolverError
from sdc.engine.insiders import Insider, Insiders, each_insider
from sdc.engine.system import System

# Blocks of more suppressed cells are not looked into.
LARGEST = 400
# Linear programs, about, over all blocks of a system; no further block is begun after these.
WORK = 5_000


@dataclass(frozen=True)
class Pinned:
    """A primary `cell` that the insider who knows the cells `known` pins down; `attacker` numbers his kind."""

    cell: int
    attacker: int
    known: np.ndarray


def pinned(
    system: System, suppressed: np.ndarray, attackers: tuple[Insiders, ...], work: int = WORK
) -> tuple[list[Pinned], np.ndarray]:
    """Findings, ordered by cell, and a mask [n] of suppressed cells in blocks that were not looked into."""
    who, kind = [], []
    for number, insiders in enumerate(attackers):
        more = each_insider(insiders, suppressed)
        who += more
        kind += [number] * len(more)
    left_out = suppressed.copy()
    if not who:
        return [], ~suppressed & suppressed
    found = []
    blocks = sorted(blocks_of(system, suppressed, largest=LARGEST), key=lambda block: block.n)
    for bare, inside in zip(blocks, _in_blocks(system.n, blocks, who), strict=True):
        if work <= 0:
            break
        left_out[bare.cells] = False
        # With room on both sides of every cell, and no whole numbers, the relations say it all.
        roomy = not system.integer[bare.cells].any() and (np.minimum(bare.up, bare.down) > 0).all()
        if not inside or roomy:
            continue
        block = with_insiders(system, bare, [who[place] for place in inside])
        proofs = Proofs(block, np.ones(block.n, dtype=bool))
        try:
            failures = proofs.failures(primary=True)
        except SolverError:
            left_out[bare.cells] = True
            continue
        work -= proofs.work
        for target, _ in failures:
            if target.insider is not None:
                place = inside[target.insider]
                found.append(Pinned(int(block.cells[target.cell]), kind[place], who[place].known))
    return sorted(found, key=lambda each: (each.cell, each.attacker, int(each.known[0]))), left_out


def _in_blocks(n: int, blocks: list[Block], who: list[Insider]) -> list[list[int]]:
    """For each block the positions in `who` of the insiders who know a cell in it."""
    number = np.full(n, -1, dtype=np.int64)
    for place, block in enumerate(blocks):
        number[block.cells] = place
    inside: list[list[int]] = [[] for _ in blocks]
    for place, insider in enumerate(who):
        for block in np.unique(number[insider.known]).tolist():
            if block >= 0:
                inside[block].append(place)
    return inside
