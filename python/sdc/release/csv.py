"""The tidy CSV (RFC 4180, UTF-8): one row per cell, an empty value beside its marker where it is suppressed."""

from __future__ import annotations

from pathlib import Path

import duckdb

SUFFIX = ".csv"


def write(parquet: Path, target: Path) -> None:
    """Write `target` from `parquet`, rows and columns in the same order."""
    with duckdb.connect(":memory:") as connection:
        connection.execute("set preserve_insertion_order = true")
        connection.execute("set threads = 1")
        connection.execute(
            f"copy (select * from read_parquet('{_quoted(parquet)}')) to '{_quoted(target)}' (format csv, header true)"
        )


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
