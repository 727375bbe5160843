"""Release files: one writer a format, each from the Parquet file of a gated mart.

A writer is a module with ``SUFFIX`` (the file name's ending) and ``write(parquet, target)``; adding a format is one
module and one line in `WRITERS`.
"""

from __future__ import annotations

from pathlib import Path

from sdc.release import csv

WRITERS = (csv,)


def write_all(parquet: Path) -> list[Path]:
    """Write every format of one release beside its Parquet file; returns the files written."""
    targets = []
    for writer in WRITERS:
        target = parquet.with_suffix(writer.SUFFIX)
        writer.write(parquet, target)
        targets.append(target)
    return targets
