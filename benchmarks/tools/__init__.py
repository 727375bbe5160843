"""One module per tool, each with ``suppress(table) -> {cell_id: status}`` on a ``benchmarks.exchange.Table``.

A peer's module runs in the peers' own environment: it may import NumPy, pandas and PyArrow, never ``sdc`` or
the oracle."""
