"""A dbt process of its own for every command, without waiting for it to warm up each time.

`python warm_dbt.py` imports dbt, the plugin and the engine, parses a project once (dbt makes its readers and writers of
nodes when it first needs them) and forks a child for every request. The child gets the arguments, folder and
environment that a new process would have had, and exits as one: locks, umask, connections and whatever else lives as
long as a process are those of one command.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMPORTED = (
    "dbt.cli.main",
    "dbt.adapters.duckdb.impl",
    "dbt.include.duckdb",
    "sdc.plugin",
    "sdc.release",
    "sdc.sources",
)


def run(arguments: list[str], cwd: Path, environment: dict[str, str], timeout: float) -> tuple[int, str]:
    """Run `dbt <arguments>`; returns its exit code and all it wrote. Raises TimeoutError after `timeout` seconds."""
    server = _server()
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as output:
        request = {"arguments": arguments, "cwd": str(cwd), "environment": environment, "output": output.name}
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        answered, _, _ = select.select([server.stdout], [], [], timeout)
        if not answered:
            _stop(server)
            raise TimeoutError(f"dbt {' '.join(arguments)} took longer than {timeout} seconds:\n{output.read()}")
        return int(server.stdout.readline()), output.read()


_servers: list[subprocess.Popen] = []


def _server() -> subprocess.Popen:
    """This process's server, started when first asked for."""
    if not _servers:
        server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        _servers.append(server)
        atexit.register(_stop, server)
    return _servers[0]


def _stop(server: subprocess.Popen) -> None:
    """End the server and what it runs."""
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    if server in _servers:
        _servers.remove(server)


def _serve() -> None:
    """Answer each request (a line of JSON) with the exit code of the child that ran it."""
    _warm_up()
    import duckdb

    # A child inherits no threads: the connection that `import duckdb` opens must not have any, or the child aborts at
    # its end. What is imported stays until then: the collector need not look through it.
    duckdb.default_connection().execute("set threads = 1")
    gc.freeze()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(**json.loads(line))
            return
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _warm_up() -> None:
    """What every dbt process does first, whatever its project: done here once. Nothing is connected to or written."""
    for module in IMPORTED:
        __import__(module)
    from dbt.cli.main import dbtRunner
    from dbt_common.tests import enable_test_caching

    enable_test_caching()  # dbt's own, for its own tests: the same Jinja text is parsed once
    umask = os.umask(0o077)
    with tempfile.TemporaryDirectory() as scratch:
        project = ["--project-dir", str(ROOT), "--profiles-dir", str(ROOT), "--target", "lint"]
        # the static parser keeps a pool of threads, for which a child would wait for ever
        quiet = ["--quiet", "--no-static-parser", "parse", "--target-path", scratch, "--log-path", scratch]
        dbtRunner().invoke([*quiet, *project])
    os.umask(umask)  # the plugin has changed it


def _become(arguments: list[str], cwd: str, environment: dict[str, str], output: str) -> None:
    """Turn this child into the dbt process that was asked for; its end is the interpreter's own, as ever."""
    with open(os.devnull) as nothing, open(output, "w") as written:
        os.dup2(nothing.fileno(), 0)
        os.dup2(written.fileno(), 1)
        os.dup2(written.fileno(), 2)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["dbt", *arguments]

    from dbt.cli.main import cli

    cli()


if __name__ == "__main__":
    _serve()
