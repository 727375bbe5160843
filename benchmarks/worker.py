"""Runs one tool on one instance in a process of its own: ``python -m benchmarks.worker TOOL FOLDER``.

Times the tool's own call (wall clock, and CPU of the process and its children), not imports or reading the
instance, and leaves ``pattern.arrow`` and ``figures.json`` in the folder. The memory limit is set on the
address space of this process."""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather

from benchmarks import exchange

#: Tool name -> module in ``benchmarks.tools`` and options of its ``suppress``.
TOOLS: dict[str, tuple[str, dict[str, object]]] = {
    "sdc": ("sdc_engine", {"method": "auto"}),
    "sdc-heuristic": ("sdc_engine", {"method": "heuristic"}),
    "sdc-optimal": ("sdc_engine", {"method": "optimal"}),
    # What G-Confid is asked for, and tau-Argus beside its singletons: protection from who knows the publication only.
    "sdc-outsider": ("sdc_engine", {"method": "auto", "attackers": "outsider"}),
    "gconfid": ("g_confid", {}),
    "tauargus-modular": ("tau_argus", {"method": "modular"}),
    "tauargus-optimal": ("tau_argus", {"method": "optimal"}),
}

#: Tools that run in the peers' environment.
PEERS = frozenset(name for name, (module, _) in TOOLS.items() if module != "sdc_engine")


def _cpu() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def main(tool: str, folder: str) -> None:
    """Run a tool on the instance in a folder."""
    module, options = TOOLS[tool]
    suppress = importlib.import_module(f"benchmarks.tools.{module}").suppress
    table = exchange.read(Path(folder))
    wall, cpu = time.perf_counter(), _cpu()
    status = suppress(table, **options)
    figures = {
        "wall": time.perf_counter() - wall,
        "cpu": _cpu() - cpu,
        # ru_maxrss is in KiB on Linux; a child's (a solver run as a program) counts when it is the larger.
        "memory": max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        * 1024,
    }
    pattern = pa.table({"cell_id": pa.array(list(status), pa.int64()), "status": list(status.values())})
    feather.write_feather(pattern, str(Path(folder) / "pattern.arrow"))
    (Path(folder) / "figures.json").write_text(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
