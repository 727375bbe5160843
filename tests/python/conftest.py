"""Shared fixtures: a toy project with the real macros, plugin and gate, built once, copied for each test."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from hypothesis import settings

import warm_dbt
from sdc import restricted

ROOT = Path(__file__).resolve().parents[2]
TOY = Path(__file__).parent / "toy"
SHARED = ROOT.parent / "shared"
KEY = "a key for the tests only"

settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("local", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "local")


def shared_data(*parts: str) -> Path:
    """A file of the shared data: where it is absent the test fails in CI and is skipped elsewhere."""
    path = SHARED.joinpath("data", *parts)
    if not path.exists():
        message = f"needs {'/'.join(parts)} of the shared data folder beside the project"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return path


@dataclass
class Outcome:
    """What a dbt command did."""

    code: int
    text: str

    def __bool__(self) -> bool:
        return self.code == 0


@dataclass
class Project:
    """A copy of a dbt project in a folder of its own."""

    folder: Path
    key: str | None = KEY

    def dbt(self, *arguments: str, cwd: Path | None = None, **environment: str) -> Outcome:
        """Run one dbt command as users do, in a process of its own (`warm_dbt`: with the imports done)."""
        _, *words = self.command(*arguments)
        return Outcome(*warm_dbt.run(words, cwd or self.folder, self.environment(**environment), timeout=600))

    def command(self, *arguments: str) -> list[str]:
        return [str(Path(sys.executable).with_name("dbt")), "--no-use-colors", *arguments]

    def environment(self, **extra: str) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("DBT_")}
        key = {} if self.key is None else {restricted.KEY_VARIABLE: self.key}
        return {**inherited, **key, **extra}

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace text in a file, which must have it."""
        file = self.folder / path
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{path} has no {old!r}"
        file.write_text(text.replace(old, new), encoding="utf-8")

    def write(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def restricted(self, sql: str) -> list[tuple]:
        """Run SQL in the restricted database, as someone with the key could."""
        connection = duckdb.connect(":memory:")
        try:
            restricted.load_crypto(connection)
            restricted.attach(connection, self.folder / "restricted.duckdb", self.key)
            connection.execute("use restricted")
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def published(self, sql: str) -> list[tuple]:
        """Query the publication database as a reader would."""
        with duckdb.connect(str(self.folder / "publication.duckdb"), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def publication(self) -> dict[str, bytes]:
        """Everything published: file name -> content."""
        files = [self.folder / "publication.duckdb", *sorted((self.folder / "publication").glob("*"))]
        return {f.name: f.read_bytes() for f in files if f.exists()}


@pytest.fixture(scope="session")
def built_toy(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The toy project, built and published once. Copy it (`toy`) before changing anything."""
    folder = tmp_path_factory.mktemp("toy")
    for name in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(TOY, folder, dirs_exist_ok=True)
    shutil.copy(ROOT / "models" / "_groups.yml", folder / "models" / "_groups.yml")
    (folder / "macros").symlink_to(ROOT / "macros")
    (folder / "tests").mkdir()
    (folder / "tests" / "generic").symlink_to(ROOT / "tests" / "generic")
    sys.path.insert(0, str(TOY))
    try:
        import make_units
    finally:
        sys.path.remove(str(TOY))
    make_units.write(folder / "data" / "units.csv")
    project = Project(folder)
    outcome = project.dbt("build")
    assert outcome, outcome.text
    return project


@pytest.fixture
def toy(built_toy: Project, tmp_path: Path) -> Project:
    """A copy of the built toy project, to change at will."""
    folder = tmp_path / "toy"
    shutil.copytree(built_toy.folder, folder, symlinks=True)
    return Project(folder)


@pytest.fixture(scope="session")
def inline(built_toy: Project):
    """Compile Jinja in the toy project, in this process and parsed once; returns (result, dbt's error messages)."""
    from dbt.cli.main import dbtRunner

    def run(arguments: list[str], manifest=None):
        messages: list[str] = []
        runner = dbtRunner(
            manifest=manifest,
            callbacks=[lambda event: messages.append(event.info.msg) if event.info.level == "error" else None],
        )
        before = Path.cwd()
        os.chdir(built_toy.folder)
        try:
            result = runner.invoke(["--quiet", *arguments, "--target", "lint"]).result
        finally:
            os.chdir(before)
        return result, "\n".join(messages)

    manifest, _ = run(["parse"])

    def compile_code(code: str):
        for left in [name for name in manifest.nodes if name.startswith("sql_operation.")]:
            del manifest.nodes[left]  # dbt leaves the last inline query behind when it failed to compile
        return run(["compile", "--inline", code], manifest)

    return compile_code


@pytest.fixture(scope="session")
def compile_inline(inline):
    """Compile Jinja in the toy project; returns dbt's error messages (or "")."""
    return lambda code: inline(code)[1]


@pytest.fixture(scope="session")
def compiled(inline):
    """Compile Jinja in the toy project; returns the SQL."""
    return lambda code: inline(code)[0].results[0].node.compiled_code
