"""Write a generated table to a file, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

ROWS_PER_GROUP = 122_880


def write_table(table: pa.Table, path: Path) -> None:
    """Write ``table`` to ``path`` as Parquet or CSV, by its suffix, replacing the file only when all is
    written.

    Raises ``ValueError`` for any other suffix.
    """
    if path.suffix not in {".parquet", ".csv"}:
        raise ValueError(f"{path}: the name must end in .parquet or .csv")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.suffix == ".parquet":
            pq.write_table(table, unfinished, compression="zstd", row_group_size=ROWS_PER_GROUP)
        else:
            pacsv.write_csv(table, unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
