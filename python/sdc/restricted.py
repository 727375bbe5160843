"""The restricted database: encrypted at rest, private to its owner, used by one build at a time.

DuckDB encrypts database files itself (AES-GCM) but *writes* them only with the crypto of its httpfs extension;
the PyPI package ``duckdb-extension-httpfs`` carries that extension, signed, so that no download happens at run time.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

KEY_VARIABLE = "DBT_ENV_SECRET_SDC_KEY"

# One open lock file per path and process: dbt opens several connections in one process, all under the same lock.
_locks: dict[Path, Any] = {}


class RestrictedError(RuntimeError):
    """The restricted database cannot be opened; the message says what to do and quotes neither key nor data."""


def load_crypto(connection: duckdb.DuckDBPyConnection) -> None:
    """Load the extension that can write encrypted files, and encrypt what DuckDB spills to disk.

    Raises RestrictedError when the extension's package is missing or made for another DuckDB version.
    """
    for extension in _extension_files():
        connection.execute(f"load '{str(extension).replace(chr(39), chr(39) * 2)}'")
        connection.execute("set temp_file_encryption = true")
        return
    raise RestrictedError(
        f"the package duckdb-extension-httpfs for DuckDB {duckdb.__version__} is not installed: "
        f"pip install 'duckdb-extension-httpfs=={duckdb.__version__}' (or run `make install`)"
    )


def _extension_files() -> Iterator[Path]:
    try:
        import duckdb_extension_httpfs
    except ImportError:
        return
    folder = Path(duckdb_extension_httpfs.__file__).parent
    yield from sorted(folder.glob(f"extensions/v{duckdb.__version__}/httpfs.duckdb_extension"))


def lock(folder: Path) -> Path:
    """Take the build lock in `folder` for the rest of this process, or fail at once, naming the lock.

    The lock is advisory and belongs to the process, so a killed build leaves none behind. Returns the lock's path.
    Raises RestrictedError when another process holds it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = (folder / "lock").resolve()
    if path in _locks:
        return path
    handle = open(path, "a+", encoding="ascii")  # noqa: SIM115 - held until the process ends
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        holder = handle.read().strip() or "unknown"
        handle.close()
        raise RestrictedError(
            f"another build holds the lock {path} (process {holder}). Nothing was read or written; "
            "wait for it to end, then run again."
        ) from None
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    _locks[path] = handle
    return path


def attach(connection: duckdb.DuckDBPyConnection, path: Path, key: str, alias: str = "restricted") -> None:
    """Attach the restricted database, creating it with mode 0600 where it does not exist yet.

    Raises RestrictedError for a missing or wrong key, or a file that is not an encrypted DuckDB database.
    """
    if not key:
        raise RestrictedError(
            f"{KEY_VARIABLE} is not set: it is the key of {path}. `make build` makes one in .env; "
            "load it with `set -a; . ./.env; set +a`, or export the key your department gave you."
        )
    existed = path.exists()
    if existed and stat.S_IMODE(path.stat().st_mode) & 0o077:
        path.chmod(0o600)
    quoted = str(path).replace("'", "''")
    secret = key.replace("'", "''")
    before = os.umask(0o077)
    try:
        connection.execute(f"attach if not exists '{quoted}' as {alias} (encryption_key '{secret}')")
    except duckdb.Error as error:
        raise RestrictedError(_why(path, str(error), existed)) from None
    finally:
        os.umask(before)


def _why(path: Path, message: str, existed: bool) -> str:
    """DuckDB's reason in the words of the person who has to act on it."""
    if "Wrong encryption key" in message:
        return (
            f"the key in {KEY_VARIABLE} is not the key {path} was made with. Nothing was changed. Set the right key, "
            f"or delete {path} to build it anew from the sources."
        )
    if "lock" in message:
        return f"{path} is in use by another process: {message}"
    if "not encrypted" in message or "not a valid DuckDB" in message:
        return f"{path} is not an encrypted DuckDB database. Nothing was changed. Move it away, then build again."
    return f"cannot open {path}{'' if existed else ' (new)'}: {message}"


def ensure_key(env_file: Path = Path(".env"), database: Path = Path("restricted.duckdb")) -> str:
    """Make sure a key exists: the environment's, or that of `env_file`, which is made (0600) when there is none.

    Returns where the key is. Raises RestrictedError when a restricted database exists but no key does: a new key
    could not open it.
    """
    if os.environ.get(KEY_VARIABLE):
        return f"${KEY_VARIABLE}"
    if env_file.exists() and f"{KEY_VARIABLE}=" in env_file.read_text(encoding="utf-8"):
        return str(env_file)
    if database.exists():
        raise RestrictedError(
            f"{database} exists, but its key does not: neither ${KEY_VARIABLE} nor {env_file} has it. "
            f"Set the key, or delete {database} to build it anew from the sources."
        )
    descriptor = os.open(env_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8") as handle:
        handle.write(f"{KEY_VARIABLE}={secrets.token_hex(32)}\n")
    env_file.chmod(0o600)
    return str(env_file)


if __name__ == "__main__":
    try:
        ensure_key()
    except RestrictedError as problem:
        raise SystemExit(f"sdc: {problem}") from None
