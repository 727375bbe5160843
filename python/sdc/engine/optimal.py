"""The exact optimum of complementary cell suppression, by cutting planes.

Method: Fischetti, M. and Salazar-González, J.J. (2001), "Solving the cell suppression problem on tabular data
with linear constraints", Management Science 47(7), 1008-1027. A master problem chooses cells; attackers'
linear programs, one per primary and direction, either certify the choice or return an inequality that every
safe pattern satisfies.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sdc.engine.cutting import incumbent as primal
from sdc.engine.cutting import inequalities
from sdc.engine.cutting.attacker import Attacker, reached
from sdc.engine.cutting.block import Block, Target, blocks_of
from sdc.engine.cutting.dives import dive, follow
from sdc.engine.cutting.master import Master, Row
from sdc.engine.cutting.proofs import Proofs
from sdc.engine.cutting.rounding import rounding_rows
from sdc.engine.cutting.solver import SolverError
from sdc.engine.errors import EngineError, named
from sdc.engine.insiders import Insider
from sdc.engine.system import System

# A target that was satisfied is asked again only after this many rounds; before a phase ends, all are asked.
REST_ROUNDS = 3
# Part of a level that a fractional solution may miss; whole patterns are held to the attacker's own
# tolerance.
NEARLY = 1e-4
# Least violation for which an inequality is worth a row of the linear program.
LEAST_VIOLATION = 1e-3
# Below this, costs are treated as whole numbers if they all are: a better pattern is better by at least one.
WHOLE_COSTS_BELOW = 1e8
# Relative tolerance of the integer programs' own bounds.
PROOF_SLIP = 1e-6
# Rows that were slack this often in a row leave the linear program.
IDLE_ROUNDS = 8
# Nodes visited to collect inequalities before the first integer program without a limit, and before every further one.
DIVE_NODES, MORE_NODES = 200, 100
# Inequalities with at most this slack at the linear optimum are in the first integer programs.
TIGHT = 0.3
# Shares of a time limit after which the linear phase, rounding and dives give way to the integer programs.
RELAX_UNTIL, ROUND_UNTIL, DIVE_UNTIL = 0.3, 0.4, 0.5
# Work is counted in attackers' linear programs; one of the master's, and a node of an integer program, is this much.
MASTER_WORK, NODE_WORK = 5, 5
# So many cells of least reduced cost are tried first, in so many integer programs of at most so many nodes each.
PROMISING, SMALL_ROUNDS, SMALL_NODES = 80, 25, 100
# Those with movements have at most so many columns for them, and so many nodes together; fewer are of no use.
MOVEMENTS, MOVING_NODES, LEAST_NODES = 6000, 3000, 50
# Integer programs stop at this gap until one of their optima is safe.
FIRST_GAP = 0.003
# So many integer programs, of so many nodes each, are tried before dives.
FIRST_PROGRAMS, FIRST_NODES = 3, 100
# Where work is limited no whole optimum is looked for while the bound is below this part of the best known cost: what
# costs so much less is not safe, and proves nothing.
NEAR = 0.75
# The linear phase ends when this many rounds together raised the bound by less than this part.
STALL_ROUNDS = 10
STALL_GAIN = 1e-3


@dataclass(frozen=True)
class OptimalResult:
    """A safe pattern and how far from the optimum it can be.

    `suppressed` [n] marks primaries and secondaries; `cost` and `bound` are the cost of the secondaries and a
    lower bound on it over all safe patterns; `gap` is `(cost - bound) / cost` (0 where cost is 0); `proven`
    whether the requested gap was proven. `blocks` counts the connected blocks, `rounds` the integer programs
    solved.
    """

    suppressed: np.ndarray
    cost: float
    bound: float
    gap: float
    proven: bool
    blocks: int
    rounds: int


def solve(
    system: System,
    *,
    time_limit: float | None = None,
    gap: float = 0.0,
    start: np.ndarray | None = None,
    progress: Callable[[str], None] | None = None,
    insiders: Sequence[Insider] = (),
    pinning: bool = True,
    work: int | None = None,
    audited: bool = False,
    largest: int | None = None,
) -> OptimalResult:
    """The cheapest set of cells whose suppression protects every primary against the outsider and the insiders.

    Args:
        time_limit: seconds of wall time for the whole system, shared among its blocks; None: until proven.
        gap: relative gap at which a block counts as solved.
        start: mask [n] of a pattern to begin with; need not be safe (it is repaired) unless it is `audited`.
        progress: called with a line of text about every integer program.
        insiders: in positions of the system; no primary that is not their own may be exact to them.
        pinning: insiders reckon with bounds and whole numbers; else they only compute from the relations.
        work: linear programs after which to stop, shared among the blocks (of the size of an attacker's in a two-way
            table; larger ones count for more); None: no such limit.
        audited: `start` is safe. Then blocks stay as it has them, without a bound, where nothing safe and no dearer
            is found: what is asked here can be more than the audit could look into (`sdc.engine.pinning`), and
            what a slack or a width counts for is coarser.
        largest: with `audited`, blocks of more cells stay as `start` has them; None: no such limit.

    Zero-valued and frozen cells are never chosen. Primaries without levels are kept from exact disclosure: a
    whole number gets a second possible whole number in its interval, any other value an interval that the
    audit's tolerance tells from a point. Without a time limit the result depends on nothing but the system
    and `start` and `work`. The pattern is safe also when time or work runs out; finding a first safe pattern is
    not cut short. Unless `start` is `audited`, raises EngineError naming the primaries that no pattern protects, and
    SolverError if HiGHS fails before there is a safe pattern.
    """
    blocks = blocks_of(system, insiders=insiders, pinning=pinning, largest=largest if audited else None)
    deadline = np.inf if time_limit is None else time.monotonic() + time_limit
    suppressed = system.primary.copy()
    cost = bound = 0.0
    proven, rounds = True, 0
    unprotectable: list[int] = []
    large = audited and largest is not None
    rest = system.primary | np.asarray(start, bool) if large else system.primary.copy()
    for block in blocks:
        rest[block.cells] = False
    if large:
        # Blocks that are too large stay as they are.
        suppressed |= rest
        cost += float(system.cost[rest & ~system.primary].sum())
        proven = not rest.any()
    if not audited:
        unprotectable += np.flatnonzero(rest).tolist()
    for number, block in enumerate(blocks):
        left = deadline - time.monotonic()
        # What earlier blocks did not use is shared by later ones.
        until = time.monotonic() + left / (len(blocks) - number) if np.isfinite(left) else np.inf
        share = None if work is None else max(work, 0) // (len(blocks) - number)
        search = Search(block, gap, until, progress, f"block {number + 1} of {len(blocks)}", share)
        before = None if start is None else np.asarray(start, bool)[block.cells]
        try:
            search.run(before)
        except primal.Unprotectable as error:
            if not audited:
                unprotectable += block.cells[error.positions].tolist()
                continue
        except SolverError:
            # What was found before is verified and stays; a block without a safe pattern must not pass for solved.
            if search.best is None and not audited:
                raise
        work = None if work is None else work - search.worked
        rounds += search.rounds
        if audited and (spent := float(block.cost[before & ~block.primary].sum())) < search.best_cost:
            suppressed[block.cells[before]] = True
            cost += spent
            proven = False
            continue
        suppressed[block.cells[search.best]] = True
        cost += search.best_cost
        bound += search.bound
        proven &= search.proven
    if unprotectable:
        ids = system.cell_id[unprotectable]
        raise EngineError(
            f"no suppression protects the primary cells {named(ids)}: even with every cell suppressed that is"
            " neither zero nor frozen, an attacker comes closer than their protection levels; lower the"
            " levels, release frozen cells, or merge categories",
            cells=ids,
        )
    relative = (cost - bound) / cost if cost > 0 else 0.0
    return OptimalResult(suppressed, cost, bound, max(relative, 0.0), proven, len(blocks), rounds)


class Search:
    """Cutting planes for one block: linear phase, incumbents, integer phase."""

    def __init__(
        self,
        block: Block,
        gap: float = 0.0,
        deadline: float = np.inf,
        progress: Callable[[str], None] | None = None,
        name: str = "block",
        work: int | None = None,
    ) -> None:
        self.block = block
        self.gap = gap
        self.began = time.monotonic()
        self.deadline = deadline
        self.progress = progress
        self.name = name
        self.work = work
        self.attacks = 0
        self.master = Master(block)
        self.proofs = Proofs(block, block.primary)
        # Work of the proofs that is not this search's.
        self.before = 0
        self.carrier = primal.Carrier(block)
        # Cells of optima that were not safe, since they were last looked at.
        self.chosen = np.zeros(len(self.master.free), bool)
        self.company = inequalities.Company(block)
        self.whole = bool(np.all(block.cost == np.round(block.cost)))
        self.best: np.ndarray | None = None
        self.best_cost = np.inf
        self.lower = 0.0
        self.targets = list(block.targets)
        self.rest = [0] * len(self.targets)
        # Targets that the last pattern left open.
        self.missed: list[Target] = []
        self.rounds = 0
        # Gap at which integer programs stop.
        self.slack = FIRST_GAP

    def take_over(self, proofs: Proofs) -> None:
        """Go on with what is known of the same targets."""
        self.proofs, self.before = proofs, proofs.work

    @property
    def cutoff(self) -> float:
        """Patterns of this cost or more are of no interest."""
        if not np.isfinite(self.best_cost):
            return np.inf
        return max(0.0, self.best_cost * (1 - self.gap) - self.step) + 1e-9 * self.best_cost

    @property
    def step(self) -> float:
        """A pattern that is better than the best one is better by more than this."""
        return 0.5 if self.whole and self.best_cost < WHOLE_COSTS_BELOW else 0.0

    @property
    def proven(self) -> bool:
        """Whether no pattern beats the best one by more than the gap asked for."""
        slip = min(PROOF_SLIP * max(1.0, self.best_cost), 0.1 if self.step else np.inf)
        return self.best_cost <= 0 or self.lower >= self.cutoff - slip

    @property
    def bound(self) -> float:
        """Lower bound on the cost of any safe pattern of this block."""
        if self.proven and self.gap == 0:
            return self.best_cost
        return min(self.lower, self.best_cost)

    def run(self, start: np.ndarray | None) -> None:
        """Search until proven or out of time; leaves a safe pattern in `best`."""
        self.offer(start if start is not None else self.block.primary)
        if self.proven or (self.late() and self.best is not None):
            return
        self.master.add(inequalities.from_relations(self.block))
        self.relax(RELAX_UNTIL)
        self.report("relaxed")
        self.relax(ROUND_UNTIL, rounding=True)
        self.report("rounded")
        if not self.proven and not self.late(ROUND_UNTIL):
            weights = self.master.weights()
            self.offer(weights > 0.7, self.block.cost * (1 - 0.95 * weights))
            self.relax(ROUND_UNTIL)
        self.report("guided")
        self.promising()
        self.report("promising")
        self.relax(DIVE_UNTIL, rounding=True)
        self.report("rounded again")
        # Where it is easy this ends it; where it is not, dives find the inequalities that are missing sooner.
        self.integer(FIRST_PROGRAMS, FIRST_NODES)
        self.report("first integer programs")
        going, nodes, until = True, DIVE_NODES, DIVE_UNTIL
        while going and not self.proven and not self.late():
            self.dive(nodes, until)
            self.promising()
            going = self.integer(1)
            nodes, until = MORE_NODES, 1.0
        self.report("done")
        if self.best is None:
            # Primaries can be protected, but only by secondaries that are exact themselves: whole numbers with
            # fractional room.
            if self.late():
                raise SolverError("no pattern without exact secondaries was found within the limits")
            raise primal.Unprotectable(np.flatnonzero(self.block.primary).tolist())

    def promising(self) -> None:
        """Better patterns from the cells that the linear relaxation finds cheapest, and the inequalities they violate.

        A restricted master problem that is solved again and again. What its optimum does not protect joins it with its
        movements, for over few cells inequalities come one by one and are many.
        """
        if self.proven or self.late(DIVE_UNTIL) or not np.isfinite(self.best_cost):
            return
        master = self.master
        among = np.zeros(len(master.free), bool)
        # Cells of optima that were nearly safe come first.
        worth = np.where(self.chosen, -np.inf, master.reduced)
        among[np.argsort(np.where(master.fixed, np.inf, worth), kind="stable")[:PROMISING]] = True
        self.chosen[:] = False
        moving: list[Target] = []
        left = MOVING_NODES
        for _ in range(SMALL_ROUNDS):
            if self.late(DIVE_UNTIL) or left <= 0:
                return
            among |= self.best[master.free]
            rows = list(master.pool.values())
            if self.work is not None and NODE_WORK * master.least_nodes(rows) > self.work - self.worked:
                return
            gap, nodes = (self.gap, left) if moving else (FIRST_GAP, SMALL_NODES)
            if moving and self.work is not None:
                nodes = min(nodes, int(DIVE_UNTIL * self.work - self.worked) // NODE_WORK)
                if nodes < LEAST_NODES:
                    return
            before = master.nodes
            pattern, lower = master.solve_integer(rows, gap, self.deadline, nodes, among, moving, self.cutoff)
            left -= master.nodes - before if moving else 0
            if pattern is None or lower >= self.cutoff:
                return
            known = len(master.pool), len(moving), self.best_cost
            master.add_rows(self.accept(pattern))
            if lower >= self.cutoff:
                return
            room = MOVEMENTS // (2 * int(among.sum() + self.block.primary.sum()))
            for target in self.missed:
                if target not in moving and sum(len(each.senses) for each in (*moving, target)) <= room:
                    moving.append(target)
            if known == (len(master.pool), len(moving), self.best_cost):
                return

    def dive(self, nodes: int, until: float) -> None:
        """Collect inequalities in so many nodes around the linear optimum."""
        dive(self.master, nodes, self.separate, self.accept, lambda: self.cutoff, lambda: self.late(until))
        self.report("dived")
        self.relax(until)

    def integer(self, programs: int, most: int | None = None) -> bool:
        """Integer phase: attack whole optima of the master until one holds or none beats the best known.

        At most so many `programs`, of `most` nodes each. Those too large for the work that is left are not begun. False
        where nothing comes of further ones.
        """
        # Most inequalities never bind near the optimum but slow the integer solver down: in short programs they join
        # when violated. Long ones are not worth repeating for what is known.
        known_rows = self.master.pool.values() if most is None else self.master.nearly_tight(TIGHT)
        rows = {row.key: row for row in known_rows}
        for _ in range(programs):
            if self.proven or self.late():
                return False
            known_rows = list(rows.values())
            nodes = most
            if self.work is not None:
                nodes = (self.work - self.worked) // NODE_WORK
                if self.lower < NEAR * self.best_cost or nodes < self.master.least_nodes(known_rows):
                    return False
                nodes = nodes if most is None else min(nodes, most)
            self.rounds += 1
            pattern, lower = self.master.solve_integer(
                known_rows, max(self.slack, self.gap), self.deadline, nodes, cutoff=self.cutoff
            )
            if np.isfinite(lower) or pattern is None:
                self.lower = max(self.lower, min(lower, self.cutoff))
            if pattern is None:
                # The gap can be reached before a pattern is found.
                going, self.slack = most is not None or self.slack > 0, self.slack if most else 0.0
                return going
            self.chosen |= pattern[self.master.free]
            missed = self.master.violated(pattern)
            if missed and (self.late() or all(row.key in rows for row in missed)):
                # What the solver's tolerance lets pass would be found again.
                self.offer(pattern)
                return False
            if not missed:
                known = set(self.master.pool)
                found = self.accept(pattern)
                if not found and len(known) == len(self.master.pool):
                    if self.slack == 0.0:
                        return False
                    self.slack = self.slack if most else 0.0
                self.master.add_rows(found)
                if found:
                    follow(self.master, pattern, self.separate, lambda: self.cutoff, self.late)
                self.relax()
                missed = [row for key, row in self.master.pool.items() if key not in known]
            rows.update((row.key, row) for row in missed)
        return True

    def accept(self, pattern: np.ndarray) -> list[Row]:
        """Rows that a whole pattern violates; if there are none it is the new best.

        Those that only concern its secondaries are added to the master and not returned.
        """
        weights = pattern.astype(float)
        self.proofs.set(pattern)
        failures = self.proofs.failures()
        if not failures:
            exact = self.proofs.failures(primary=False)
            kept = [(t, attacks) for t, attacks in exact if self.block.primary[t.cell]]
            free = [(t, attacks) for t, attacks in exact if not self.block.primary[t.cell]]
            rows = [c for t, attacks in free for c in inequalities.conditional(self.block, t, attacks, pattern)]
            self.master.add((c for c in rows if c @ weights < -LEAST_VIOLATION), bound=0.0)
            failures = kept
        self.missed = [target for target, _ in failures]
        self.watch(self.missed)
        self.offer(pattern)
        self.report(f"{len(failures)} open targets")
        found = [c for t, attacks in failures for c in inequalities.from_attacks(self.block, t, attacks, weights)]
        if failures and all(c @ weights > 1 - LEAST_VIOLATION for c in found):
            # No part of an unsafe pattern is safe either: at least one other cell is needed.
            found.append((~pattern).astype(float))
        return [self.master.row(c) for c in found]

    def watch(self, targets: list[Target]) -> None:
        """From now on ask also those insiders who could attack a pattern that withstands the outsider."""
        new = sorted(set(targets) - set(self.targets), key=lambda t: (-t.level, t.cell, t.kind, t.insider))
        self.targets += new
        self.rest += [0] * len(new)

    def late(self, share: float = 1.0) -> bool:
        """Whether this share of the time or of the work is over."""
        if self.work is not None and self.worked > share * self.work:
            return True
        return time.monotonic() > self.began + share * (self.deadline - self.began)

    @property
    def worked(self) -> int:
        """Work done so far, in attackers' linear programs."""
        master = MASTER_WORK * self.master.programs + NODE_WORK * self.master.nodes
        return self.attacks + self.proofs.work - self.before + self.carrier.work + master

    def report(self, text: str) -> None:
        """Tell the caller where the search is."""
        if self.progress:
            size = f"{len(self.master.pool)} inequalities, {int((~self.master.fixed).sum())} open cells"
            state = f"integer program {self.rounds}, {size}, cost {self.best_cost:g}, bound {self.bound:g}"
            self.progress(f"{self.name}: {text}; {state}")

    def offer(self, pattern: np.ndarray, guide: np.ndarray | None = None) -> None:
        """Repair and clean a pattern, and keep it if it is the best so far."""
        proofs = self.proofs
        proofs.set(pattern | self.block.primary)
        if self.best is None:
            primal.repair(proofs, self.carrier, guide)
        elif not primal.repair(proofs, self.carrier, guide, self.late):
            return
        primal.clean(proofs, self.late)
        cost = float(self.block.cost[proofs.pattern & ~self.block.primary].sum())
        if cost < self.best_cost and primal.shelter(proofs, self.carrier):
            cost = float(self.block.cost[proofs.pattern & ~self.block.primary].sum())
            if cost < self.best_cost:
                self.best, self.best_cost = proofs.pattern.copy(), cost

    def relax(self, until: float = 1.0, rounding: bool = False) -> None:
        """Linear phase: add violated inequalities, attacks first, then rounding, until the bound stalls."""
        history: list[float] = []
        while not self.late(until):
            if not self.master.relax(self.cutoff):
                self.lower = max(self.lower, self.cutoff)
                return
            self.lower = max(self.lower, self.master.objective)
            self.master.fix(self.cutoff)
            history.append(self.master.objective)
            if len(history) > STALL_ROUNDS and history[-1] - history[-STALL_ROUNDS] < STALL_GAIN * history[-1]:
                return
            weights = self.master.weights()
            rows = self.separate(weights, False)
            if not rows and rounding:
                rows = rounding_rows(self.master)
            if not rows:
                rows = self.separate(weights, True)
            self.master.drop_idle(IDLE_ROUNDS)
            if not self.master.add_rows(rows):
                return

    def separate(self, weights: np.ndarray, thorough: bool) -> list[Row]:
        """Rows violated at weights [n]; targets satisfied lately are left out unless `thorough`."""
        if thorough:
            self.rest = [0] * len(self.targets)
        attacker = Attacker(self.block, np.where(weights > 1e-9, weights, 0.0), capped=True)
        found = []
        for i, target in enumerate(self.targets):
            if self.rest[i]:
                self.rest[i] -= 1
                continue
            if self.late():
                break
            attacks = [attacker.attack(target, sense) for sense in target.senses]
            self.attacks += attacker.work * len(attacks)
            if reached(target, attacks, NEARLY):
                self.rest[i] = REST_ROUNDS
                continue
            violated = [
                c
                for c in inequalities.from_attacks(self.block, target, attacks, weights)
                if c @ weights < 1 - LEAST_VIOLATION
            ]
            found += violated
            if not violated:
                self.rest[i] = REST_ROUNDS
        rows = [self.master.row(c) for c in found]
        return rows + [self.master.row(c, 0.0) for c in self.company.violated(weights, LEAST_VIOLATION)]
