"""Differential tests: the engine and the peers on small tables, each pattern judged by the oracle.

The peers run in the environment that ``python -m benchmarks.run --peers`` makes; where it is absent these
tests are skipped."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pytest
from benchmarks import exchange
from benchmarks.run import HERE, PEERS_ENVIRONMENT

from oracle import attack, checks, cubes
from sdc.engine import audit, suppress

PYTHON = PEERS_ENVIRONMENT / "bin" / "python"

pytestmark = pytest.mark.skipif(
    not (PEERS_ENVIRONMENT / "installed.txt").exists(), reason=f"no peers in {PEERS_ENVIRONMENT}"
)


def table(kind: str, seed: int) -> cubes.Cube:
    rng = np.random.default_rng(seed)
    if kind == "counts":
        return cubes.count_cube([cubes.flat(5), cubes.flat(4)], rng.poisson(7.0, (5, 4)), threshold=5)
    if kind == "hierarchical counts":
        dimensions = [cubes.tree([2, 3]), cubes.flat(3)]
        return cubes.count_cube(dimensions, rng.poisson(7.0, (5, 3)), threshold=5)
    dimensions = [cubes.flat(5), cubes.flat(4)]
    return cubes.magnitude_cube(dimensions, *cubes.contributions(rng, (5, 4), 160, variety=0.6), percent=15)


def peers_pattern(cube: cubes.Cube, tool: str, folder: Path) -> pa.Table:
    exchange.write(folder, cube.cells, cube.relations, cube.codes, cube.dimensions)
    command = [str(PYTHON), "-m", "benchmarks.worker", tool, str(folder)]
    done = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return feather.read_table(str(folder / "pattern.arrow"))


def secondary_value(cube: cubes.Cube, pattern: pa.Table) -> float:
    status = checks.statuses(pattern)
    pairs = zip(cube.cells["cell_id"].to_pylist(), cube.cells["value"].to_pylist(), strict=True)
    return sum(value for cell, value in pairs if status[cell] == "secondary")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["counts", "hierarchical counts", "magnitudes"])
@pytest.mark.parametrize("tool", ["gconfid", "tauargus-modular", "tauargus-optimal"])
def test_against_peer(tool: str, kind: str, seed: int, tmp_path: Path) -> None:
    """Our audit judges the peer's pattern as the oracle does; where it is safe, our optimum costs no more.

    All of them are asked for protection from the outsider, the one attacker that every peer knows.
    """
    cube = table(kind, seed)
    pattern = peers_pattern(cube, tool, tmp_path)
    assert {cell for cell, status in checks.statuses(pattern).items() if status == "primary"} == {
        row["cell_id"] for row in cube.cells.to_pylist() if row["status"] == "primary"
    }
    cells = checks.with_pattern(cube.cells, pattern)
    checks.assert_verdicts_match(cells, cube.relations, audit(cells, cube.relations, attackers="outsider"))

    ours = suppress(cube.cells, cube.relations, method="optimal", attackers="outsider")
    checks.assert_protected(cube.cells, cube.relations, ours)
    view = attack.View.from_arrow(cube.cells, cube.relations, pattern)
    primary = set(view.cell_id[view.primary].tolist())
    if primary.isdisjoint(attack.leaks(view)):
        assert secondary_value(cube, ours) <= secondary_value(cube, pattern) + 1e-6
