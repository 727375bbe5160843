"""The dbt-duckdb plugin: what happens on every connection, before any model runs.

In `profiles.yml`: ``plugins: [{module: sdc.plugin, alias: sdc}]``. It knows the two databases by their aliases in
``attach``: ``restricted`` (encrypted, 0600) and ``publication`` (a working copy; see `sdc.publication`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt.adapters.duckdb.utils import SourceConfig, TargetConfig
from dbt_common.exceptions import DbtRuntimeError

from sdc import functions, publication, restricted


class Plugin(BasePlugin):
    """Opens the restricted database, prepares the publication's working copy and registers the SQL functions."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        # Files made by this process (write-ahead logs, compiled SQL, logs) are private until they are published.
        os.umask(0o077)

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Called once for each new DuckDB instance, before dbt attaches the databases of the profile."""
        try:
            functions.register(conn)
            if self._in_memory():
                return
            places = self._places()
            if not Path("dbt_project.yml").exists():
                raise restricted.RestrictedError(
                    f"{Path.cwd()} is not a dbt project's folder: databases and inputs are found beside "
                    "dbt_project.yml. Change to the project's folder and run again; nothing was read or written."
                )
            restricted.load_crypto(conn)
            work = Path(places["publication"].path).parent
            restricted.lock(work)
            key = (places["restricted"].options or {}).get("encryption_key", "")
            restricted.attach(conn, Path(places["restricted"].path), key)
            publication.prepare(publication.Places(work=work))
            functions.register_keyed(conn, key, publication.Places(work=work))
        except (restricted.RestrictedError, ValueError) as error:
            raise DbtRuntimeError(str(error)) from None

    def _places(self) -> dict[str, Any]:
        return {attachment.alias: attachment for attachment in (self.creds.attach or [])}

    def _in_memory(self) -> bool:
        """Is this a target without a restricted database on file (`lint`)?"""
        place = self._places().get("restricted")
        return place is None or place.path == ":memory:"

    def load(self, source_config: SourceConfig) -> Any:
        """Read a source that names this plugin (see `sdc.sources`)."""
        from sdc import sources

        try:
            if self._in_memory():
                return sources.empty(source_config)  # linting and compiling need the columns only
            return sources.load(source_config)
        except sources.SourceError as error:
            raise DbtRuntimeError(str(error)) from None

    def store(self, target_config: TargetConfig) -> None:
        """Write the release files of a `rel_` model beside the Parquet file that dbt has just written."""
        from sdc import release

        release.write_all(Path(target_config.location.path))
