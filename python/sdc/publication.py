"""The publication: one database file and one folder of release files, replaced together or not at all.

A run never writes to what is published. It works on copies in ``.sdc/`` (`prepare`); when the whole run has passed,
`promote` checks the copies once more and replaces the published files. Three properties follow:

- **old or new, never half**: a killed or failed run leaves the publication as it was. The replacement itself is
  journalled: once ``.sdc/promote/COMMIT`` exists, an interrupted replacement is completed by the next run.
- **nothing ungated**: every table must carry a certificate of the gate for exactly its present content
  (`content_hash`), and every release file must hold nothing but rows of its mart.
- **no fragments**: the new database file is written from scratch, table by table, so what was withdrawn or replaced
  is not left behind in free pages.

`promote` works on plain relations and JSON; it knows dbt only as the author of the plan.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from sdc import release


@dataclass(frozen=True)
class Places:
    """Where the publication is (`database`, `folder`) and where a run works (`work`)."""

    work: Path = Path(".sdc")
    database: Path = Path("publication.duckdb")
    folder: Path = Path("publication")

    @property
    def working_database(self) -> Path:
        return self.work / "publication.duckdb"

    @property
    def working_folder(self) -> Path:
        return self.work / "publication"

    @property
    def promote(self) -> Path:
        return self.work / "promote"


@dataclass
class Plan:
    """What the project's models say is published: written by the `promote` macro from the dbt graph.

    marts: name -> {"relation": quoted relation in the working copy, "product": node id of its cells}.
    releases: name -> {"mart": mart's name, "parquet": path of the file in the working folder}.
    log: the quoted relation of the gate's log in the restricted database.
    """

    marts: dict[str, dict[str, str]]
    releases: dict[str, dict[str, str]]
    log: str
    problems: list[str] = field(default_factory=list)


class PromotionRefused(RuntimeError):
    """The working copy is not fit to be published; the publication stays as it was."""


def prepare(places: Places) -> None:
    """Finish an interrupted promotion, then make fresh working copies of what is published.

    Call it under the build lock, before the working database is attached. Raises ValueError where the working copy
    would be the publication itself.
    """
    if places.working_database.resolve() == places.database.resolve():
        raise ValueError(
            f"the profile attaches {places.database} itself as `publication`: a run works on a copy, promoted when "
            "everything has passed. Attach .sdc/publication.duckdb; nothing was read or written."
        )
    if (places.promote / "COMMIT").exists():
        _replace(places)
    shutil.rmtree(places.promote, ignore_errors=True)
    shutil.rmtree(places.working_folder, ignore_errors=True)
    places.working_folder.mkdir(parents=True)
    for leftover in (places.working_database, places.working_database.with_suffix(".duckdb.wal")):
        leftover.unlink(missing_ok=True)
    if places.database.exists():
        shutil.copyfile(places.database, places.working_database)
    if places.folder.is_dir():
        for file in sorted(places.folder.iterdir()):
            shutil.copyfile(file, places.working_folder / file.name)


def promote(connection: duckdb.DuckDBPyConnection, places: Places, plan: dict) -> str:
    """Check the working copy against `plan` and put it in the publication's place. Returns what was done.

    Raises PromotionRefused, with every reason and what to do, when a table has no certificate for its present
    content, tables of one product come from different suppression patterns, or a release file differs from its mart.
    """
    todo = Plan(**plan)
    cursor = connection.cursor()
    present = _tables(cursor)
    kept = {name: mart for name, mart in todo.marts.items() if name in present}
    _check_certificates(cursor, todo, kept)
    files = _check_releases(cursor, todo, kept, places)
    if todo.problems:
        raise PromotionRefused("the publication was left as it was:\n  - " + "\n  - ".join(todo.problems))
    if not kept and not places.database.exists():
        return "nothing to publish"
    shutil.rmtree(places.promote, ignore_errors=True)
    (places.promote / "publication").mkdir(parents=True)
    _write_database(cursor, kept, places.promote / "publication.duckdb")
    for parquet in files:
        copy = places.promote / "publication" / parquet.name
        shutil.copyfile(parquet, copy)
        release.write_all(copy)
    _commit(places)
    _replace(places)
    withdrawn = sorted(set(present) - set(kept))
    missing = sorted(set(todo.marts) - set(kept))
    note = f"; withdrawn: {', '.join(withdrawn)}" if withdrawn else ""
    note += f"; not published yet: {', '.join(missing)}" if missing else ""
    return f"published {len(kept)} tables and {len(files)} releases{note}"


def content_hash(relation: str) -> str:
    """SQL that yields one digest of a relation's rows, whatever their order. The gate's certificates carry it."""
    return (
        "select count(*)::varchar || '-' || coalesce(hex(bit_xor(md5_number(rows_read::varchar))::varchar), '') "
        f"from {relation} as rows_read"
    )


def _tables(cursor: duckdb.DuckDBPyConnection) -> dict[str, str]:
    rows = cursor.execute(
        "select table_name, table_type from information_schema.tables "
        "where table_catalog = 'publication' order by table_name"
    ).fetchall()
    return dict(rows)


def _check_certificates(cursor, plan: Plan, kept: dict[str, dict[str, str]]) -> None:
    patterns: dict[str, dict[str, str]] = {}
    for name, mart in kept.items():
        content = cursor.execute(content_hash(mart["relation"])).fetchone()[0]
        row = cursor.execute(
            f"select content, pattern from {plan.log} where mart = ? order by gated_at desc limit 1", [name]
        ).fetchone()
        if row is None or row[0] != content:
            plan.problems.append(
                f"{name}: no gate of {plan.log} vouches for what the table now holds; "
                f"build it again through the gate: dbt run --select {name}+"
            )
            continue
        patterns.setdefault(mart["product"], {})[name] = row[1]
    for product, marts in patterns.items():
        if len(set(marts.values())) > 1:
            plan.problems.append(
                f"{', '.join(marts)}: tables of one product ({product}) were protected by different suppression "
                f"patterns and could be subtracted from each other; build them together: "
                f"dbt run --select {' '.join(m + '+' for m in marts)}"
            )


def _check_releases(cursor, plan: Plan, kept: dict[str, dict[str, str]], places: Places) -> list[Path]:
    files = []
    for name, rel in plan.releases.items():
        parquet = places.working_folder / Path(rel["parquet"]).name
        if not parquet.exists():
            continue
        if rel["mart"] not in kept:
            continue  # the mart is withdrawn or never was built: its files go with it
        file = str(parquet).replace("'", "''")
        columns = [c[0] for c in cursor.execute(f"describe select * from read_parquet('{file}')").fetchall()]
        of_mart = [c[0] for c in cursor.execute(f"describe {kept[rel['mart']]['relation']}").fetchall()]
        strange = [c for c in columns if c not in of_mart]
        if strange:
            plan.problems.append(f"{name}: column {strange[0]} is not a column of {rel['mart']}")
            continue
        listed = ", ".join(f'"{c}"' for c in columns)
        foreign = cursor.execute(
            f"select count(*) from (select {listed} from read_parquet('{file}') "
            f"except all select {listed} from {kept[rel['mart']]['relation']})"
        ).fetchone()[0]
        if foreign:
            plan.problems.append(
                f"{name}: {foreign} rows of {parquet.name} are not rows of {rel['mart']}; "
                f"build the file again: dbt run --select {rel['mart']}+"
            )
            continue
        files.append(parquet)
    return files


def _write_database(cursor, kept: dict[str, dict[str, str]], path: Path) -> None:
    """A new database file with the kept tables, their comments, and nothing else."""
    cursor.execute(f"attach '{path}' as sdc_promoted")
    try:
        for name, mart in kept.items():
            target = f'sdc_promoted.main."{name}"'
            cursor.execute(f"create table {target} as select * from {mart['relation']} order by all")
            for statement in _comments(cursor, name, target):
                cursor.execute(statement)
        cursor.execute("checkpoint sdc_promoted")
    finally:
        cursor.execute("detach sdc_promoted")


def _comments(cursor, name: str, target: str) -> list[str]:
    def quoted(text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    table = cursor.execute(
        "select comment from duckdb_tables() where database_name = 'publication' and table_name = ? "
        "and comment is not null",
        [name],
    ).fetchall()
    columns = cursor.execute(
        "select column_name, comment from duckdb_columns() where database_name = 'publication' and table_name = ? "
        "and comment is not null order by column_index",
        [name],
    ).fetchall()
    return [f"comment on table {target} is {quoted(text)}" for (text,) in table] + [
        f'comment on column {target}."{column}" is {quoted(text)}' for column, text in columns
    ]


def _commit(places: Places) -> None:
    """From here on the new publication stands: a crash is rolled forward by the next `prepare`."""
    files = sorted(p.name for p in (places.promote / "publication").iterdir())
    for path in [places.promote / "publication.duckdb", *(places.promote / "publication" / f for f in files)]:
        with open(path, "rb") as handle:
            os.fsync(handle.fileno())
    draft = places.promote / "COMMIT.draft"
    with open(draft, "w", encoding="utf-8") as handle:
        json.dump({"files": files}, handle)
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(draft, places.promote / "COMMIT")


def _replace(places: Places) -> None:
    """Put the promoted files in place, one atomic rename each; safe to repeat until the journal is removed."""
    files = json.loads((places.promote / "COMMIT").read_text(encoding="utf-8"))["files"]
    places.folder.mkdir(mode=0o755, exist_ok=True)
    places.folder.chmod(0o755)
    moves = [(places.promote / "publication" / f, places.folder / f) for f in files]
    moves.append((places.promote / "publication.duckdb", places.database))
    for new, old in moves:
        if new.exists():
            new.chmod(0o644)
            os.replace(new, old)
    for file in places.folder.iterdir():
        if file.name not in files:
            file.unlink()
    places.database.with_suffix(".duckdb.wal").unlink(missing_ok=True)
    (places.promote / "COMMIT").unlink()
    shutil.rmtree(places.promote)
