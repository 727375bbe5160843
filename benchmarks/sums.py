"""What it costs to leave no sum of suppressed cells that fails the rules, and what the audit then says.

    python -m benchmarks.sums                       every case
    python -m benchmarks.sums --case 'counts*'

Every attacker that the cells tell of is asked for: the outsider, contributors with what relations and bounds give them,
and readers of sums. Prints wall and CPU seconds of the engine's own calls, secondaries and their value, the verdicts of
an audit of the pattern from scratch, and the peak memory of the process so far."""

from __future__ import annotations

import argparse
import fnmatch
import resource
import time
from collections import Counter
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sdc.engine import audit, suppress

from .instances import INSTANCES, cubes, medium, nested


def counts(name: str) -> cubes.Cube:
    """An instance of counts, each unit its own contributor."""
    cube = INSTANCES[name].build()
    return cubes.Cube(
        cube.cells.append_column("contributors", cube.cells["value"].cast(pa.int64())),
        cube.relations,
        cube.codes,
        cube.dimensions,
    )


def magnitudes(dimensions: list[cubes.Dimension], records: int) -> cubes.Cube:
    """Magnitudes under p%, with the five largest contributors of each cell; one in five is in several cells."""
    microdata = cubes.contributions(np.random.default_rng(10), [each.leaves for each in dimensions], records)
    held = cubes.amounts(dimensions, *microdata)
    return cubes.with_contributors(cubes.magnitude_cube(dimensions, *microdata, percent=10.0), held, largest=5)


CASES: dict[str, tuple[Callable[[], cubes.Cube], dict[str, object]]] = {
    "counts_3d_35k": (lambda: counts("counts_3d_35k"), {"threshold": 5}),
    "counts_3d_537k": (lambda: counts("counts_3d_537k"), {"threshold": 10}),
    "magnitudes_3d_9k": (
        lambda: magnitudes([nested(40, 8), nested(30, 6), cubes.flat(4)], 25_000),
        {"threshold": 3, "p_percent": 10},
    ),
    "magnitudes_3d_35k": (lambda: magnitudes(medium(), 90_000), {"threshold": 3, "p_percent": 10}),
}
HEADINGS = ("case", "call", "wall s", "CPU s", "secondaries", "value", "verdicts", "peak GB")


def timed(call: Callable[..., pa.Table], *arguments: object, **options: object) -> tuple[pa.Table, list[str]]:
    """The result of a call, and its wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    out = call(*arguments, **options)
    return out, [f"{time.perf_counter() - wall:.1f}", f"{time.process_time() - cpu:.1f}"]


def lines(name: str) -> list[list[str]]:
    """The lines of a case: suppression and its audit."""
    build, rules = CASES[name]
    cube = build()
    pattern, seconds = timed(suppress, cube.cells, cube.relations, rules=rules)
    cells = cube.cells.set_column(cube.cells.column_names.index("status"), "status", pattern["status"])
    value = cells.filter(pc.equal(cells["status"], "secondary"))["value"].to_numpy()
    out = [[name, "suppress", *seconds, f"{len(value):,}", f"{value.sum():,.0f}", ""]]
    audited, seconds = timed(audit, cells, cube.relations, rules=rules)
    verdicts = Counter(audited["verdict"].to_pylist())
    out.append([name, "audit", *seconds, "", "", ", ".join(f"{n:,} {verdict}" for verdict, n in verdicts.items())])
    peak = f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2:.1f}"
    return [[*line, peak] for line in out]


def main() -> None:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sums", description=__doc__.splitlines()[0])
    parser.add_argument("--case", default="*", help="cases by wildcard")
    asked = parser.parse_args()
    print("| " + " | ".join(HEADINGS) + " |\n|" + "---|" * len(HEADINGS))
    for name in fnmatch.filter(CASES, asked.case):
        for line in lines(name):
            print("| " + " | ".join(line) + " |", flush=True)


if __name__ == "__main__":
    main()
