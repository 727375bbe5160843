"""Why each cell is suppressed: for a secondary the primaries it protects, for a primary its margin.

What an output checker asks of a pattern: which primaries would become unsafe if this secondary were
published, through which relation, and how much closer than its protection level could an attacker come before
a primary is unsafe. The answers are found by the attacker's linear programs of Fischetti and Salazar-González
(2001), block by block of cells that are linked through relations with other suppressed cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sdc.engine.cutting.attacker import Attack, Attacker, reached
from sdc.engine.cutting.block import Block, Target, blocks_of, with_insiders
from sdc.engine.cutting.solver import SolverError
from sdc.engine.errors import EngineError, named
from sdc.engine.insiders import Insider
from sdc.engine.needs import TOLERANCE
from sdc.engine.system import SAFE, STATUS_NAMES, System

EXAMINED, LINKED = "examined", "linked"
# Blocks with more suppressed cells than this are explained by their links only.
MOST_CELLS = 400
# Linear programs after which the blocks that remain (the larger ones) are explained by their links only.
MOST_PROGRAMS = 20_000
# Primaries named for a cell that is explained by its links only: a long relation says no more with all of them.
MOST_LINKED = 5

SCHEMA = pa.schema(
    [
        ("cell_id", pa.int64()),
        ("status", pa.string()),
        ("basis", pa.string()),
        ("protects", pa.list_(pa.int64())),
        ("relation_id", pa.int64()),
        ("lower", pa.float64()),
        ("upper", pa.float64()),
        ("margin", pa.float64()),
    ]
)


def explain(
    system: System,
    status: np.ndarray | None = None,
    *,
    audit: pa.Table | None = None,
    insiders: Sequence[Insider] = (),
    most_cells: int = MOST_CELLS,
    most_programs: int = MOST_PROGRAMS,
) -> pa.Table:
    """One row for every suppressed cell of the pattern `status` [n] (default: the system's own), ascending by cell.

    Args:
        audit: a table of the engine's `audit()`, whose intervals count where nothing is examined.
        insiders: who know some of the suppressed cells; a primary must not be exact to any of them either, unless it
            is its own.
        most_cells, most_programs: bounds of the work. It is limited by counts, not by time, so the answer is always
            the same.

    Columns:
        cell_id, status: the cell, 'primary' or 'secondary'.
        basis: 'examined' where linear programs over the whole block answered, 'linked' where only the relations were
            looked at: the block has more than `most_cells` cells, or needed more programs than were left.
        protects: for a secondary, ids of primaries, ascending. Examined: exactly the primaries that lose their
            protection, from the outsider or from an insider, if this cell alone is published; none means that the
            primaries do not need the cell. Linked: the first primaries with which it shares the relation named, at most
            `MOST_LINKED`, or else the nearest one. NULL for primaries.
        relation_id: for a secondary, the relation through which: one that contains the cell and one of the primaries it
            protects, the lowest id of these; or else the first on a shortest way to one of them. NULL where `protects`
            is empty.
        lower, upper: for a primary, the outsider's interval: exact where examined, else as in `audit` (NULL without
            one). NULL for secondaries.
        margin: for a primary, by how much the interval exceeds what is asked, in the unit of the cell: the least over
            upl, lpl, spl and not being disclosed exactly; negative: not protected. NULL for secondaries. Where not
            examined, at least this.

    The rows show values that only output checkers may see. Raises EngineError if `status` has the wrong length or
    publishes a primary.
    """
    if status is not None:
        status = np.asarray(status)
        if len(status) != system.n:
            raise EngineError(f"explain: status has {len(status)} entries for {system.n} cells")
        published = system.primary & (status == SAFE)
        if published.any():
            ids = system.cell_id[published]
            raise EngineError(f"explain: the pattern publishes primary cells {named(ids)}", cells=ids)
        system = system.with_suppressed(status != SAFE)
    report = _Report(system, audit)
    left = most_programs
    blocks = blocks_of(system, system.suppressed, largest=most_cells)
    who = np.repeat(np.arange(len(insiders)), [len(insider.known) for insider in insiders])
    what = np.concatenate([np.zeros(0, np.int64), *(insider.known for insider in insiders)])
    order = np.argsort(what, kind="stable")
    who, what = who[order], what[order]
    for block in sorted(blocks, key=lambda block: (block.n, int(block.cells[0]))):
        first, end = np.searchsorted(what, block.cells), np.searchsorted(what, block.cells, side="right")
        inside = sorted({int(i) for a, b in zip(first, end, strict=True) for i in who[a:b]})
        try:
            left -= report.examine(with_insiders(system, block, [insiders[i] for i in inside]), left)
        except SolverError:
            continue  # an explanation less; verdicts are the audit's
    report.link()
    return report.table()


class _Report:
    """Answers per cell of the system while they are collected."""

    def __init__(self, system: System, audit: pa.Table | None) -> None:
        self.system = system
        self.examined = np.zeros(system.n, bool)
        self.lower = np.full(system.n, np.nan)
        self.upper = np.full(system.n, np.nan)
        self.protects: dict[int, list[int]] = {}
        self.relation: dict[int, int] = {}
        if audit is not None:
            audit = audit.filter(pc.is_in(audit["cell_id"], pa.array(system.cell_id)))
            cells = np.searchsorted(system.cell_id, audit["cell_id"].to_numpy())
            self.lower[cells] = audit["lower"].to_numpy()
            self.upper[cells] = audit["upper"].to_numpy()

    def examine(self, block: Block, most: int) -> int:
        """Explain a block by at most about `most` linear programs, or not at all; returns how many it took."""
        demands = _demands(block)
        programs = 2 * (int(block.primary.sum()) + len(demands))
        if programs > most:
            return 0
        attacker = Attacker(block, np.ones(block.n), capped=False)
        # Publishing a cell can only harm demands whose movement, found with all cells, moves it.
        proofs = []
        for target in demands:
            attacks = attacker.attacks(target)
            if reached(target, attacks):
                proofs.append((target, _moving(attacks)))
        harmed: dict[int, set[int]] = {}
        for i in np.flatnonzero(~block.primary).tolist():
            attacker.publish(i)
            harmed[i] = set()
            for target, moving in proofs:
                if i in moving and target.cell not in harmed[i]:
                    programs += 1
                    if programs > most:
                        return programs
                    if not reached(target, attacker.attacks(target)):
                        harmed[i].add(target.cell)
            attacker.suppress(i)
        value = self.system.value[block.cells]
        for i in np.flatnonzero(block.primary):
            self.lower[block.cells[i]] = value[i] - attacker.reach(int(i), -1)
            self.upper[block.cells[i]] = value[i] + attacker.reach(int(i), 1)
        for i, primaries in harmed.items():
            cell = int(block.cells[i])
            self.protects[cell] = block.cells[sorted(primaries)].tolist()
            if primaries:
                self.relation[cell] = int(block.relations[_first_relation(block, i, primaries)])
        self.examined[block.cells] = True
        return programs

    def link(self) -> None:
        """Explain the cells that were not examined by a shortest way to a primary, all at once."""
        system = self.system
        suppressed = np.flatnonzero(system.suppressed)
        columns = system.A.tocsc()
        far = np.iinfo(np.int64).max
        nearest = np.where(system.primary, np.arange(system.n), far)
        entered = np.full(system.n, far)
        owner = np.full(system.m, far)
        frontier = np.flatnonzero(system.primary)
        waiting = system.suppressed & ~system.primary
        while len(frontier) and waiting.any():
            part = columns[:, frontier]
            fresh = owner[part.indices] == far
            rows, via = part.indices[fresh], np.repeat(frontier, np.diff(part.indptr))[fresh]
            np.minimum.at(owner, rows, nearest[via])
            rows = np.unique(rows)
            lines = system.A[rows]
            cells, row = lines.indices, np.repeat(rows, np.diff(lines.indptr))
            new = waiting[cells]
            np.minimum.at(entered, cells[new], row[new])
            frontier = np.unique(cells[new])
            nearest[frontier] = owner[entered[frontier]]
            waiting[frontier] = False
        # A secondary without any way to a primary protects none: known without a linear program.
        self.examined |= waiting
        for cell in suppressed[~system.primary[suppressed] & ~self.examined[suppressed]]:
            row = entered[cell]
            members = system.A.indices[system.A.indptr[row] : system.A.indptr[row + 1]]
            shared = members[system.primary[members]][:MOST_LINKED]
            self.protects[int(cell)] = shared.tolist() if len(shared) else [int(nearest[cell])]
            self.relation[int(cell)] = int(row)

    def table(self) -> pa.Table:
        """The collected answers as a table."""
        system = self.system
        cells = np.flatnonzero(system.suppressed)
        primary = system.primary[cells]
        known = primary & ~np.isnan(self.lower[cells])
        lower, upper, value = self.lower[cells], self.upper[cells], system.value[cells]
        margin = np.minimum(upper - value - system.upl[cells], value - lower - system.lpl[cells])
        margin = np.minimum(margin, upper - lower - system.spl[cells])
        # Without levels: a second whole number, or a width that tells the interval from a point.
        second = np.floor(upper + TOLERANCE) - np.ceil(lower - TOLERANCE) - 1
        width = upper - lower - TOLERANCE * np.maximum(1.0, np.abs(value))
        margin = np.minimum(margin, np.where(system.integer[cells], second, width))
        protects = [
            None if system.primary[cell] else sorted(system.cell_id[self.protects.get(int(cell), [])].tolist())
            for cell in cells
        ]
        relations = [self.relation.get(int(cell)) for cell in cells]
        columns = [
            pa.array(system.cell_id[cells]),
            pa.array(np.array(STATUS_NAMES, dtype=object)[system.status[cells]]),
            pa.array(np.where(self.examined[cells], EXAMINED, LINKED)),
            pa.array(protects, SCHEMA.field("protects").type),
            pa.array([None if r is None else int(system.relation_id[r]) for r in relations], pa.int64()),
            *(pa.array(column, pa.float64(), mask=~known) for column in (lower, upper, margin)),
        ]
        return pa.Table.from_arrays(columns, schema=SCHEMA)


def _demands(block: Block) -> list[Target]:
    """What is asked of the primaries, against the outsider and, as to being exact, against each insider."""
    demands = list(block.targets)
    for number, insider in enumerate(block.insiders):
        demands += [
            replace(target, insider=number)
            for target in block.targets
            if target.exactness and target.cell not in insider.own
        ]
    return demands


def _moving(attacks: list[Attack]) -> set[int]:
    """Cells of a block that any of the attacks moves."""
    return {int(cell) for attack in attacks for cell in attack.moves()[0]}


def _first_relation(block: Block, start: int, goals: set[int]) -> int:
    """Row that contains cell `start` and begins a shortest way to one of `goals`; the lowest of equals."""
    rows = block.A.tocsr()
    seen = {start}
    # A way is (cell reached, first row taken); ways of equal length stay in ascending order of their first
    # row.
    ways = [(start, -1)]
    while ways:
        longer = []
        for cell, first in ways:
            for row in block.A.indices[block.A.indptr[cell] : block.A.indptr[cell + 1]]:
                origin = int(row) if first < 0 else first
                for neighbour in rows.indices[rows.indptr[row] : rows.indptr[row + 1]].tolist():
                    if neighbour in goals:
                        return origin
                    if neighbour not in seen:
                        seen.add(neighbour)
                        longer.append((neighbour, origin))
        ways = sorted(longer, key=lambda way: (way[1], way[0]))
    raise ValueError("the goals are not linked with the cell")
