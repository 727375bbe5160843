"""What the statistics of cells() cost, against the one step that nothing avoids: grouping the same file once by
contributor and leaf cell.

    python -m benchmarks.cells                     10 million contributions, counts only and counts with turnover
    python -m benchmarks.cells --rows 2000000

Contributions are drawn: four periods, three hierarchical dimensions (192 areas in 3 levels, 300 industries in 3, 5 size
bands), 30 percent of the units owned by enterprises with several. Prints wall and CPU seconds, their ratio to the
grouping, and the peak memory of the process so far. Run it alone on the machine: the ratio is of two timings."""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path

import duckdb
from dbt.cli.main import dbtRunner

ROOT = Path(__file__).resolve().parents[1]
FANS = {"area": [12, 4, 4], "industry": [15, 4, 5], "size_band": [5]}
MEASURES = {
    "counts": "{'units': {'count': true}}",
    "counts and turnover": "{'units': {'count': true}, 'turnover': {'sum': 'turnover'}}",
}
GROUPING = """
    select period, area, industry, size_band, enterprise, count(*) as records, sum(turnover) as turnover
    from contributions
    group by all
"""


def hierarchy(name: str, fan: list[int]) -> list[tuple[str, str | None, str]]:
    """(code, parent, label) of a tree with so many children at each level below the total."""
    rows, level = [("Total", None, "Total")], ["Total"]
    for children in fan:
        level = [
            (code, parent)
            for parent in level
            for code in (f"{parent[: 0 if parent == 'Total' else None]}{i:02d}" for i in range(children))
        ]
        rows += [(code, parent, f"{name} {code}") for code, parent in level]
        level = [code for code, _ in level]
    return rows


def draw(connection: duckdb.DuckDBPyConnection, rows: int) -> None:
    """Tables `contributions` and `<dimension>_tree`; the same for the same number of rows."""
    for name, fan in FANS.items():
        codes = hierarchy(name, fan)
        connection.execute(f"create table {name}_tree (code varchar, parent varchar, label varchar)")
        connection.executemany(f"insert into {name}_tree values (?, ?, ?)", codes)
        connection.execute(
            f"create table {name}_leaves as "
            "select code, row_number() over (order by code) - 1 as place, count(*) over () as n "
            f"from {name}_tree where code not in (select parent from {name}_tree where parent is not null)"
        )
    share = "(hash({}) % 1000000 / 1e6)"
    units = rows // 4
    connection.execute(f"""
        create table contributions as
        select
            cast(2020 + record % 4 as varchar) as period,
            lower(hex(cast(hash(owner) as varchar)))[:32] as enterprise,
            area_leaves.code as area,
            industry_leaves.code as industry,
            size_band_leaves.code as size_band,
            cast(exp(4 + 6 * {share.format("record * 7 + 1")}) as decimal(18, 2)) as turnover
        from (
            select
                range as record,
                range // 4 as unit,
                case
                    when unit % 10 < 7 then unit
                    else {units} + cast(floor(power({share.format("unit")}, 3) * {units} * 0.12) as bigint)
                end as owner
            from range({rows})
        )
        inner join area_leaves on area_leaves.place = floor(power({share.format("unit * 3")}, 1.5) * area_leaves.n)
        inner join industry_leaves
            on industry_leaves.place
            = floor(power({share.format("5 * case when unit % 3 = 0 then unit else owner end")}, 2) * industry_leaves.n)
        inner join size_band_leaves
            on size_band_leaves.place = floor(power({share.format("owner * 9")}, 2) * size_band_leaves.n)
    """)


def compiled(measures: str) -> str:
    """The SQL of a cells model, compiled by dbt in a folder of its own. Raises RuntimeError where dbt refuses."""
    dimensions = ", ".join(f"'{name}': {{'hierarchy': '{name}_tree'}}" for name in FANS)
    call = (
        f"sdc.cells(relation='contributions', dimensions={{{dimensions}}}, measures={measures}, "
        "contributor='enterprise', by=['period'])"
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
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--memory", default="7GB", help="limit given to DuckDB")
    asked = parser.parse_args()
    queries = {name: compiled(measures) for name, measures in MEASURES.items()}
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(str(Path(folder) / "benchmark.duckdb")) as connection:
        connection.execute("set preserve_insertion_order = false")
        draw(connection, asked.rows)
        connection.execute(f"set memory_limit = '{asked.memory}'")
        least_wall, least_cpu, groups = timed(connection, GROUPING)
        print(f"grouping {asked.rows:,} contributions: {least_wall:.1f} s, CPU {least_cpu:.1f} s, {groups:,} rows")
        for name, sql in queries.items():
            wall, cpu, cells = timed(connection, sql)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
            print(
                f"cells(), {name}: {wall:.1f} s ({wall / least_wall:.1f} times), CPU {cpu:.1f} s "
                f"({cpu / least_cpu:.1f} times), {cells:,} cells, peak {peak:.1f} GB",
                flush=True,
            )


if __name__ == "__main__":
    main()
