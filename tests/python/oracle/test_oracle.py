"""The yardstick itself: the oracle's attacks agree with one another and with enumeration."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from . import attack, csv_attack, cubes, elimination


def _code(dimension: cubes.Dimension, number: int) -> str:
    return csv_attack.TOTAL if number == dimension.size - 1 else f"c{number}"


def _name(axis: int) -> str:
    return f"d{axis}"


def write_release(cube: cubes.Cube, view: attack.View, folder: Path) -> tuple[list[Path], dict[str, Path]]:
    """A cube as published: one tidy CSV, and a hierarchy file per dimension (its last code is the total)."""
    table = folder / "table.csv"
    names = [_name(axis) for axis in range(len(cube.dimensions))]
    with table.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([*names, "n", "n_marker"])
        for place, codes in enumerate(cube.codes):
            shown = [_code(dimension, code) for dimension, code in zip(cube.dimensions, codes.tolist(), strict=True)]
            writer.writerow([*shown, *(("", "[c]") if view.hidden[place] else (int(view.value[place]), ""))])
    hierarchies = {}
    for axis, dimension in enumerate(cube.dimensions):
        hierarchies[_name(axis)] = folder / f"{_name(axis)}.csv"
        with hierarchies[_name(axis)].open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["code", "parent", "label", "hierarchy"])
            writer.writerow([csv_attack.TOTAL, "", "All", ""])
            for number, (parent, children) in enumerate(dimension.splits):
                for child in children:
                    writer.writerow([_code(dimension, child), _code(dimension, parent), "", f"h{number}"])
    return [table], hierarchies


def _key(cube: cubes.Cube, place: int) -> csv_attack.Key:
    coordinates = zip(cube.dimensions, cube.codes[place].tolist(), strict=True)
    return csv_attack.key(
        "n", **{_name(axis): _code(dimension, code) for axis, (dimension, code) in enumerate(coordinates)}
    )


def _hide_some(view: attack.View, seed: int, share: float) -> attack.View:
    hidden = view.hidden | (np.random.default_rng(seed).random(view.hidden.size) < share) & (view.value > 0)
    return attack.View(**{**view.__dict__, "hidden": hidden})


@pytest.mark.parametrize("seed", range(24))
def test_linear_algebra_programs_and_enumeration_agree(seed: int) -> None:
    cube = cubes.random_cube(seed, cells=60, magnitude=seed % 2 == 1)
    view = _hide_some(attack.View.from_arrow(cube.cells, cube.relations), seed, 0.25)
    assert abs(view.relations @ view.value).max() < 1e-9

    exact, found = attack.exact_cells(view), attack.findings(view)
    assert exact <= {cell for cell, what in found.items() if "exact" in what}
    for cell, (low, high) in attack.intervals(view).items():
        place = int(np.searchsorted(view.cell_id, cell))
        assert attack.findings_of(view, place, low, high) == found[cell]
    for matrix, _ in view.blocks():
        rational = attack._rational_determined(matrix)
        for prime in attack.random_primes(2):
            assert np.array_equal(rational, attack._modular_determined(attack._whole(matrix), prime))

    hidden = np.flatnonzero(view.hidden)
    right = -(view.relations[:, ~view.hidden] @ view.value[~view.hidden])
    fixed, solution = elimination.determined(view.relations[:, hidden], np.rint(right).astype(int).tolist())
    assert set(view.cell_id[hidden[fixed]].tolist()) == exact
    assert all(solution[place] == view.value[hidden[place]] for place in np.flatnonzero(fixed))


@pytest.mark.parametrize("seed", range(0, 40, 2))
def test_integer_programs_agree_with_enumeration(seed: int) -> None:
    cube = cubes.random_cube(seed, cells=40)
    view = _hide_some(attack.View.from_arrow(cube.cells, cube.relations), seed, 0.2)
    try:
        ids, tables = attack.enumerate_tables(view, limit=5_000)
    except attack.AttackError:
        return  # too many tables, or unbounded: other seeds do the work
    ranges = attack.integer_intervals(view)
    for column, cell in enumerate(ids.tolist()):
        assert ranges[cell] == pytest.approx((tables[:, column].min(), tables[:, column].max()), abs=1e-6)


@pytest.mark.parametrize("seed", range(24))
def test_csv_attacker_finds_what_the_cube_attacker_finds(seed: int, tmp_path: Path) -> None:
    cube = cubes.random_cube(seed, cells=80, magnitude=seed % 3 == 1)
    view = _hide_some(attack.View.from_arrow(cube.cells, cube.relations), seed, 0.15)
    found = csv_attack.attack(*write_release(cube, view, tmp_path), intervals=True)
    expected = {_key(cube, int(np.searchsorted(view.cell_id, cell))) for cell in attack.exact_cells(view)}
    truth = {_key(cube, place): value for place, value in enumerate(view.value.tolist())}
    assert not found.contradictions
    assert set(found.recovered) == expected
    for key, (value, true) in csv_attack.recovered_truths(found, truth).items():
        assert float(value) == pytest.approx(true, abs=1e-4), key
    for cell, (low, high) in attack.intervals(view).items():
        got = found.intervals[_key(cube, int(np.searchsorted(view.cell_id, cell)))]
        assert got == pytest.approx((low, high), abs=1e-4)


def test_csv_attacker_links_files_that_share_a_margin(tmp_path: Path) -> None:
    """Neither file gives anything away; together the recomputed sub-total of one is the missing part of the
    other.
    """
    area = tmp_path / "area.csv"
    area.write_text("code,parent,label\nTotal,,\nN,Total,\nS,Total,\nN1,N,\nN2,N,\nS1,S,\nS2,S,\n")
    trade = tmp_path / "trade.csv"
    trade.write_text("code,parent,label\nTotal,,\na,Total,\nb,Total,\n")
    (tmp_path / "one.csv").write_text("area,n,n_marker\nTotal,30,\nN,,[c]\nS,,[c]\n")
    (tmp_path / "two.csv").write_text(
        "area,trade,n,n_marker\nN1,a,4,\nN1,b,6,\nN2,a,1,\nN2,b,2,\nS1,a,,[c]\nS1,b,,[c]\n"
    )
    hierarchies = {"area": area, "trade": trade}
    assert not csv_attack.attack([tmp_path / "one.csv"], hierarchies).leaks
    found = csv_attack.attack([tmp_path / "one.csv", tmp_path / "two.csv"], hierarchies)
    assert found.recovered == {csv_attack.key("n", area="N"): 13, csv_attack.key("n", area="S"): 17}


def test_csv_attacker_knows_a_flat_dimension_by_its_total(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("size,size_label,n,n_marker\nTotal,All,15,\na,A,10,\nb,B,3,\nc,C,,[c]\n")
    assert csv_attack.attack([table], {}).recovered == {csv_attack.key("n", size="c"): 2}


def test_csv_attacker_uses_bounds(tmp_path: Path) -> None:
    """`15 = 10 + 3 + x + x` leaves 1 + 1 once zeros are known to be published; `7 = 7 + x + x` leaves zeros
    at once.
    """
    area = tmp_path / "area.csv"
    area.write_text("code,parent,label\nTotal,,\n" + "".join(f"{code},Total,\n" for code in "abcd"))
    table = tmp_path / "table.csv"
    table.write_text("area,n,n_marker\nTotal,15,\na,10,\nb,3,\nc,,[c]\nd,,[c]\n")
    assert not csv_attack.attack([table], {"area": area}, whole=["n"]).leaks
    pinned = csv_attack.attack([table], {"area": area}, whole=["n"], least={"n": 1}).pinned
    assert pinned == {csv_attack.key("n", area="c"): 1, csv_attack.key("n", area="d"): 1}
    table.write_text("area,n,n_marker\nTotal,7,\na,7,\nb,0,\nc,,[c]\nd,,[c]\n")
    assert set(csv_attack.attack([table], {"area": area}).pinned.values()) == {0}


def test_csv_attacker_separates_periods_and_survives_partial_listings(tmp_path: Path) -> None:
    """Two periods are two tables; listing some areas only does not make the total the sum of those."""
    area = tmp_path / "area.csv"
    area.write_text("code,parent,label\nTotal,,\na,Total,\nb,Total,\nc,Total,\n")
    table = tmp_path / "table.csv"
    table.write_text(
        "period,area,area_name,n,n_marker\n2023,Total,All,9,\n2023,a,A,,[c]\n2023,b,B,4,\n2023,c,C,2,\n"
        "2024,Total,All,20,\n2024,a,A,6,\n2024,b,B,4,\n2024,c,C,10,\n"
    )
    found = csv_attack.attack([table], {"area": area})
    assert found.recovered == {csv_attack.key("n", {"period": "2023"}, area="a"): 3}
    table.write_text(
        "period,area,n,n_marker\n2023,Total,9,\n2023,a,1,\n2023,b,4,\n2024,Total,9,\n2024,a,,[c]\n2024,b,4,\n"
    )
    assert not csv_attack.attack([table], {"area": area}).leaks


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("area,n,n_marker\nTotal,9,\nz,1,\n", "row 3: area"),
        ("area,n,n_marker\nTotal,,\n", "row 2: n has neither"),
        ("area,n\nTotal,9\n", "no value column"),
    ],
)
def test_csv_attacker_refuses_what_it_cannot_read(tmp_path: Path, text: str, message: str) -> None:
    area = tmp_path / "area.csv"
    area.write_text("code,parent,label\nTotal,,\na,Total,\n")
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(csv_attack.UnreadableRelease, match=message):
        csv_attack.attack([tmp_path / "table.csv"], {"area": area})


def test_elimination_names_a_contradiction() -> None:
    import scipy.sparse as sp

    with pytest.raises(elimination.Contradiction):
        elimination.determined(sp.csr_matrix(np.array([[1, 1], [1, 1]])), [2, 3])


def test_union_of_one_contributor_is_found() -> None:
    cube = cubes.count_cube([cubes.flat(3)], np.array([2, 3, 9]), threshold=5)
    table = cube.cells.drop_columns(["contributor"]).append_column("contributor", [[7, 7, None, None]])
    leaks = attack.union_leaks(attack.View.from_arrow(table, cube.relations))
    assert [(union.cells, union.total) for union in leaks] == [((0, 1), 5.0)]


def test_union_below_the_threshold_is_found() -> None:
    """Two hidden counts of 1 and 2: neither is known, their sum of 3 is, and 3 is below the threshold."""
    cube = cubes.count_cube([cubes.flat(3)], np.array([1, 2, 9]), threshold=5)
    view = attack.View.from_arrow(cube.cells, cube.relations)
    assert not attack.union_leaks(view)
    assert [(union.cells, union.total) for union in attack.union_leaks(view, threshold=5)] == [((0, 1), 3.0)]
