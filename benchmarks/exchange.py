"""The folder through which an instance reaches a tool in another process, and its pattern comes back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather


@dataclass(frozen=True)
class Table:
    """An instance as a tool sees it: the engine's contract, and the codes and splits behind it.

    ``codes`` is cells x dimensions; ``splits`` has for each dimension its (parent, children); the last code
    is the total."""

    cells: pa.Table
    relations: pa.Table
    codes: np.ndarray
    sizes: list[int]
    splits: list[list[tuple[int, list[int]]]]

    def leaves(self, axis: int) -> list[int]:
        """Codes of a dimension that no split divides."""
        parents = {parent for parent, _ in self.splits[axis]}
        return [code for code in range(self.sizes[axis]) if code not in parents]

    def is_leaf(self) -> np.ndarray:
        """Cells whose codes are leaves in every dimension."""
        return np.all([np.isin(self.codes[:, axis], self.leaves(axis)) for axis in range(len(self.sizes))], axis=0)


def write(folder: Path, cells: pa.Table, relations: pa.Table, codes: np.ndarray, dimensions: object) -> None:
    """Leave an instance in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    feather.write_feather(cells, str(folder / "cells.arrow"))
    feather.write_feather(relations, str(folder / "relations.arrow"))
    np.save(folder / "codes.npy", codes)
    shape = {
        "sizes": [dimension.size for dimension in dimensions],
        "splits": [[[parent, list(children)] for parent, children in dimension.splits] for dimension in dimensions],
    }
    (folder / "shape.json").write_text(json.dumps(shape))


def read(folder: Path) -> Table:
    """The instance left in a folder."""
    shape = json.loads((folder / "shape.json").read_text())
    return Table(
        feather.read_table(str(folder / "cells.arrow")),
        feather.read_table(str(folder / "relations.arrow")),
        np.load(folder / "codes.npy"),
        shape["sizes"],
        [[(parent, children) for parent, children in splits] for splits in shape["splits"]],
    )
