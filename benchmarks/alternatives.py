"""Controlled rounding and adjustment of tables of several sizes: time, and deviation beside a lower bound.

`python -m benchmarks.alternatives [--method rounding|adjustment] [--base 5] [--instance NAME ...]` prints one row an
instance. The bound is the engine's own: of the linear relaxation where that is solved, else each cell's nearest
multiple (rounding) or least level (adjustment). Every result is checked here anew: multiples, movements, sums.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from benchmarks.instances import INSTANCES, cubes, hierarchical, nested, two_way
from sdc.engine import EngineError, adjust, round_controlled

TABLES: dict[str, Callable[[], cubes.Cube]] = {
    "counts_2d_100": lambda: two_way(100, 100, 12.4, 1),
    "counts_3d_3k": lambda: hierarchical([nested(20, 4), nested(16, 4), cubes.flat(5)], 6.0, 5, 9),
    "counts_3d_11k": lambda: hierarchical([nested(40, 8), nested(30, 6), cubes.flat(5)], 8.0, 5, 3),
    "counts_3d_29k": lambda: hierarchical([nested(64, 12), nested(38, 8), cubes.flat(7)], 6.0, 5, 9),
    "counts_3d_35k": INSTANCES["counts_3d_35k"].build,
    "magnitudes_3d_35k": INSTANCES["magnitudes_3d_35k"].build,
}
THRESHOLD = 5


def rounding(cube: cubes.Cube, base: int) -> tuple[pa.Table, bool]:
    """The rounded table, and whether it is one."""
    result = round_controlled(cube.cells, cube.relations, base)
    value, rounded = result["value"].to_numpy(), result["rounded"].to_numpy()
    moved = np.abs(rounded - value)
    sound = (rounded % base == 0).all() and (moved < base).all() and (moved[value % base == 0] == 0).all()
    return result, bool(sound and not _sums(cube, rounded).any())


def adjustment(cube: cubes.Cube, base: int) -> tuple[pa.Table, bool]:
    """The adjusted table, and whether it is one: counts to zero or the threshold, magnitudes by their level."""
    value = cube.cells["value"].to_numpy()
    unsafe = np.array(cube.cells["status"].to_pylist()) == "primary"
    if "upl" in cube.cells.column_names and cube.cells["upl"].to_numpy().any():
        up = np.maximum(cube.cells["upl"].to_numpy(), 1.0)
        down, whole = np.minimum(up, value), False
    else:
        up, down, whole = np.maximum(THRESHOLD - value, 1.0), value, True
    cells = cube.cells.select(["cell_id", "value", "status"])
    columns = {"upl": np.where(unsafe, up, 0.0), "lpl": np.where(unsafe, down, 0.0)}
    for name, column in {**columns, "integer": np.full(len(value), whole)}.items():
        cells = cells.append_column(name, pa.array(column))
    result = adjust(cells, cube.relations)
    adjusted = result["adjusted"].to_numpy()
    moved, near = adjusted - value, 1e-6 * (1.0 + np.abs(value))
    kept = (moved >= up - near) | (-moved >= down - near)
    return result, bool(kept[unsafe].all() and (np.abs(_sums(cube, adjusted)) <= 1e-6 * value.max()).all())


def _sums(cube: cubes.Cube, value: np.ndarray) -> np.ndarray:
    """The sum of each relation; cells are in the order of their ids."""
    ids = np.sort(cube.cells["cell_id"].to_numpy())
    _, row = np.unique(cube.relations["relation_id"].to_numpy(), return_inverse=True)
    column = np.searchsorted(ids, cube.relations["cell_id"].to_numpy())
    return sp.csr_matrix((cube.relations["coefficient"].to_numpy(), (row, column))) @ value


METHODS = {"rounding": rounding, "adjustment": adjustment}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", choices=METHODS, action="append")
    parser.add_argument("--instance", choices=TABLES, action="append")
    parser.add_argument("--base", type=int, default=5)
    options = parser.parse_args()
    print("| method | instance | cells | CPU s | deviation | lower bound | sound |")
    print("|---|---|---|---|---|---|---|")
    for method in options.method or METHODS:
        for name in options.instance or TABLES:
            if method == "rounding" and name.startswith("magnitudes"):
                continue
            cube = TABLES[name]()
            start = time.process_time()
            try:
                result, sound = METHODS[method](cube, options.base)
            except EngineError as error:
                spent = time.process_time() - start
                print(f"| {method} | {name} | {cube.cells.num_rows:,} | {spent:.1f} | {error} | | |", flush=True)
                continue
            spent = time.process_time() - start
            facts = {key.decode(): text.decode() for key, text in result.schema.metadata.items()}
            figures = f"{float(facts['deviation']):,.0f} | {float(facts['bound']):,.0f}"
            verdict = "yes" if sound else "NO"
            print(f"| {method} | {name} | {cube.cells.num_rows:,} | {spent:.1f} | {figures} | {verdict} |", flush=True)


if __name__ == "__main__":
    main()
