"""What the statistics of cells() cost, against the one step that nothing avoids: grouping the same file once by
contributor and leaf cell.

    python -m benchmarks.cells                     10.8 million contributions, counts only and counts with turnover
    python -m benchmarks.cells --units 500000
    python -m benchmarks.cells --contributor enterprise_reference

Contributions are the synthetic register of the demonstration (`sdc.demo.register`), 2.7 million local units of
enterprise groups, repeated over four periods; areas, industries and size bands are those of the seeds. Prints wall and
CPU seconds, their ratio to the grouping of the same run, the peak memory of the process so far, and the median ratio.
Run it alone on the machine: a ratio is of two timings."""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import duckdb
from dbt.cli.main import dbtRunner

from sdc.demo.register import generate

ROOT = Path(__file__).resolve().parents[1]
SEEDS = ROOT / "seeds" / "classifications"
PERIODS = 4
DIMENSIONS = ("area", "industry", "size_band")
MEASURES = {
    "counts": "{'units': {'count': true}}",
    "counts and turnover": "{'units': {'count': true}, 'turnover': {'sum': 'turnover'}}",
}
GROUPING = """
    select period, area, industry, size_band, contributor, count(*) as records, sum(turnover) as turnover
    from contributions
    group by all
"""


def draw(connection: duckdb.DuckDBPyConnection, units: int, contributor: str) -> None:
    """Tables `contributions` and `<dimension>_tree`; the same for the same arguments."""
    for name in DIMENSIONS:
        connection.read_csv(str(SEEDS / f"{name}_hierarchy.csv"), all_varchar=True).create(f"{name}_tree")
    connection.read_csv(str(SEEDS / "size_bands.csv")).create("size_bands")
    register = generate(units)
    connection.register("register", register)
    connection.execute(f"""
        create table contributions as
        select
            cast(2024 - range as varchar) as period,
            {contributor} as contributor,
            itl3_code as area,
            sic2007_class[:2] || '.' || sic2007_class[3:] as industry,
            size_bands.size_band,
            turnover
        from register
        inner join size_bands on employment between lowest and coalesce(highest, employment)
        cross join range({PERIODS})
    """)
    connection.unregister("register")


def compiled(measures: str) -> str:
    """The SQL of a cells model, compiled by dbt in a folder of its own. Raises RuntimeError where dbt refuses."""
    dimensions = ", ".join(f"'{name}': {{'hierarchy': '{name}_tree'}}" for name in DIMENSIONS)
    call = (
        f"sdc.cells(relation='contributions', dimensions={{{dimensions}}}, measures={measures}, "
        "contributor='contributor', by=['period'])"
    )
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("dbt_project.yml", "profiles.yml"):
            shutil.copy(ROOT / name, folder)
        (Path(folder) / "macros").symlink_to(ROOT / "macros")
        os.chdir(folder)
        try:
            done = dbtRunner().invoke(
                ["--log-level", "none", "compile", "--target", "lint", "--inline", "{{ " + call + " }}"]
            )
        finally:
            os.chdir(before)
    if not done.success:
        raise RuntimeError(f"dbt did not compile the cells model: {done.exception}")
    return done.result.results[0].node.compiled_code


def timed(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[float, float, int]:
    """Wall seconds, CPU seconds and rows of making a table."""
    wall, cpu = time.perf_counter(), time.process_time()
    connection.execute(f"create or replace temp table made as {sql}")
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return wall, cpu, connection.execute("select count(*) from made").fetchone()[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=2_700_000, help="local units, of four periods each")
    parser.add_argument("--contributor", default="enterprise_group_reference", help="or enterprise_reference")
    parser.add_argument("--memory", default="7GB", help="limit given to DuckDB")
    parser.add_argument("--runs", type=int, default=3, help="times that all are timed, in turn")
    asked = parser.parse_args()
    queries = {name: compiled(measures) for name, measures in MEASURES.items()}
    ratios = {name: [] for name in MEASURES}
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(str(Path(folder) / "benchmark.duckdb")) as connection:
        connection.execute("set preserve_insertion_order = false")
        draw(connection, asked.units, asked.contributor)
        connection.execute(f"set memory_limit = '{asked.memory}'")
        for _ in range(asked.runs):
            least_wall, least_cpu, groups = timed(connection, GROUPING)
            print(f"grouping {asked.units * PERIODS:,} rows to {groups:,}: {least_wall:.1f} s, CPU {least_cpu:.1f} s")
            for name, sql in queries.items():
                wall, cpu, cells = timed(connection, sql)
                ratios[name].append(wall / least_wall)
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
                print(
                    f"cells(), {name}: {wall:.1f} s ({wall / least_wall:.1f} times), CPU {cpu:.1f} s "
                    f"({cpu / least_cpu:.1f} times), {cells:,} cells, peak {peak:.1f} GB",
                    flush=True,
                )
    for name, times in ratios.items():
        print(f"cells(), {name}: {statistics.median(times):.1f} times the grouping (median of {asked.runs})")


if __name__ == "__main__":
    main()
