"""This project's engine, by method."""

from __future__ import annotations

from sdc.engine import suppress as engine

from ..exchange import Table


def suppress(table: Table, method: str = "auto", **options: object) -> dict[int, str]:
    """The engine's own call; it ends with the engine's own audit."""
    pattern = engine(table.cells, table.relations, method=method, **options)
    return dict(zip(pattern["cell_id"].to_pylist(), pattern["status"].to_pylist(), strict=True))
