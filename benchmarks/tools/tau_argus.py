"""Tau-Argus by PyPI package ``pytauargus`` (bundled engine, HiGHS): modular (HiTaS) and "optimal"
suppression.

The table goes in as tabular data with statuses and protection levels, so that every tool protects the same
primaries by the same amounts; a count without level asks for one on each side, as far as the value allows.
Singleton protection of the modular method is on; it works from the frequency given with each cell."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from ..exchange import Table

LEAD = "@"


def _code(table: Table, axis: int, number: int) -> str:
    return "Total" if number == table.sizes[axis] - 1 else f"c{number:04d}"


def _hierarchy(table: Table, axis: int) -> str | None:
    """The tool's hierarchy file: one code per line, children after their parent with one more lead; None
    where flat.
    """
    children = dict(table.splits[axis])
    total = table.sizes[axis] - 1
    if len(children) == 1:
        return None

    def lines(code: int, depth: int) -> list[str]:
        own = [] if code == total else [LEAD * (depth - 1) + _code(table, axis, code)]
        return own + [line for child in children.get(code, ()) for line in lines(child, depth + 1)]

    return "\n".join(lines(total, 0)) + "\n"


def _write(table: Table, folder: Path, command: str) -> Path:
    cells = table.cells.to_pylist()
    names = [f"d{axis}" for axis in range(len(table.sizes))]
    meta = ['<SEPARATOR> ";"', '<SAFE> "S"', '<UNSAFE> "U"', '<PROTECT> "P"']
    for axis, name in enumerate(names):
        meta += [name, "  <RECODABLE>", '  <TOTCODE> "Total"']
        hierarchy = _hierarchy(table, axis)
        if hierarchy is not None:
            (folder / f"{name}.hrc").write_text(hierarchy)
            meta += [
                "  <HIERARCHICAL>",
                f'  <HIERCODELIST> "{folder / f"{name}.hrc"}"',
                f'  <HIERLEADSTRING> "{LEAD}"',
            ]
    meta += ["value", "  <NUMERIC>", "  <DECIMALS> 3", "freq", "  <FREQUENCY>", "status", "  <STATUS>"]
    meta += [
        "lower",
        "  <NUMERIC> <LOWERPL>",
        "  <DECIMALS> 3",
        "upper",
        "  <NUMERIC> <UPPERPL>",
        "  <DECIMALS> 3",
    ]
    (folder / "table.rda").write_text("\n".join(meta) + "\n")
    with (folder / "table.tab").open("w") as stream:
        for codes, cell in zip(table.codes.tolist(), cells, strict=True):
            value = cell["value"]
            if value == 0:
                continue  # the tool takes an absent cell for an empty one
            primary = cell["status"] == "primary"
            level = max(cell.get("upl") or 0.0, 0.001) if "upl" in cell else 1.0
            row = [
                *(_code(table, axis, code) for axis, code in enumerate(codes)),
                f"{value:.3f}",
                str(int(cell.get("count", value))),
                "U" if primary else "S",
                f"{min(level, value) if primary else 0:.3f}",
                f"{level if primary else 0:.3f}",
            ]
            stream.write(";".join(row) + "\n")
    dimensions = "".join(f'"{name}"' for name in names)
    batch = [
        f'<OPENTABLEDATA> "{folder / "table.tab"}"',
        f'<OPENMETADATA> "{folder / "table.rda"}"',
        f'<SPECIFYTABLE> {dimensions}|"value"|"value"|"value"',
        "<SAFETYRULE>",
        "<READTABLE>",
        f"<SUPPRESS> {command}",
        f'<WRITETABLE> (1,5,SO+,"{folder / "out.tab"}")',
    ]
    (folder / "run.arb").write_text("\n".join(batch) + "\n")
    return folder / "run.arb"


def suppress(table: Table, method: str, minutes: int = 60) -> dict[int, str]:
    """Run a batch as the tool's documentation does; ``method`` is modular or optimal."""
    from pytauargus.engine import run_batch
    from pytauargus.result import parse_simple_tab

    command = f"MOD(1,{minutes},1,1,0)" if method == "modular" else f"OPT(1,{minutes})"
    names = [f"d{axis}" for axis in range(len(table.sizes))]
    # The engine leaves logs and scratch files in the working directory: give it one that goes away.
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        run_batch(_write(table, Path(folder), command))
        rows = parse_simple_tab(Path(folder) / "out.tab", names, "value")
    symbol = {tuple(row[name] for name in names): row["status"] for row in rows}
    status = {}
    for codes, cell in zip(table.codes.tolist(), table.cells.to_pylist(), strict=True):
        key = tuple(_code(table, axis, code) for axis, code in enumerate(codes))
        secondary = symbol.get(key) == "M"
        status[cell["cell_id"]] = "primary" if cell["status"] == "primary" else "secondary" if secondary else "safe"
    return status
