"""Read the published figures that the synthetic inputs are calibrated on (``seeds/calibration``)."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PROJECT_SEEDS = Path(__file__).resolve().parents[3] / "seeds"
"""The seeds folder of the project this module belongs to."""


@dataclass(frozen=True)
class CountTable:
    """A published table of counts: ``values[i, j]`` belongs to ``rows[i]`` and ``columns[j]``."""

    rows: list[str]
    columns: list[str]
    values: np.ndarray


def read_records(name: str, seeds: Path | None = None) -> list[dict[str, str]]:
    """Rows of the seed ``name`` (a path under ``seeds``, without ``.csv``) as dictionaries of strings.

    Raises ``FileNotFoundError`` naming the file when the seed is not there.
    """
    path = (PROJECT_SEEDS if seeds is None else seeds) / f"{name}.csv"
    if not path.is_file():
        raise FileNotFoundError(f"seed {path} not found: run from the project's root or pass its seeds folder")
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def read_counts(name: str, seeds: Path | None = None) -> CountTable:
    """The seed ``calibration/<name>`` as a table: first column the row code, all others counts."""
    records = read_records(f"calibration/{name}", seeds)
    key, *columns = records[0]
    values = np.array([[int(record[column]) for column in columns] for record in records], dtype=np.int64)
    return CountTable([record[key] for record in records], columns, values)
