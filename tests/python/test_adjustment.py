"""Controlled tabular adjustment against brute force and on random cubes."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings

from oracle import cubes
from oracle.strategies import magnitude_cubes
from sdc.engine import EngineError, adjust, adjustment


def table(cube: cubes.Cube, **columns) -> pa.Table:
    cells = cube.cells.select(["cell_id", "value", "status"])
    for name, values in columns.items():
        cells = cells.append_column(name, pa.array(values))
    return cells


def check(cells: pa.Table, relations: pa.Table, result: pa.Table) -> None:
    """Unsafe cells away by their level, nothing negative, additive: recomputed here from the tables."""
    adjusted = dict(zip(result["cell_id"].to_pylist(), result["adjusted"].to_pylist(), strict=True))
    size = 1e-6 * max(1.0, max(cells["value"].to_pylist()))
    for row in cells.to_pylist():
        moved = adjusted[row["cell_id"]] - row["value"]
        assert adjusted[row["cell_id"]] >= -size
        if row["status"] == "primary":
            assert moved >= row["upl"] - size or -moved >= row["lpl"] - size
    sums: dict[int, float] = {}
    for row in relations.to_pylist():
        sums[row["relation_id"]] = sums.get(row["relation_id"], 0) + row["coefficient"] * adjusted[row["cell_id"]]
    assert all(abs(total) <= size for total in sums.values())


@pytest.mark.parametrize("seed", range(4))
def test_optimum_by_brute_force(seed):
    """2 x 2 with totals: four free numbers, every whole movement within 4 tried."""
    rng = np.random.default_rng(seed)
    leaves = rng.integers(1, 9, (2, 2))
    cube = cubes.count_cube([cubes.flat(2), cubes.flat(2)], leaves, threshold=4)
    status = np.array(cube.cells["status"].to_pylist())
    value = np.array(cube.cells["value"].to_pylist())
    if not (status == "primary").any():
        pytest.skip("no small count in this table")
    upl = np.where(status == "primary", 2.0, 0.0)
    lpl = np.where(status == "primary", np.minimum(value, 2.0), 0.0)
    cells = table(cube, upl=upl, lpl=lpl, integer=[True] * len(value), cost=[1.0] * len(value))
    result = adjust(cells, cube.relations)
    check(cells, cube.relations, result)

    codes = [tuple(code) for code in cube.codes]
    least = np.inf
    for moves in itertools.product(range(-4, 5), repeat=4):
        move = cubes.aggregate(np.array(moves).reshape(2, 2), cube.dimensions)
        change = np.array([move[code] for code in codes])
        away = (change >= upl) | (-change >= lpl)
        if (value + change >= 0).all() and away[status == "primary"].all():
            least = min(least, np.abs(change).sum())
    assert np.abs(np.array(result["deviation"])).sum() == pytest.approx(least)
    assert result.schema.metadata[b"proven"] == b"True"


@given(cube=magnitude_cubes(crossings=9))
@settings(max_examples=25)
def test_random_cubes(cube):
    upl = np.array(cube.cells["upl"].to_pylist())
    value = np.array(cube.cells["value"].to_pylist())
    level = np.maximum(upl, 0.01)
    primary = np.array(cube.cells["status"].to_pylist()) == "primary"
    cells = table(cube, upl=np.where(primary, level, 0.0), lpl=np.where(primary, np.minimum(level, value), 0.0))
    result = adjust(cells, cube.relations)
    check(cells, cube.relations, result)
    assert float(result.schema.metadata[b"bound"]) <= float(result.schema.metadata[b"deviation"]) + 1e-6


@given(cube=magnitude_cubes(crossings=9))
@settings(max_examples=25, deadline=None)
def test_directions_by_linear_programs(cube):
    """The method for large tables on small ones: levels kept and no cheaper than the proven optimum, or an error."""
    primary = np.array(cube.cells["status"].to_pylist()) == "primary"
    level = np.where(primary, np.maximum(cube.cells["upl"].to_numpy(), 0.01), 0.0)
    cells = table(cube, upl=level, lpl=np.minimum(level, cube.cells["value"].to_numpy()))
    exact = adjust(cells, cube.relations)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adjustment, "WHOLE", 0)
        try:
            result = adjust(cells, cube.relations)
        except EngineError as error:
            assert "was found within the limits" in str(error)
            return
    check(cells, cube.relations, result)
    facts, best = (each.schema.metadata for each in (result, exact))
    assert float(facts[b"bound"]) <= float(facts[b"deviation"]) * (1 + 1e-9)
    assert float(facts[b"deviation"]) >= float(best[b"bound"]) * (1 - 1e-6) - 1e-6


def test_thousands_of_counts():
    """Small counts go to zero or to five; all stay whole, in three dimensions where linear programs are not."""
    rng = np.random.default_rng(5)
    dimensions = [cubes.levels(4, 4), cubes.levels(4, 3), cubes.flat(5)]
    cube = cubes.count_cube(
        dimensions, rng.poisson(rng.lognormal(1.5, 1.5, [d.leaves for d in dimensions])), threshold=5
    )
    value = cube.cells["value"].to_numpy()
    primary = np.array(cube.cells["status"].to_pylist()) == "primary"
    assert len(value) > 2_000 and primary.sum() > 200
    cells = table(
        cube,
        upl=np.where(primary, np.maximum(5 - value, 1), 0.0),
        lpl=np.where(primary, value, 0.0),
        integer=[True] * len(value),
    )
    result = adjust(cells, cube.relations)
    check(cells, cube.relations, result)
    adjusted = result["adjusted"].to_numpy()
    assert (adjusted == np.round(adjusted)).all()
    assert not ((adjusted > 0) & (adjusted < 5) & primary).any()
    again = adjust(cells.take(pa.array(rng.permutation(len(value)))), cube.relations)
    assert again.equals(result)


def test_equal_cells_move_together(monkeypatch):
    """A total over one part, both unsafe, begun in opposite directions: only one of them turns."""
    monkeypatch.setattr(adjustment, "WHOLE", 0)
    monkeypatch.setattr(adjustment, "_balanced", lambda system, unsafe, up, down: np.arange(len(unsafe)) % 2)
    cells = pa.table({"cell_id": [1, 2], "value": [4.0, 4.0], "status": ["primary"] * 2, "upl": [2.0] * 2})
    cells = cells.append_column("lpl", pa.array([2.0, 2.0]))
    relations = pa.table({"relation_id": [1, 1], "cell_id": [1, 2], "coefficient": [1.0, -1.0]})
    one, other = adjust(cells, relations)["adjusted"].to_pylist()
    assert one == other and abs(one - 4.0) >= 2.0


def test_multiples_of_a_base():
    rng = np.random.default_rng(4)
    dimensions = [cubes.flat(4), cubes.flat(3)]
    cube = cubes.magnitude_cube(dimensions, *cubes.contributions(rng, (4, 3), 60))
    primary = np.array(cube.cells["status"].to_pylist()) == "primary"
    assert primary.any()
    level = np.where(primary, np.ceil(cube.cells["upl"].to_numpy()), 0.0)
    cells = table(cube, upl=level, lpl=np.minimum(level, cube.cells["value"].to_numpy()))
    result = adjust(cells, cube.relations, base=1.0)
    check(cells, cube.relations, result)
    assert all(number == round(number) for number in result["adjusted"].to_pylist())


CELLS = pa.table(
    {
        "cell_id": [1, 2, 3],
        "value": [7.0, 3.0, 4.0],
        "status": ["safe", "primary", "safe"],
        "upl": [0.0, 2.0, 0.0],
        "lpl": [0.0, 2.0, 0.0],
    }
)
RELATIONS = pa.table({"relation_id": [1, 1, 1], "cell_id": [1, 2, 3], "coefficient": [1.0, -1.0, -1.0]})


def test_bad_input_is_named():
    with pytest.raises(EngineError, match=r"needs levels above 0, by which it is moved \(cells 2\)"):
        adjust(CELLS.drop_columns(["upl"]), RELATIONS)
    tight = CELLS.append_column("lower", pa.array([0.0, 2.0, 0.0])).append_column("upper", pa.array([9.0, 4.0, 9.0]))
    with pytest.raises(EngineError, match=r"no room to move by the level \(cells 2\)"):
        adjust(tight, RELATIONS)
    fixed = CELLS.append_column("frozen", pa.array([True, False, True]))
    with pytest.raises(EngineError, match="no adjusted table that adds up"):
        adjust(fixed, RELATIONS)
    with pytest.raises(EngineError, match="do not sum to zero: 1"):
        adjust(CELLS.set_column(1, "value", pa.array([8.0, 3.0, 4.0])), RELATIONS)


def test_only_one_direction_has_room():
    """A cell that may not go below its bound goes up."""
    cells = CELLS.append_column("lower", pa.array([0.0, 2.5, 0.0]))
    assert adjust(cells, RELATIONS)["adjusted"].to_pylist()[1] >= 5.0
