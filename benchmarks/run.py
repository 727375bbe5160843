"""The benchmark: instance x tool, with an independent audit of every pattern.

    python -m benchmarks.run                       ours on the quick instances
    python -m benchmarks.run --all --peers         everything
    python -m benchmarks.run --instance 'counts_*' --tool sdc --time-limit 120

Each tool runs in a process of its own under a time and a memory limit; peers run in an environment of their
own, which ``--peers`` creates from ``peers-requirements.txt``. The table is printed, and ``--write`` puts it
into ``RESULTS.md``."""

from __future__ import annotations

import argparse
import datetime
import fnmatch
import json
import os
import platform
import resource
import shlex
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pyarrow.feather as feather

from . import auditor, exchange
from .instances import INSTANCES, Instance
from .worker import PEERS, TOOLS

HERE = Path(__file__).resolve().parent
PEERS_ENVIRONMENT = HERE / ".venv-peers"

RESULTS_HEADER = """\
# Benchmark results

Made by `make bench` or the command named; instances in `instances.py`, audit in `auditor.py`. Newest first.

| column | meaning |
|---|---|
| exact | primaries that an outsider computes (recoverable secondaries in brackets) |
| under-protected | primaries whose attacker's interval does not reach their levels |
| singletons | primaries that the sole contributor of one hidden cell computes |
| contributors | the same for all hidden cells of a contributor together |
| unions | relations that give away a sum of hidden counts below the threshold |
| undecided | neither proven protected nor proven open in the auditor's time |

Wall and CPU are of the tool's own call; memory is the peak of its process. Peers are called as `tools/` says.
"""


@dataclass
class Row:
    """One line of the table; ``failure`` says why there are no figures."""

    instance: str
    tool: str
    figures: dict[str, float]
    report: auditor.Report | None
    failure: str = ""

    HEADINGS = (
        "instance",
        "tool",
        "wall s",
        "CPU s",
        "peak MB",
        "secondaries",
        "value",
        "exact",
        "under-protected",
        "singletons",
        "contributors",
        "unions",
        "undecided",
    )

    def cells(self) -> tuple[str, ...]:
        """Formatted for printing, in the order of ``HEADINGS``."""
        if self.report is None:
            return (self.instance, self.tool, self.failure, *[""] * (len(self.HEADINGS) - 3))
        report = self.report
        exact = str(report.exact_primaries) + (
            f" (+{report.exact_secondaries} sec.)" if report.exact_secondaries else ""
        )
        return (
            self.instance,
            self.tool,
            f"{self.figures['wall']:.2f}",
            f"{self.figures['cpu']:.2f}",
            f"{self.figures['memory'] / 1e6:.0f}",
            f"{report.secondaries:,}",
            f"{report.secondary_value:,.0f}",
            exact,
            str(report.under_protected),
            str(report.singleton),
            str(report.contributors),
            str(report.unions),
            str(report.undecided),
        )


def _peers_python() -> Path:
    """The interpreter of the peers' environment, made and filled when it is not there or out of date."""
    python = PEERS_ENVIRONMENT / "bin" / "python"
    wanted = (HERE / "peers-requirements.txt").read_text()
    stamp = PEERS_ENVIRONMENT / "installed.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"creating {PEERS_ENVIRONMENT}", file=sys.stderr)
        venv.create(PEERS_ENVIRONMENT, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "-qq", "-r", str(HERE / "peers-requirements.txt")]
        subprocess.run(command, check=True)
        stamp.write_text(wanted)
    return python


def _limits(gigabytes: float) -> None:
    """Run in the child: cap its address space (memory-mapped reserves of the solvers included, hence the
    generous factor).
    """
    most = int(gigabytes * 2**30 * 1.5)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def measure(instance: Instance, tool: str, folder: Path, arguments: argparse.Namespace) -> Row:
    """Run a tool on a written instance, and audit what comes back."""
    for leftover in ("pattern.arrow", "figures.json"):
        (folder / leftover).unlink(missing_ok=True)
    python = _peers_python() if tool in PEERS else Path(sys.executable)
    try:
        outcome = subprocess.run(
            [str(python), "-m", "benchmarks.worker", tool, str(folder)],
            cwd=HERE.parent,
            timeout=arguments.time_limit,
            preexec_fn=lambda: _limits(arguments.memory_limit),
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "2"},
        )
    except subprocess.TimeoutExpired:
        return Row(instance.name, tool, {}, None, f"no result in {arguments.time_limit:.0f} s")
    if outcome.returncode != 0 or not (folder / "figures.json").exists():
        lines = (outcome.stderr or outcome.stdout).strip().splitlines() or [f"exit code {outcome.returncode}"]
        return Row(instance.name, tool, {}, None, "failed: " + lines[-1][:100].replace("|", "/"))
    report = auditor.examine(
        feather.read_table(str(folder / "cells.arrow")),
        feather.read_table(str(folder / "relations.arrow")),
        feather.read_table(str(folder / "pattern.arrow")),
        seconds=arguments.audit_limit,
    )
    return Row(instance.name, tool, json.loads((folder / "figures.json").read_text()), report)


def table_of(rows: list[Row]) -> str:
    """A Markdown table, padded so that it also reads in a terminal."""
    lines = [Row.HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(Row.HEADINGS))]
    text = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(text)


def machine() -> str:
    """Cores, memory and interpreter, as far as the machine tells."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {system}"


def write_results(rows: list[Row], command: str) -> None:
    """Add a dated section on top of RESULTS.md's others."""
    path = HERE / "RESULTS.md"
    older = path.read_text().removeprefix(RESULTS_HEADER) if path.exists() else ""
    when = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    path.write_text(f"{RESULTS_HEADER}\n## {when}\n\n{machine()}. `{command}`\n\n{table_of(rows)}\n{older}")


def main() -> None:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--instance", action="append", metavar="PATTERN", help="instances by name or wildcard (repeatable)"
    )
    parser.add_argument("--tool", action="append", choices=sorted(TOOLS), help="tools by name (repeatable)")
    parser.add_argument("--peers", action="store_true", help="run the peers too, in their own environment")
    parser.add_argument("--all", action="store_true", help="every instance, not only the quick ones")
    parser.add_argument("--time-limit", type=float, default=300.0, help="seconds per tool and instance (default 300)")
    parser.add_argument("--memory-limit", type=float, default=6.0, help="GiB per tool (default 6)")
    parser.add_argument(
        "--audit-limit", type=float, default=300.0, help="seconds for the level programs of an audit (300)"
    )
    parser.add_argument("--write", action="store_true", help="add the table to benchmarks/RESULTS.md")
    parser.add_argument("--list", action="store_true", help="list instances and tools")
    arguments = parser.parse_args()
    if arguments.list:
        for instance in INSTANCES.values():
            note = "" if instance.quick else "  (only with --all or by name)"
            print(f"{instance.name:24}{instance.description}{note}")
        print("tools:", ", ".join(TOOLS))
        return
    chosen = [
        instance
        for instance in INSTANCES.values()
        if (
            any(fnmatch.fnmatch(instance.name, pattern) for pattern in arguments.instance)
            if arguments.instance
            else arguments.all or instance.quick
        )
    ]
    if not chosen:
        parser.error("no instance has that name; see --list")
    tools = arguments.tool or ["sdc", *(sorted(PEERS) if arguments.peers else ())]
    rows: list[Row] = []
    work = HERE / ".work" / str(os.getpid())  # so that two runs do not clear each other's folder
    try:
        for instance in chosen:
            cube = instance.build()
            folder = work / instance.name
            exchange.write(folder, cube.cells, cube.relations, cube.codes, cube.dimensions)
            del cube
            for tool in tools:
                rows.append(measure(instance, tool, folder, arguments))
                print("  ".join(cell for cell in rows[-1].cells() if cell), file=sys.stderr, flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(table_of(rows))
    if arguments.write:
        write_results(rows, "python -m benchmarks.run " + shlex.join(sys.argv[1:]))


if __name__ == "__main__":
    main()
