"""Input that must be refused: an error that names the cells or relations, and no partial result."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from oracle import checks, cubes
from sdc.engine import audit, suppress
from sdc.engine.errors import EngineError

ENTRIES = pytest.mark.parametrize("entry", [suppress, audit])


@pytest.fixture
def cube() -> cubes.Cube:
    leaves = np.array([[1, 12, 7], [9, 2, 30], [14, 22, 3]])
    return cubes.count_cube([cubes.flat(3), cubes.flat(3)], leaves, threshold=4)


def replaced(table: pa.Table, name: str, row: int, value: object) -> pa.Table:
    values = table[name].to_pylist()
    values[row] = value
    return checks.with_column(table, name, values)


@ENTRIES
def test_relation_that_does_not_hold_is_named_with_its_difference(entry, cube: cubes.Cube) -> None:
    cells = replaced(cube.cells, "value", 5, cube.cells["value"].to_pylist()[5] + 3.0)
    broken = {
        row["relation_id"] for row in cube.relations.to_pylist() if row["cell_id"] == cube.cells["cell_id"][5].as_py()
    }
    with pytest.raises(EngineError) as refused:
        entry(cells, cube.relations)
    assert set(refused.value.relations) == broken
    assert "3" in str(refused.value)
    assert all(str(relation) in str(refused.value) for relation in broken)


@ENTRIES
def test_unknown_cell_in_a_relation(entry, cube: cubes.Cube) -> None:
    with pytest.raises(EngineError, match="987654") as refused:
        entry(cube.cells, replaced(cube.relations, "cell_id", 0, 987654))
    assert 987654 in list(refused.value.cells)


@ENTRIES
def test_duplicate_cell(entry, cube: cubes.Cube) -> None:
    with pytest.raises(EngineError) as refused:
        entry(pa.concat_tables([cube.cells, cube.cells.slice(3, 1)]), cube.relations)
    assert cube.cells["cell_id"][3].as_py() in list(refused.value.cells)


@ENTRIES
def test_duplicate_coefficient(entry, cube: cubes.Cube) -> None:
    with pytest.raises(EngineError) as refused:
        entry(cube.cells, pa.concat_tables([cube.relations, cube.relations.slice(2, 1)]))
    assert cube.relations["relation_id"][2].as_py() in list(refused.value.relations)


@ENTRIES
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("column", ["value", "upl", "lpl", "spl", "cost"])
def test_values_levels_and_costs_are_finite(entry, cube: cubes.Cube, column: str, value: float) -> None:
    cells = cube.cells
    if column != "value":
        cells = checks.with_column(
            cells, column, [1.0 if status == "primary" else 0.0 for status in cells["status"].to_pylist()]
        )
    with pytest.raises(EngineError) as refused:
        entry(replaced(cells, column, 0, value), cube.relations)
    assert cube.cells["cell_id"][0].as_py() in list(refused.value.cells)


@ENTRIES
@pytest.mark.parametrize("column", ["upl", "lpl", "spl"])
def test_negative_level(entry, cube: cubes.Cube, column: str) -> None:
    levels = checks.with_column(cube.cells, column, [0.0] * cube.cells.num_rows)
    with pytest.raises(EngineError) as refused:
        entry(replaced(levels, column, 0, -1.0), cube.relations)
    assert cube.cells["cell_id"][0].as_py() in list(refused.value.cells)


@ENTRIES
@pytest.mark.parametrize(("lower", "upper"), [(2.0, math.inf), (0.0, 0.5), (math.nan, 5.0), (0.0, math.nan)])
def test_value_outside_the_attackers_bounds(entry, cube: cubes.Cube, lower: float, upper: float) -> None:
    cells = replaced(cube.cells, "lower", 0, lower)
    cells = replaced(checks.with_column(cells, "upper", [math.inf] * cells.num_rows), "upper", 0, upper)
    with pytest.raises(EngineError) as refused:
        entry(cells, cube.relations)
    assert cube.cells["cell_id"][0].as_py() in list(refused.value.cells)


@ENTRIES
def test_negative_count(entry) -> None:
    cells = pa.table({"cell_id": [1, 2, 3], "value": [5.0, -1.0, 6.0], "status": ["safe", "primary", "safe"]})
    relations = pa.table({"relation_id": [1, 1, 1], "cell_id": [1, 2, 3], "coefficient": [1.0, -1.0, -1.0]})
    with pytest.raises(EngineError) as refused:
        entry(cells, relations)
    assert list(refused.value.cells) == [2]


def test_negative_values_are_welcome_where_the_bounds_say_so() -> None:
    cells = pa.table(
        {
            "cell_id": [1, 2, 3, 4],
            "value": [8.0, -1.0, 6.0, 3.0],
            "status": ["safe", "primary", "safe", "safe"],
            "lower": [-math.inf] * 4,
            "upl": [0.0, 2.0, 0.0, 0.0],
            "lpl": [0.0, 2.0, 0.0, 0.0],
        }
    )
    relations = pa.table({"relation_id": [1] * 4, "cell_id": [1, 2, 3, 4], "coefficient": [1.0, -1.0, -1.0, -1.0]})
    checks.assert_protected(cells, relations, suppress(cells, relations))


@ENTRIES
def test_unknown_status(entry, cube: cubes.Cube) -> None:
    with pytest.raises(EngineError, match="confidential") as refused:
        entry(replaced(cube.cells, "status", 4, "confidential"), cube.relations)
    assert cube.cells["cell_id"][4].as_py() in list(refused.value.cells)


@ENTRIES
@pytest.mark.parametrize("column", ["cell_id", "value", "status"])
def test_missing_and_null_columns(entry, cube: cubes.Cube, column: str) -> None:
    with pytest.raises(EngineError, match=column):
        entry(cube.cells.drop_columns([column]), cube.relations)
    with pytest.raises(EngineError, match=column):
        entry(replaced(cube.cells, column, 2, None), cube.relations)


@ENTRIES
@pytest.mark.parametrize("column", ["relation_id", "cell_id", "coefficient"])
def test_missing_and_null_relation_columns(entry, cube: cubes.Cube, column: str) -> None:
    with pytest.raises(EngineError, match=column):
        entry(cube.cells, cube.relations.drop_columns([column]))
    with pytest.raises(EngineError, match=column):
        entry(cube.cells, replaced(cube.relations, column, 2, None))


@ENTRIES
@pytest.mark.parametrize("coefficient", [math.nan, math.inf])
def test_coefficient_that_is_no_number(entry, cube: cubes.Cube, coefficient: float) -> None:
    with pytest.raises(EngineError) as refused:
        entry(cube.cells, replaced(cube.relations, "coefficient", 2, coefficient))
    assert cube.relations["relation_id"][2].as_py() in list(refused.value.relations)


@ENTRIES
def test_wrong_type(entry, cube: cubes.Cube) -> None:
    with pytest.raises(EngineError, match="value"):
        entry(checks.with_column(cube.cells, "value", ["many"] * cube.cells.num_rows), cube.relations)


@ENTRIES
def test_empty_table(entry, cube: cubes.Cube) -> None:
    with pytest.raises(EngineError, match="(?i)no cells|empty"):
        entry(cube.cells.slice(0, 0), cube.relations.slice(0, 0))


def test_unknown_options(cube: cubes.Cube) -> None:
    with pytest.raises(EngineError, match="cheapest"):
        suppress(cube.cells, cube.relations, cost="cheapest")
    with pytest.raises(EngineError, match="magic"):
        suppress(cube.cells, cube.relations, method="magic")


def test_frozen_primary_contradicts_itself(cube: cubes.Cube) -> None:
    frozen = [status == "primary" for status in cube.cells["status"].to_pylist()]
    with pytest.raises(EngineError) as refused:
        suppress(checks.with_column(cube.cells, "frozen", frozen), cube.relations)
    assert set(refused.value.cells) <= {
        cell for cell, fixed in zip(cube.cells["cell_id"].to_pylist(), frozen, strict=True) if fixed
    }
    assert refused.value.cells


def test_frozen_cells_that_reveal_a_primary_are_refused_with_it(cube: cubes.Cube) -> None:
    """Everything safe was released before: each primary stands alone in its lines."""
    frozen = [status == "safe" for status in cube.cells["status"].to_pylist()]
    with pytest.raises(EngineError) as refused:
        suppress(checks.with_column(cube.cells, "frozen", frozen), cube.relations)
    primary = {cell for cell, fixed in zip(cube.cells["cell_id"].to_pylist(), frozen, strict=True) if not fixed}
    assert set(refused.value.cells) & primary
    assert all(str(cell) in str(refused.value) for cell in list(refused.value.cells)[:3])


def test_errors_never_quote_a_cells_value() -> None:
    """The message of a relation that does not hold gives the difference and not the values around it."""
    cells = pa.table(
        {"cell_id": [1, 2, 3], "value": [918273.0, 4321.0, 918273.0], "status": ["safe", "primary", "safe"]}
    )
    relations = pa.table({"relation_id": [1, 1, 1], "cell_id": [1, 2, 3], "coefficient": [1.0, -1.0, -1.0]})
    cells = replaced(cells, "value", 0, 918274.0)
    with pytest.raises(EngineError) as refused:
        suppress(cells, relations)
    assert "91827" not in str(refused.value)


@ENTRIES
@pytest.mark.parametrize("missing", [None, math.nan])
def test_number_of_contributors_that_rules_need_is_not_taken_for_nobody(entry, missing, cube: cubes.Cube) -> None:
    cells = checks.with_column(cube.cells, "contributors", cube.cells["value"].to_pylist())
    row = cube.cells["status"].to_pylist().index("primary")
    with pytest.raises(EngineError, match=r"cells\.contributors: missing") as refused:
        entry(replaced(cells, "contributors", row, missing), cube.relations, rules={"threshold": 4})
    assert list(refused.value.cells) == [cube.cells["cell_id"][row].as_py()]
