"""Complementary suppression and its audit: cells and relations in, statuses and intervals out.

The engine knows linear systems, not dbt and not DuckDB. Definitions follow the Handbook on Statistical Disclosure
Control (2nd ed.) and Fischetti & Salazar-Gonzalez (2001).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sdc.engine import deadlines
from sdc.engine.adjustment import adjust
from sdc.engine.attackers import OUTSIDER, named_attackers, named_readers
from sdc.engine.attackers.integers import IntegerReader
from sdc.engine.attackers.reader import Reader
from sdc.engine.attackers.unions import NAME as UNIONS
from sdc.engine.audit import Finding, Progress, examine, replay
from sdc.engine.composite import close_to_insiders, suppress_with_unions
from sdc.engine.controlled_rounding import round_controlled
from sdc.engine.cutting.attacker import ENTRIES
from sdc.engine.errors import EngineError, named
from sdc.engine.explain import MOST_PROGRAMS
from sdc.engine.explain import explain as explain_pattern
from sdc.engine.heuristic import suppress_heuristically
from sdc.engine.improve import improve, solve_components
from sdc.engine.insiders import Insiders, each_insider
from sdc.engine.needs import V_NOT_EXAMINED, V_SAFE, VERDICTS
from sdc.engine.pattern import Pattern
from sdc.engine.rules import Judge, Rules, Statistics
from sdc.engine.system import SECONDARY, STATUS_NAMES, System

__all__ = ["EngineError", "System", "adjust", "audit", "explain", "round_controlled", "suppress"]

METHODS = ("auto", "heuristic", "optimal")
# Linear programs, about, that the heuristic spends on a cheaper pattern, and `auto` on a proof that it is the cheapest:
# some, and some more for each cell of a system, up to so many. It is a few seconds where relations are few; where they
# are many, a program takes longer and settles less, and so fewer are spent.
HEURISTIC_WORK = 2_000, 3.0
AUTO_WORK = 3_000, 4.0
MOST_CELLS = 4_000
SIZE_POWER = 1.25
# Less than this does not lead anywhere.
LEAST_WORK = 400
# Part of the time left that the search for a cheaper pattern may take; the rest is for its audit.
SEARCH_SHARE = 0.8
# Relative gap that is the rounding of sums of costs.
PROVEN = 1e-6


def suppress(
    cells: pa.Table,
    relations: pa.Table,
    *,
    cost: str = "value",
    method: str = "auto",
    attackers: Sequence[str] | None = None,
    rules: Mapping[str, object] | None = None,
    pinning: bool = True,
    work: int | None = None,
    time_limit: float | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> pa.Table:
    """Choose secondary cells so that every primary is protected; one row per cell: cell_id, status, reason.

    Args:
        cells, relations: the tables of the engine's contract.
        cost: what to keep small: value, count, unity, log, power, distance or `column:<name>` (`sdc.engine.costs`);
            cells that the optional column `previous` marks as suppressed before are preferred.
        method: heuristic (any size); optimal (cutting planes, for blocks of some thousand cells); auto: optimal where
            a bounded amount of work proves it, block by block, heuristic elsewhere.
        attackers: whom to protect against beside the outsider: names in `sdc.engine.attackers`; None for all that the
            cells tell of (columns `contributor`, `holding`; with `rules` also `unions`). `integers` and `public_rule`
            are only asked for by name. What these readers cannot examine is left as it is, and to the audit to say.
        rules: the primary rules that sums of suppressed cells must pass: `threshold`, `p_percent`, `dominance`,
            `prior_posterior`, with the parameters of the SQL rules, as `{"threshold": 5, "p_percent": {"p": 10}}`. They
            need the columns `contributors` (how many), and for other rules than the threshold `largest` (list of
            {contributor, amount, waived}) of cells, as `sdc.cells()` makes them.
        pinning: also ask what insiders pin down with bounds and whole numbers; where a fixed amount of work does not
            settle that, it is left as it is, and to the audit to say. What they compute from the relations is always
            asked.
        work: linear programs, about, that heuristic and auto may spend on making a safe pattern cheaper.
        time_limit: seconds for the whole call. When it ends before there is a pattern that is proven safe, an
            EngineError is raised; when it ends later, the best such pattern is returned. Never an unsafe one.
        threads: for independent blocks; None for the machine's cores. The result does not depend on it.
        progress: called with (stage, done, total).

    Secondaries in the input are the starting pattern. The result passed its own audit. Metadata of the schema say how
    good it is, as text: `cost` of the secondaries; `bound`, below which no safe pattern is (0 where none was sought);
    `gap`, `(cost - bound) / cost`; and whether the optimum is `proven`. Raises EngineError, naming the cells, for
    malformed input and for primaries that no suppression can protect.
    """
    if method not in METHODS:
        raise EngineError(f"method: unknown {method!r}; use one of {', '.join(METHODS)}")
    system = System.from_arrow(cells, relations, cost)
    judge = _judge(cells, system, rules)
    readers = named_readers(judge, attackers)
    deadline = deadlines.after(time_limit)
    bound = 0.0

    def options(pinning: bool = pinning) -> dict:
        return {"pinning": pinning, "time_limit": deadlines.left(deadline), "threads": threads, "progress": progress}

    def examined(pattern: Pattern, pinning: bool = pinning) -> Finding:
        return examine(pattern, named_attackers(pattern.system, attackers), **options(pinning))

    def protect(system: System, pinning: bool = pinning) -> Pattern:
        return suppress_heuristically(system, named_attackers(system, attackers), **options(pinning))[0]

    def cheaper(system: System, start: np.ndarray, pinning: bool = pinning) -> np.ndarray:
        nonlocal bound
        insiders = named_attackers(system, attackers)
        better, bound = _cheaper(system, start, insiders, method, work, deadline, options(pinning))
        return better

    def with_unions(pinning: bool) -> np.ndarray:
        def safe(pattern: Pattern) -> bool:
            return len(examined(replay(pattern), pinning).failing) == 0

        # What insiders pin down takes longest to examine, and there is little of it: it is asked of the result first.
        steps = (partial(step, pinning=pinning) for step in (protect, cheaper))
        return suppress_with_unions(system, judge, *steps, safe, deadline, threads)

    if UNIONS in [reader.name for reader in readers]:
        suppressed = with_unions(pinning=False)
        if pinning:
            suppressed = close_to_insiders(system, suppressed, judge, examined, deadline, threads)
        if suppressed is None:
            suppressed = with_unions(pinning=True)
        # What was proven is about a system with the unions met on the way, and these depend on the pattern.
        bound = 0.0
    else:
        suppressed = cheaper(system, protect(system).suppressed)
    counting = [reader for reader in readers if isinstance(reader, IntegerReader)]
    if counting:
        for reader in counting:
            suppressed = reader.complete(system, suppressed, deadline, threads)
        _check(Pattern(system, suppressed), named_attackers(system, attackers), readers, options())
    status = system.with_suppressed(suppressed).status
    cost = float(system.cost[status == SECONDARY].sum())
    gap = max(cost - bound, 0.0) / cost if cost > 0 else 0.0
    facts = {"cost": cost, "bound": min(bound, cost), "gap": gap, "proven": gap <= PROVEN}
    return pa.table(
        {
            "cell_id": system.cell_id,
            "status": np.array(STATUS_NAMES, dtype=object)[status],
            "reason": pa.array(np.array([None, "primary", "complementary"], dtype=object)[status], pa.string()),
        }
    ).replace_schema_metadata({name: str(value) for name, value in facts.items()})


def _check(pattern: Pattern, insiders: tuple[Insiders, ...], readers: tuple[Reader, ...], options: dict) -> None:
    """Raise for a pattern that is not safe; what only readers could not examine is left to the audit and reported."""
    finding = examine(pattern, insiders, readers, **options)
    unknown = (finding.verdict == V_NOT_EXAMINED) & (finding.attacker > len(insiders)) | finding.unsettled
    bad = pattern.system.cell_id[finding.cells[(finding.verdict != V_SAFE) & ~unknown]]
    if len(bad):
        raise EngineError(
            f"suppress: cells {named(bad)}: no suppression found protects them; nothing was suppressed", cells=bad
        )
    if options["progress"] is not None:
        options["progress"]("not examined by readers", int(unknown.sum()), len(unknown))


def _judge(cells: pa.Table, system: System, rules: Mapping[str, object] | None) -> Judge | None:
    """The rules with what the cells tell of their contributors; None without rules."""
    if not rules:
        return None
    in_force = Rules.of(rules)
    return Judge(in_force, Statistics.from_arrow(cells, system, in_force))


def _cheaper(
    system: System,
    start: np.ndarray,
    insiders: tuple[Insiders, ...],
    method: str,
    work: int | None,
    deadline: float | None,
    options: dict,
) -> tuple[np.ndarray, float]:
    """Mask of a pattern no dearer than the safe pattern `start` and audited like it, and a lower bound on its cost.

    `start` where there is no cheaper one, or the deadline (time.monotonic) does not leave time to audit it; the bound
    is 0 where nothing was proven.
    """
    if not (start & ~system.primary).any():
        return start, 0.0
    if method == "optimal":
        work = None
    elif work is None:
        work = _affordable(system, start, AUTO_WORK if method == "auto" else HEURISTIC_WORK)
        if work < LEAST_WORK:
            return start, 0.0
    who = [insider for each in insiders for insider in each_insider(each, start | system.candidate)]
    asked = {"pinning": options["pinning"], "work": work}
    bound = 0.0
    if method == "heuristic":
        better = improve(system, start, who, **asked)
    else:
        left = deadlines.left(deadline)
        asked["time_limit"] = None if left is None else SEARCH_SHARE * left
        if method == "optimal":
            asked["largest"] = None
        solved = solve_components(system, start, who, **asked)
        better, bound = solved.suppressed, solved.bound
    if system.cost[better].sum() >= system.cost[start].sum():
        return start, bound
    finding = examine(Pattern(system, better), insiders, **{**options, "time_limit": deadlines.left(deadline)})
    return (start if len(finding.failing) else better), bound


def _affordable(system: System, suppressed: np.ndarray, work: tuple[int, float]) -> int:
    """How many programs are worth their time in a system of this size."""
    # Where relations are many, programs are large even for few cells.
    size = 1 + system.m * (int(suppressed.sum()) + system.m / 4) / ENTRIES
    return int((work[0] + work[1] * min(system.n, MOST_CELLS)) / size**SIZE_POWER)


def audit(
    cells: pa.Table,
    relations: pa.Table,
    *,
    attackers: Sequence[str] | None = None,
    rules: Mapping[str, object] | None = None,
    pinning: bool = True,
    intervals: bool = False,
    time_limit: float | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> pa.Table:
    """Verdict of every suppressed cell of `cells`, one row each, ascending.

    Columns: cell_id, lower, upper, verdict, attacker, members.

    Verdicts: safe, exact, under_above, under_below, too_narrow, not_examined; only `safe` is proven protection.
    `lower` and `upper` are certified bounds: for a safe cell values the attacker cannot rule out (at least as far
    apart as the levels need), for any other the values he cannot go beyond. With `intervals` both are the exact
    interval, the outsider's. `attacker` names whom a cell is not safe from (NULL for safe cells): the outsider, or one
    of `attackers` (with `rules` as for `suppress`). Insiders compute a primary from what they know; `unions` a sum of
    the cells `members` that fails the rules; `integers` and `public_rule` what whole numbers leave. Cells that a reader
    could not examine are not_examined with its name, the outsider's verdict on them being safe: not all sums with the
    cell were tried (`unions`), or its range of whole numbers was not settled. So are primaries where the work did not
    settle what insiders pin down (`pinning`).
    `time_limit` in seconds: cells not reached in time are not_examined.
    """
    system = System.from_arrow(cells, relations)
    insiders = named_attackers(system, attackers)
    readers = named_readers(_judge(cells, system, rules), attackers)
    options = {"pinning": pinning, "time_limit": time_limit, "threads": threads, "progress": progress}
    finding = examine(Pattern(system), insiders, readers, intervals=intervals, thorough=True, **options)
    names = np.array([None, OUTSIDER, *(each.name for each in (*insiders, *readers))], dtype=object)
    members = [finding.members.get(cell) for cell in finding.cells.tolist()]
    return pa.table(
        {
            "cell_id": system.cell_id[finding.cells],
            "lower": finding.lower,
            "upper": finding.upper,
            "verdict": pa.array(np.array(VERDICTS, dtype=object)[finding.verdict], pa.string()),
            "attacker": pa.array(names[finding.attacker + 1], pa.string()),
            "members": pa.array([None if m is None else system.cell_id[m] for m in members], pa.list_(pa.int64())),
        }
    )


def explain(
    cells: pa.Table,
    relations: pa.Table,
    audited: pa.Table,
    *,
    attackers: Sequence[str] | None = None,
    programs: int = MOST_PROGRAMS,
) -> pa.Table:
    """Why each cell is suppressed: the rows of `audited`, the `audit()` of the same system, with four more columns.

    `basis` tells whether all of the cell's block was examined, or its relations only. For a secondary, `protects` are
    the primaries that need it and `relation_id` the relation through which; for a primary `margin` says by how much its
    interval exceeds what is asked (`sdc.engine.explain` has the definitions). `lower` and `upper` of a primary are
    exact where `programs`, a bound on the number of linear programs, sufficed to examine its block. `attackers` as for
    `audit()`.
    """
    system = System.from_arrow(cells, relations)
    insiders = [who for each in named_attackers(system, attackers) for who in each_insider(each, system.suppressed)]
    why = explain_pattern(system, audit=audited, insiders=insiders, most_programs=programs)
    for name in ("lower", "upper"):
        bounds = pc.if_else(pc.is_valid(why[name]), why[name], audited[name])
        audited = audited.set_column(audited.column_names.index(name), name, bounds)
    for name in ("basis", "protects", "relation_id", "margin"):
        audited = audited.append_column(name, why[name])
    return audited
