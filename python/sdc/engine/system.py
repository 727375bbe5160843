"""Cells and relations as one linear system, validated once so that the rest of the engine need not guess.

All relations of a product together are `A y = 0` (Handbook on Statistical Disclosure Control, 2nd ed., ch. 4; linked
tables share cells and so are one joint system). Every refusal is an EngineError that names ids and never quotes a
cell value, because messages end up in logs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from sdc.engine import arrow, costs
from sdc.engine.errors import NAMED_AT_MOST, EngineError, named

SAFE, PRIMARY, SECONDARY = 0, 1, 2
STATUS_NAMES = ("safe", "primary", "secondary")

# Sums of doubles computed elsewhere in another order differ by about sqrt(records) * 1e-16 of their size.
RELATIVE_TOLERANCE = 1e-12
ABSOLUTE_TOLERANCE = 1e-9


@dataclass(frozen=True)
class System:
    """n cells sorted by `cell_id` and m relations sorted by `relation_id`.

    Shapes: every cell array is [n]; `relation_id` is [m]; `A` is an m x n CSR matrix with sorted indices and
    `A @ value == 0` up to rounding. `status` holds SAFE, PRIMARY or SECONDARY; `lower` and `upper` are what an
    attacker knows beforehand; `upl`, `lpl`, `spl` the protection levels, in the unit of `value`; `contributor` the
    code of a cell's only contributor, `holding` that of its only holding, -1 where there are several or it is unknown;
    `columns` the names of the columns given.
    """

    cell_id: np.ndarray
    value: np.ndarray
    status: np.ndarray
    cost: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    upl: np.ndarray
    lpl: np.ndarray
    spl: np.ndarray
    frozen: np.ndarray
    integer: np.ndarray
    contributor: np.ndarray
    holding: np.ndarray
    columns: frozenset[str]
    relation_id: np.ndarray
    A: sp.csr_matrix

    @property
    def n(self) -> int:
        """Number of cells."""
        return len(self.cell_id)

    @property
    def m(self) -> int:
        """Number of relations."""
        return len(self.relation_id)

    @property
    def suppressed(self) -> np.ndarray:
        """Mask [n] of primary and secondary cells."""
        return self.status != SAFE

    @property
    def primary(self) -> np.ndarray:
        """Mask [n] of primary cells."""
        return self.status == PRIMARY

    @property
    def levelled(self) -> bool:
        """Does any primary ask for more than not being exact?"""
        return bool((self.primary & (np.maximum.reduce((self.upl, self.lpl, self.spl)) > 0)).any())

    @property
    def candidate(self) -> np.ndarray:
        """Mask [n] of cells that may be chosen as secondary: not frozen and not zero.

        A zero is no complement: where values are non-negative and zeros are published, an attacker who sees a
        suppressed cell knows that it is not zero.
        """
        return ~self.frozen & (self.value != 0) & (self.status != PRIMARY)

    def with_suppressed(self, suppressed: np.ndarray) -> System:
        """The same system where the mask `suppressed` [n] (plus all primaries) is the pattern."""
        status = np.where(suppressed, np.int8(SECONDARY), np.int8(SAFE))
        status[self.status == PRIMARY] = PRIMARY
        return replace(self, status=status.astype(np.int8))

    @classmethod
    def from_arrow(cls, cells: pa.Table, relations: pa.Table, cost: str = "value") -> System:
        """Read the tables of the engine's contract; raise EngineError for anything that is not a sound table."""
        arrow.require_columns(cells, ("cell_id", "value", "status"), "cells")
        arrow.require_columns(relations, ("relation_id", "cell_id", "coefficient"), "relations")
        if cells.num_rows == 0:
            raise EngineError("cells: the table is empty; there is nothing to protect and nothing to audit")
        ids = arrow.integers(cells, "cell_id", "cells")
        order = np.argsort(ids, kind="stable")
        twice = ids[order][1:][np.diff(ids[order]) == 0]
        if len(twice):
            raise EngineError(f"cells.cell_id: duplicate ids {named(twice)}", cells=set(twice.tolist()))

        value = arrow.numbers(cells, "value", "cells", ids=ids)
        columns = {
            "value": value,
            "status": _status(cells, ids),
            "lower": arrow.numbers(cells, "lower", "cells", ids=ids, default=0.0, infinite=True),
            "upper": arrow.numbers(cells, "upper", "cells", ids=ids, default=np.inf, infinite=True),
            "upl": arrow.numbers(cells, "upl", "cells", ids=ids, default=0.0),
            "lpl": arrow.numbers(cells, "lpl", "cells", ids=ids, default=0.0),
            "spl": arrow.numbers(cells, "spl", "cells", ids=ids, default=0.0),
            "frozen": arrow.flags(cells, "frozen", "cells"),
            "integer": arrow.flags(cells, "integer", "cells"),
            "contributor": arrow.codes(cells, "contributor"),
            "holding": arrow.codes(cells, "holding"),
        }
        given = frozenset(cells.column_names)
        if (np.diff(order) != 1).any():
            cells = cells.take(order)
        ids = ids[order]
        columns = {name: column[order] for name, column in columns.items()}
        _check_cells(ids, columns)
        relation_id, matrix = _matrix(relations, ids)
        _check_relations(relation_id, matrix, columns["value"])
        table = costs.Table(cells, ids, columns["value"], columns["status"] == PRIMARY, matrix)
        columns["cost"] = costs.evaluate(cost, table)
        return cls(cell_id=ids, relation_id=relation_id, A=matrix, columns=given, **columns)


def _status(cells: pa.Table, ids: np.ndarray) -> np.ndarray:
    """Column `status` as int8 codes."""
    given = arrow.texts(cells, "status", "cells")
    out = np.full(len(given), -1, dtype=np.int8)
    for code, name in enumerate(STATUS_NAMES):
        out[given == name] = code
    if (out < 0).any():
        bad = ids[out < 0]
        unknown = sorted({str(s) for s in given[out < 0]})[:NAMED_AT_MOST]
        raise EngineError(
            f"cells.status: unknown status {', '.join(unknown)}; use safe, primary or secondary (cells {named(bad)})",
            cells=bad,
        )
    return out


def _check_cells(ids: np.ndarray, columns: dict[str, np.ndarray]) -> None:
    """Raise for cells that contradict themselves; arrays are sorted by cell id."""
    value, lower, upper = columns["value"], columns["lower"], columns["upper"]

    def refuse(bad: np.ndarray, text: str) -> None:
        if bad.any():
            raise EngineError(f"{text} (cells {named(ids[bad])})", cells=ids[bad])

    for level in ("upl", "lpl", "spl"):
        refuse(columns[level] < 0, f"cells.{level}: negative protection level; levels are >= 0")
    refuse(lower > upper, "cells: `lower` is above `upper`")
    refuse(np.isposinf(lower) | np.isneginf(upper), "cells: `lower` is +inf or `upper` is -inf")
    refuse(
        (value < 0) & (lower == 0),
        "cells.value: negative where `lower` is 0; correct the value, or give the attacker's `lower` bound",
    )
    refuse((value < lower) | (value > upper), "cells.value: outside the attacker's bounds `lower` and `upper`")
    refuse(
        columns["integer"] & (value != np.round(value)),
        "cells.value: not a whole number where `integer` is true",
    )
    refuse(
        columns["frozen"] & (columns["status"] == PRIMARY),
        "cells.frozen: a primary cell cannot be frozen: frozen cells may not be suppressed, primaries must be;"
        " withdraw the release that froze it, or drop one of the two",
    )
    refuse(
        columns["frozen"] & (columns["status"] == SECONDARY),
        "cells.frozen: a secondary cell cannot be frozen: frozen cells may not be suppressed",
    )


def _matrix(relations: pa.Table, ids: np.ndarray) -> tuple[np.ndarray, sp.csr_matrix]:
    """Relation ids ascending and the m x n matrix; `ids` are the cell ids ascending."""
    relation = arrow.integers(relations, "relation_id", "relations")
    cell = arrow.integers(relations, "cell_id", "relations")
    coefficient = arrow.numbers(relations, "coefficient", "relations", ids=None, infinite=True, nan=True)
    if not np.isfinite(coefficient).all():
        bad = np.unique(relation[~np.isfinite(coefficient)])
        raise EngineError(
            f"relations.coefficient: NULL, NaN or infinite; give a finite number (relations {named(bad)})",
            relations=bad,
        )
    position = np.minimum(np.searchsorted(ids, cell), len(ids) - 1)
    unknown = ids[position] != cell
    if unknown.any():
        raise EngineError(
            f"relations.cell_id: cells {named(cell[unknown])} are not in `cells`"
            f" (relations {named(relation[unknown])})",
            cells=set(cell[unknown].tolist()),
            relations=set(relation[unknown].tolist()),
        )
    relation_id, row = np.unique(relation, return_inverse=True)
    key = np.sort(row.astype(np.int64) * len(ids) + position)
    twice = np.unique(key[1:][key[1:] == key[:-1]])
    if len(twice):
        rows, cols = np.divmod(twice, len(ids))
        raise EngineError(
            f"relations: more than one coefficient for the same cell: relations {named(relation_id[rows])},"
            f" cells {named(ids[cols])}",
            cells=set(ids[cols].tolist()),
            relations=set(relation_id[rows].tolist()),
        )
    matrix = sp.csr_matrix((coefficient, (row, position)), shape=(len(relation_id), len(ids)))
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return relation_id, matrix


def _check_relations(relation_id: np.ndarray, matrix: sp.csr_matrix, value: np.ndarray) -> None:
    """Raise unless every relation sums to zero up to the rounding of doubles."""
    difference = matrix @ value
    allowed = ABSOLUTE_TOLERANCE + RELATIVE_TOLERANCE * (abs(matrix) @ np.abs(value))
    bad = np.flatnonzero(np.abs(difference) > allowed)
    if len(bad):
        shown = ", ".join(f"{relation_id[i]} (difference {difference[i]:g})" for i in bad[:NAMED_AT_MOST])
        more = f" and {len(bad) - NAMED_AT_MOST} more" if len(bad) > NAMED_AT_MOST else ""
        raise EngineError(
            f"relations: do not sum to zero: {shown}{more}; correct the values or the coefficients",
            relations=relation_id[bad],
        )
