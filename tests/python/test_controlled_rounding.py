"""Controlled rounding against brute force, the facts of two-way tables, and random cubes."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle import cubes
from oracle.strategies import count_cubes
from sdc.engine import EngineError, controlled_rounding, round_controlled
from sdc.engine.controlled_rounding import WHOLE


def check(cube: cubes.Cube, result: pa.Table, base: float) -> None:
    """Multiples, adjacent, multiples stay, additive: recomputed here from the tables."""
    value = dict(zip(cube.cells["cell_id"].to_pylist(), cube.cells["value"].to_pylist(), strict=True))
    rounded = dict(zip(result["cell_id"].to_pylist(), result["rounded"].to_pylist(), strict=True))
    assert rounded.keys() == value.keys()
    for cell, true in value.items():
        assert rounded[cell] % base == 0 and abs(rounded[cell] - true) < base
        assert true % base != 0 or rounded[cell] == true
    sums: dict[int, float] = {}
    for row in cube.relations.to_pylist():
        sums[row["relation_id"]] = sums.get(row["relation_id"], 0) + row["coefficient"] * rounded[row["cell_id"]]
    assert not any(sums.values())


def best(cube: cubes.Cube, base: int) -> float | None:
    """The least total deviation over all roundings of the cells, by trying every one; None where none adds."""
    ids = cube.cells["cell_id"].to_pylist()
    value = np.array(cube.cells["value"].to_pylist())
    matrix = np.zeros((1 + max(cube.relations["relation_id"].to_pylist()), len(ids)))
    for row in cube.relations.to_pylist():
        matrix[row["relation_id"], ids.index(row["cell_id"])] += row["coefficient"]
    below = value // base * base
    free = np.flatnonzero(value % base)
    least = None
    for ups in itertools.product((0, base), repeat=len(free)):
        rounded = below.copy()
        rounded[free] += ups
        if not (matrix @ rounded).any():
            deviation = np.abs(rounded - value).sum()
            least = deviation if least is None else min(least, deviation)
    return least


@pytest.mark.parametrize("seed", range(12))
def test_optimum_by_brute_force(seed):
    rng = np.random.default_rng(seed)
    shape = [(2, 3), (2, 2, 2), (5,), (3, 2)][seed % 4]
    cube = cubes.count_cube([cubes.flat(n) for n in shape], rng.integers(0, 9, shape), threshold=3)
    for base in (2, 3):
        least = best(cube, base)
        if least is None:
            with pytest.raises(EngineError, match="no rounding to adjacent multiples of the base adds up among cells"):
                round_controlled(cube.cells, cube.relations, base)
            continue
        result = round_controlled(cube.cells, cube.relations, base)
        check(cube, result, base)
        facts = {name.decode(): text.decode() for name, text in result.schema.metadata.items()}
        assert facts["proven"] == "True"
        assert float(facts["deviation"]) == pytest.approx(least) == pytest.approx(float(facts["bound"]))


@pytest.mark.parametrize("seed", range(10))
def test_two_way_tables_always_have_a_proven_solution(seed):
    """Cox & Ernst (1982): a two-way table is a transportation problem, so the relaxation is integral."""
    rng = np.random.default_rng(seed)
    cube = cubes.count_cube([cubes.flat(12), cubes.flat(9)], rng.negative_binomial(1, 0.1, (12, 9)), threshold=3)
    for base in (3, 5, 10):
        result = round_controlled(cube.cells, cube.relations, base)
        check(cube, result, base)
        assert result.schema.metadata[b"proven"] == b"True"


def test_a_three_way_table_without_a_solution_is_refused_by_name():
    """Causey, Cox & Ernst (1985): in three dimensions some tables have none; small random ones are of both kinds."""
    refused = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        cube = cubes.count_cube([cubes.flat(3)] * 3, rng.integers(0, 2, (3, 3, 3)), threshold=3)
        try:
            check(cube, round_controlled(cube.cells, cube.relations, 2), 2)
        except EngineError as error:
            assert "no rounding" in str(error) and error.cells
            refused += 1
    assert 0 < refused < 60


@given(cube=count_cubes(), base=st.sampled_from([2, 3, 5, 10]))
@settings(max_examples=60)
def test_random_cubes(cube, base):
    try:
        check(cube, round_controlled(cube.cells, cube.relations, base), base)
    except EngineError as error:
        assert "no rounding" in str(error)


def test_a_hierarchical_three_way_table(rng_seed=3):
    rng = np.random.default_rng(rng_seed)
    dimensions = [cubes.levels(3, 4), cubes.levels(5), cubes.levels(4)]
    cube = cubes.count_cube(dimensions, rng.poisson(3.0, [d.leaves for d in dimensions]), threshold=3)
    for base in (3, 5):
        first = round_controlled(cube.cells, cube.relations, base)
        check(cube, first, base)
        assert float(first.schema.metadata[b"deviation"]) <= 1.05 * float(first.schema.metadata[b"bound"])
        turned = np.random.default_rng(0).permutation(cube.cells.num_rows)
        again = round_controlled(cube.cells.take(pa.array(turned)), cube.relations, base)
        assert again.equals(first)


def test_a_table_too_large_for_branch_and_bound():
    """Hierarchies in two of three dimensions, skewed and with many zeros: some thousand cells, from the totals down."""
    rng = np.random.default_rng(9)
    dimensions = [cubes.levels(4, 4), cubes.levels(4, 3), cubes.flat(5)]
    mean = rng.lognormal(1.5, 1.5, [d.leaves for d in dimensions])
    cube = cubes.count_cube(dimensions, rng.poisson(mean), threshold=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(controlled_rounding, "WHOLE", 0)
        first = round_controlled(cube.cells, cube.relations, 5)
        check(cube, first, 5)
        turned = rng.permutation(cube.cells.num_rows)
        mixed = rng.permutation(cube.relations.num_rows)
        again = round_controlled(cube.cells.take(pa.array(turned)), cube.relations.take(pa.array(mixed)), 5)
    assert again.equals(first)
    assert float(first.schema.metadata[b"deviation"]) <= 1.25 * float(first.schema.metadata[b"bound"])


@given(cube=count_cubes(), base=st.sampled_from([2, 3, 5]))
@settings(max_examples=40, deadline=None)
def test_from_the_totals_down_is_never_wrong(cube, base):
    """What the method for large tables finds is a rounding; where it finds none it says so by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(controlled_rounding, "WHOLE", 0)
        try:
            check(cube, round_controlled(cube.cells, cube.relations, base), base)
        except EngineError as error:
            assert "controlled rounding: no rounding" in str(error) and error.cells


def test_a_part_without_a_rounding_is_named_in_a_large_table():
    """A block of Causey, Cox & Ernst's kind beside a large sound one: an error, and no table."""
    rng = np.random.default_rng(1)
    for _ in range(200):
        bad = cubes.count_cube([cubes.flat(3)] * 3, rng.integers(0, 2, (3, 3, 3)), threshold=3)
        try:
            round_controlled(bad.cells, bad.relations, 2)
        except EngineError:
            break
    good = cubes.count_cube([cubes.flat(14)] * 3, rng.poisson(6, (14, 14, 14)), threshold=3)
    cells, relations = beside(bad, good)
    assert sum(value % 2 != 0 for value in cells["value"].to_pylist()) > WHOLE
    with pytest.raises(EngineError, match="no rounding that adds up was found among cells") as caught:
        round_controlled(cells, relations, 2)
    assert set(caught.value.cells) <= set(bad.cells["cell_id"].to_pylist())


def beside(first: cubes.Cube, second: cubes.Cube) -> tuple[pa.Table, pa.Table]:
    """The cells and relations of two cubes as those of one product; the ids of the second come after the first's."""
    cell = 1 + max(first.cells["cell_id"].to_pylist())
    relation = 1 + max(first.relations["relation_id"].to_pylist())
    cells = pa.table(
        {
            "cell_id": first.cells["cell_id"].to_pylist() + [cell + i for i in second.cells["cell_id"].to_pylist()],
            "value": first.cells["value"].to_pylist() + second.cells["value"].to_pylist(),
        }
    )
    relations = pa.table(
        {
            "relation_id": first.relations["relation_id"].to_pylist()
            + [relation + i for i in second.relations["relation_id"].to_pylist()],
            "cell_id": first.relations["cell_id"].to_pylist()
            + [cell + i for i in second.relations["cell_id"].to_pylist()],
            "coefficient": first.relations["coefficient"].to_pylist() + second.relations["coefficient"].to_pylist(),
        }
    )
    return cells, relations


@pytest.mark.parametrize("whole", [WHOLE, 0])
def test_multiples_zeros_single_parts_and_shared_cells(monkeypatch, whole):
    monkeypatch.setattr(controlled_rounding, "WHOLE", whole)
    dimensions = [cubes.levels(3, 2), cubes.flat(1), cubes.flat(3)]
    rng = np.random.default_rng(2)
    for leaves in (5 * rng.integers(0, 4, (6, 1, 3)), np.zeros((6, 1, 3), dtype=int), rng.integers(0, 30, (6, 1, 3))):
        cube = cubes.count_cube(dimensions, leaves, threshold=3)
        check(cube, round_controlled(cube.cells, cube.relations, 5), 5)
    # Two tables with one margin (cells 1 to 3, their total 4): by 5, 6 and 7, 8; by 9, 10 in another way.
    cells = pa.table({"cell_id": list(range(1, 11)), "value": [7.0, 4, 12, 23, 3, 4, 2, 2, 11, 12]})
    sums = [(4, (1, 2, 3)), (1, (5, 6)), (2, (7, 8)), (4, (9, 10))]
    rows = [(i, c, s) for i, (t, parts) in enumerate(sums) for c, s in [(t, 1.0), *((p, -1.0) for p in parts)]]
    relations = pa.table(dict(zip(("relation_id", "cell_id", "coefficient"), zip(*rows, strict=True), strict=True)))
    check(cubes.Cube(cells, relations, (), []), round_controlled(cells, relations, 5), 5)


def test_decimals_and_negative_values():
    cells = pa.table({"cell_id": [1, 2, 3], "value": [0.3, -0.25, 0.05]})
    relations = pa.table({"relation_id": [1, 1, 1], "cell_id": [3, 1, 2], "coefficient": [1.0, -1.0, -1.0]})
    result = round_controlled(cells, relations, 0.1)
    assert np.allclose(result["rounded"].to_pylist()[0], 0.3)
    assert result["rounded"].to_pylist()[1] + 0.3 == pytest.approx(result["rounded"].to_pylist()[2])


CELLS = pa.table({"cell_id": [1, 2, 3], "value": [7.0, 3.0, 4.0]})
RELATIONS = pa.table({"relation_id": [1, 1, 1], "cell_id": [1, 2, 3], "coefficient": [1.0, -1.0, -1.0]})


@pytest.mark.parametrize("base", [0, -5, float("nan"), float("inf"), True, "5"])
def test_a_base_that_is_not_one_is_refused(base):
    with pytest.raises(EngineError, match="base: must be a positive number"):
        round_controlled(CELLS, RELATIONS, base)


def test_relations_that_do_not_add_are_refused():
    cells = CELLS.set_column(1, "value", pa.array([8.0, 3.0, 4.0]))
    with pytest.raises(EngineError, match="do not sum to zero: 1"):
        round_controlled(cells, RELATIONS, 5)
    halves = RELATIONS.set_column(2, "coefficient", pa.array([0.5, -0.5, -0.5]))
    with pytest.raises(EngineError, match="must be whole numbers"):
        round_controlled(CELLS, halves, 5)
    with pytest.raises(EngineError, match="missing column value"):
        round_controlled(CELLS.select(["cell_id"]), RELATIONS, 5)
