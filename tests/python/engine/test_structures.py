"""The structures tables come in, each through suppression and audit, judged by the oracle."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from oracle import attack, checks, cubes, elimination
from sdc.engine import audit, heuristic, suppress


def protect(cube: cubes.Cube) -> dict[int, str]:
    """Suppress; oracle and audit both look at the result. Returns statuses by cell."""
    pattern = suppress(cube.cells, cube.relations, method="heuristic", work=50)
    checks.assert_well_formed(cube.cells, pattern)
    checks.assert_protected(cube.cells, cube.relations, pattern)
    audited = audit(checks.with_pattern(cube.cells, pattern), cube.relations)
    assert set(audited["verdict"].to_pylist()) == {"safe"}
    return checks.statuses(pattern)


def by_code(cube: cubes.Cube, status: dict[int, str]) -> dict[tuple, str]:
    codes = map(tuple, cube.codes.tolist())
    return dict(zip(codes, (status[cell] for cell in cube.cells["cell_id"].to_pylist()), strict=True))


def test_deep_hierarchies() -> None:
    """Six levels below the total, crossed with another dimension: every level of the branch needs its complement."""
    deep = cubes.levels(2, 2, 2, 2, 2, 2)
    leaves = np.random.default_rng(3).integers(6, 40, (deep.leaves, 2))
    leaves[5, 0] = 2
    cube = cubes.count_cube([deep, cubes.flat(2)], leaves, threshold=5)
    assert protect(cube)[int(np.flatnonzero((cube.codes == (5, 0)).all(axis=1))[0])] == "primary"


def test_parents_with_a_single_child() -> None:
    """A parent that has one child is the same number: a chain of them is hidden as one, up to where siblings join."""
    chain = cubes.Dimension(4, ((4, (0,)), (5, (4,)), (6, (5,)), (7, (1, 2, 3)), (8, (6, 7))))
    leaves = np.array([[30, 12], [10, 9], [25, 31], [8, 7]])
    cells = cubes.count_cube([chain, cubes.flat(2)], leaves, threshold=9)  # the primaries are elsewhere
    status = by_code(cells, protect(cells))
    for column in range(3):
        assert len({status[code, column] == "safe" for code in (0, 4, 5, 6)}) == 1, column
    leaves[0, 0] = 3
    cells = cubes.count_cube([chain, cubes.flat(2)], leaves, threshold=7)
    status = by_code(cells, protect(cells))
    assert [status[code, 0] for code in (0, 4, 5, 6)] == ["primary"] * 4
    assert "secondary" in {status[7, 0], status[8, 0]}


# Boroughs: Camden, City, Westminster, Islington. ITL3 of 2021: Camden and City; Westminster. Of 2025: Westminster and
# City; Camden. Islington is in both.
CAMDEN, CITY, WESTMINSTER, ISLINGTON, CAMDEN_AND_CITY, WESTMINSTER_AND_CITY, TOTAL = range(7)
OF_2021 = ((CAMDEN_AND_CITY, (CAMDEN, CITY)), (TOTAL, (CAMDEN_AND_CITY, WESTMINSTER, ISLINGTON)))
OF_2025 = ((WESTMINSTER_AND_CITY, (WESTMINSTER, CITY)), (TOTAL, (WESTMINSTER_AND_CITY, CAMDEN, ISLINGTON)))


def test_overlapping_geographies_are_one_system() -> None:
    """Two vintages over the same boroughs: each table alone can be safe while their difference is the small cell."""
    leaves = np.array([[40, 9], [1, 30], [25, 33], [60, 50]])
    vintages = {
        "2021": (CAMDEN_AND_CITY, WESTMINSTER, ISLINGTON, TOTAL),
        "2025": (CAMDEN, WESTMINSTER_AND_CITY, ISLINGTON, TOTAL),
    }
    both = cubes.count_cube([cubes.Dimension(4, OF_2021 + OF_2025), cubes.flat(2)], leaves, threshold=5)
    status = by_code(both, protect(both))
    assert status[CITY, 0] == "primary"
    for areas in vintages.values():
        # no area of either vintage is small: with its own codes only, nothing would be suppressed ...
        assert all(both.cells["value"][at].as_py() >= 5 for at, (a, _) in enumerate(both.codes.tolist()) if a in areas)
    # ... and then Camden and City less Camden is the City
    pattern = pa.table(
        {
            "cell_id": both.cells["cell_id"],
            "status": ["primary" if (a, b) == (CITY, 0) else "safe" for a, b in both.codes.tolist()],
        }
    )
    assert attack.exact_cells(attack.View.from_arrow(both.cells, both.relations, pattern))
    assert any(status[area, 0] != "safe" for areas in vintages.values() for area in areas), "a vintage gives up cells"


def test_eight_dimensions() -> None:
    """2^8 leaves, 6,561 cells: one small leaf needs a complement in each of eight directions."""
    leaves = np.random.default_rng(8).integers(20, 60, (2,) * 8)
    leaves[(0,) * 8] = 3
    cube = cubes.count_cube([cubes.flat(2)] * 8, leaves, threshold=5)
    pattern = suppress(cube.cells, cube.relations, method="heuristic", work=5)
    checks.assert_well_formed(cube.cells, pattern)
    view = attack.View.from_arrow(cube.cells, cube.relations, pattern)
    hidden = np.flatnonzero(view.hidden)
    assert len(hidden) >= 2**8
    reduced = elimination.Reduced.of(view.relations[:, hidden])
    assert all(reduced.null_vector(8)), "no hidden cell is determined"
    primary = np.flatnonzero(view.primary).tolist()
    assert all(attack.whole_numbers(*interval) >= 2 for interval in attack.intervals(view, primary).values())
    audited = audit(checks.with_pattern(cube.cells, pattern), cube.relations)
    assert audited.num_rows == len(hidden) and set(audited["verdict"].to_pylist()) == {"safe"}
    # one cell less, and the audit says so
    status = checks.statuses(pattern)
    status[next(cell for cell, is_ in status.items() if is_ == "secondary")] = "safe"
    cells = checks.with_column(cube.cells, "status", [status[cell] for cell in cube.cells["cell_id"].to_pylist()])
    assert "exact" in audit(cells, cube.relations)["verdict"].to_pylist()


@pytest.mark.parametrize("seed", range(2))
def test_an_absent_cell_is_a_known_zero(seed: int) -> None:
    """A sparse cube and the same with its zeros listed are the same table: one pattern, and the same verdicts."""
    rng = np.random.default_rng(seed)
    leaves = rng.poisson(rng.lognormal(0.5, 1.2, (5, 4)))
    dimensions = [cubes.tree([3, 2]), cubes.flat(4)]
    listed, sparse = (cubes.count_cube(dimensions, leaves, 4, sparse=leave, lower=1.0) for leave in (False, True))
    assert sparse.cells.num_rows < listed.cells.num_rows
    full, part = by_code(listed, protect(listed)), by_code(sparse, protect(sparse))
    assert {code: status for code, status in full.items() if code in part} == part
    assert {status for code, status in full.items() if code not in part} == {"safe"}


@pytest.mark.parametrize("jointly", [False, True])
def test_a_sparse_cube_with_published_zeros(monkeypatch, jointly: bool) -> None:
    """Hidden counts are known to be at least 1, most can only rise: whichever comes first, bounds or relations, and
    whether cells are repaired together or one by one, an attacker's interval has room in the end."""
    if jointly:
        monkeypatch.setattr(heuristic, "JOINT_FROM", 1)
        monkeypatch.setattr(heuristic, "ONE_SIDED", 1)
    rng = np.random.default_rng(1)
    margins = [rng.lognormal(0.0, 1.0, size) for size in (9, 16, 3)]
    expected = np.einsum("i,j,k", *margins) * rng.lognormal(0.0, 1.0, (9, 16, 3))
    leaves = rng.poisson(expected * 1.2 / expected.mean())
    dimensions = [cubes.levels(3, 3), cubes.levels(4, 4), cubes.flat(3)]
    protect(cubes.count_cube(dimensions, leaves, threshold=3, sparse=True, lower=1.0))


def test_a_structural_zero_that_is_suppressed_protects_nothing() -> None:
    """Everybody knows it: as the only complement of a primary it leaves the primary exact, and is exact itself."""
    cells = pa.table(
        {
            "cell_id": [1, 2, 3, 4],
            "value": [42.0, 2.0, 0.0, 40.0],
            "status": ["safe", "primary", "secondary", "safe"],
            "upper": [None, None, 0.0, None],
        }
    )
    relations = pa.table({"relation_id": [1] * 4, "cell_id": [1, 2, 3, 4], "coefficient": [1.0, -1.0, -1.0, -1.0]})
    assert checks.verdicts(audit(cells, relations)) == {2: "exact", 3: "exact"}


def test_periods_are_independent() -> None:
    """Two periods in one call are suppressed as each alone is."""
    rng = np.random.default_rng(6)
    periods = [
        cubes.count_cube([cubes.tree([3, 2]), cubes.flat(4)], rng.poisson(9.0, (5, 4)), threshold=5) for _ in range(2)
    ]
    n, m = periods[0].cells.num_rows, 1 + max(periods[0].relations["relation_id"].to_pylist())

    def later(table: pa.Table, **by: int) -> pa.Table:
        for name, shift in by.items():
            table = table.set_column(table.column_names.index(name), name, pa.array(table[name].to_numpy() + shift))
        return table

    cells = pa.concat_tables([periods[0].cells, later(periods[1].cells, cell_id=n)]).drop_columns("contributor")
    relations = pa.concat_tables([periods[0].relations, later(periods[1].relations, relation_id=m, cell_id=n)])
    together = suppress(cells, relations, method="heuristic")["status"].to_pylist()
    alone = [
        suppress(period.cells.drop_columns("contributor"), period.relations, method="heuristic")["status"].to_pylist()
        for period in periods
    ]
    assert together == alone[0] + alone[1]
