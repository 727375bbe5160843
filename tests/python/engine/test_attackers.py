"""Insiders: what the audit finds against the oracle, and what suppression leaves them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import small_tables
from engine.test_optimal import cheapest
from oracle import attack, checks, cubes, strategies
from sdc.engine import EngineError, audit, suppress
from sdc.engine.insiders import Insider


def table(values: list[float], status: list[str], **columns: list) -> tuple[pa.Table, pa.Table]:
    """One total and its parts, the total first."""
    cells = pa.table({"cell_id": list(range(len(values))), "value": values, "status": status, **columns})
    signs = [1.0] + [-1.0] * (len(values) - 1)
    ids = list(range(len(values)))
    return cells, pa.table({"relation_id": [0] * len(values), "cell_id": ids, "coefficient": signs})


@checks.examples(60)
@given(st.data())
def test_audit_agrees_with_the_oracle_on_insiders(data: st.DataObject) -> None:
    """On arbitrary patterns: primaries exact to an insider are failing cells, and no others are added."""
    cube = data.draw(st.one_of(strategies.count_cubes(crossings=12), strategies.magnitude_cubes(crossings=10)))
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    value = np.array(cube.cells["value"].to_pylist())
    status = np.array(cube.cells["status"].to_pylist(), dtype=object)
    more = (status == "safe") & (value != 0) & (rng.random(value.size) < 0.4)
    status[more] = "secondary"
    cells = checks.with_column(cube.cells, "status", status.tolist())
    view = attack.View.from_arrow(cells, cube.relations)
    outside = {cell for cell, what in attack.leaks(view).items() if what}
    inside = {cell for harmed in attack.insider_leaks(view, levels=False).values() for cell in harmed}
    rows = audit(cells, cube.relations).to_pylist()
    assert {row["cell_id"] for row in rows if row["verdict"] != "safe"} == outside | inside
    for row in rows:
        assert (row["attacker"] is None) == (row["verdict"] == "safe")
        assert (row["attacker"] == "outsider") == (row["cell_id"] in outside)


@pytest.mark.parametrize("seed", range(6))
def test_larger_cubes_leave_nothing_to_insiders(seed: int) -> None:
    """Contributors with cells in many places, on cubes where the insiders' classes span the table."""
    rng = np.random.default_rng(seed)
    dimensions = [cubes.tree([3, 2, 2]), cubes.flat(4), cubes.flat(2)]
    leaves = tuple(dimension.leaves for dimension in dimensions)
    if seed % 2:
        cube = cubes.magnitude_cube(dimensions, *cubes.contributions(rng, leaves, 260, spread=0.5), percent=10.0)
    else:
        cube = cubes.count_cube(dimensions, rng.negative_binomial(1, 0.15, leaves), threshold=4)
    pattern = suppress(cube.cells, cube.relations, work=50)
    checks.assert_protected(cube.cells, cube.relations, pattern)
    checks.assert_protected_from_insiders(cube.cells, cube.relations, pattern)
    alone = suppress(cube.cells, cube.relations, work=50, attackers="outsider")
    view = attack.View.from_arrow(cube.cells, cube.relations, alone)
    assert attack.insider_leaks(view, levels=False), (
        "an instance on which the attackers make no difference shows nothing"
    )


def test_a_singleton_is_no_protection() -> None:
    """5 = 1 + 4 hidden: the one contributor of the 1 computes the other; a third cell is needed."""
    cells, relations = table([30.0, 1.0, 4.0, 5.0, 20.0], ["safe", "primary", "primary", "safe", "safe"])
    cells = cells.append_column("contributor", pa.array([None, 7, None, None, None], pa.int64()))
    pattern = suppress(cells, relations)
    assert pattern["status"].to_pylist() == ["safe", "primary", "primary", "secondary", "safe"]
    alone = suppress(cells, relations, attackers="outsider")
    assert alone["status"].to_pylist().count("secondary") == 0
    found = audit(checks.with_column(cells, "status", alone["status"].to_pylist()), relations).to_pylist()
    assert [(row["cell_id"], row["verdict"], row["attacker"]) for row in found] == [
        (1, "safe", None),
        (2, "exact", "contributors"),
    ]


def test_two_cells_of_one_contributor_are_known_together() -> None:
    """Singletons see one cell each and compute nothing; the contributor of both computes the third."""
    cells, relations = table([30.0, 1.0, 2.0, 4.0, 23.0], ["safe", "primary", "primary", "primary", "safe"])
    cells = cells.append_column("contributor", pa.array([None, 7, 7, None, None], pa.int64()))
    verdict = checks.verdicts(audit(cells, relations, attackers="singletons"))
    assert set(verdict.values()) == {"safe"}
    verdict = checks.verdicts(audit(cells, relations, attackers="contributors"))
    assert verdict == {1: "safe", 2: "safe", 3: "exact"}


def test_a_holding_knows_what_its_enterprises_know() -> None:
    cells, relations = table([30.0, 1.0, 2.0, 4.0, 23.0], ["safe", "primary", "primary", "primary", "safe"])
    cells = cells.append_column("contributor", pa.array([None, 7, 8, None, None], pa.int64()))
    assert set(checks.verdicts(audit(cells, relations)).values()) == {"safe"}
    held = cells.append_column("holding", pa.array([None, 1, 1, None, None], pa.int64()))
    found = audit(held, relations).to_pylist()
    assert [(row["verdict"], row["attacker"]) for row in found if row["verdict"] != "safe"] == [("exact", "holdings")]
    assert suppress(held, relations)["status"].to_pylist()[4] == "secondary"


def test_an_insider_knows_what_is_its_own() -> None:
    """A total of one contributor and its only part are the same figure to the same contributor: no leak."""
    cells, relations = table([3.0, 3.0, 0.0], ["primary", "primary", "safe"])
    cells = cells.append_column("contributor", pa.array([5, 5, None], pa.int64()))
    assert set(checks.verdicts(audit(cells, relations)).values()) == {"safe"}


@pytest.mark.parametrize("method", ["auto", "optimal", "heuristic"])
def test_an_insider_knows_what_is_its_own_under_another_heading(method: str) -> None:
    """A person alone in a category and in the only part of it: its own cells are no leak, whatever the method."""
    cells = pa.table(
        {
            "cell_id": [0, 1, 2, 3],
            "value": [20.0, 19.0, 1.0, 1.0],
            "status": ["safe", "safe", "primary", "primary"],
            "lower": [1.0] * 4,
            "integer": [True] * 4,
            "contributor": pa.array([None, None, 7, 7], pa.int64()),
        }
    )
    rows = [(0, 0, 1.0), (0, 1, -1.0), (0, 2, -1.0), (1, 2, 1.0), (1, 3, -1.0)]
    relations = pa.table(dict(zip(("relation_id", "cell_id", "coefficient"), zip(*rows, strict=True), strict=True)))
    pattern = suppress(cells, relations, method=method, attackers="singletons")
    assert pattern["status"].to_pylist() == ["safe", "secondary", "primary", "primary"]


def test_the_optimum_is_of_what_the_audit_asks() -> None:
    """Where contributors have several cells, of which singletons know one each: as cheap as the best safe pattern.

    The oracle tries all patterns. It must matter on some of the tables that the other cells are no secret to them.
    """
    matters = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        values, relations = small_tables.two_way(rng.integers(1, 7, (2, 2 + seed % 2)).astype(float))
        chosen = rng.choice(len(values), 4, replace=False).tolist()
        owner = [None] * len(values)
        for cell in chosen[:3]:
            owner[cell] = int(rng.integers(2))
        options = {"lower": [1.0] * len(values), "integer": [True] * len(values)}
        instance = small_tables.system(values, relations, dict.fromkeys(chosen, {}), **options)
        own = [[cell for cell, who in enumerate(owner) if who == unit] for unit in (0, 1)]
        insiders = [Insider.of([cell], cells) for cells in own for cell in cells]
        best = cheapest(instance, insiders)
        matters += best != cheapest(instance, [Insider.of(insider.known) for insider in insiders])
        cells = {"cell_id": range(len(values)), "value": values, "contributor": pa.array(owner, pa.int64()), **options}
        cells = pa.table({**cells, "status": np.where(instance.primary, "primary", "safe")})
        entries = instance.A.tocoo()
        linked = pa.table({"relation_id": entries.row, "cell_id": entries.col, "coefficient": entries.data})
        if best is None:
            with pytest.raises(EngineError):
                suppress(cells, linked, attackers="singletons", method="optimal")
            continue
        said = suppress(cells, linked, attackers="singletons", method="optimal").schema.metadata
        assert (float(said[b"cost"]), float(said[b"bound"])) == (best, best)
    assert matters


def test_who_cannot_be_kept_out_is_said() -> None:
    """The total is frozen and there is no third part: the insider computes the other part whatever is suppressed."""
    cells, relations = table([5.0, 1.0, 4.0], ["safe", "primary", "primary"], frozen=[True, False, False])
    cells = cells.append_column("contributor", pa.array([None, 7, None], pa.int64()))
    with pytest.raises(EngineError, match="cannot be protected against who knows cells 1") as error:
        suppress(cells, relations)
    assert error.value.cells == [2]


@pytest.mark.parametrize(
    ("attackers", "message"),
    [("neighbours", "unknown 'neighbours'"), ("holdings", "holdings needs the column `holding`")],
)
def test_attackers_that_cannot_be_examined_are_refused(attackers: str, message: str) -> None:
    cells, relations = table([5.0, 1.0, 4.0], ["safe", "primary", "primary"])
    with pytest.raises(EngineError, match=message):
        audit(cells, relations, attackers=attackers)
