"""The publication as a whole: withdrawn without trace, old or new but never half, one build at a time."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import time

import duckdb
import pytest

from sdc import publication, restricted


def test_a_withdrawn_table_leaves_no_trace(toy):
    label = b"50+"  # a code that only the table by size has
    assert any(label in content for content in toy.publication().values())
    for path in ("models/marts/pub_toy_by_area_and_size.sql", "models/releases/rel_toy_by_area_and_size.sql"):
        (toy.folder / path).unlink()
    yaml = (toy.folder / "models/_toy__models.yml").read_text(encoding="utf-8")
    toy.write("models/_toy__models.yml", yaml[: yaml.index("  - name: pub_toy_by_area_and_size")])
    outcome = toy.dbt("run")
    assert outcome and "withdrawn: pub_toy_by_area_and_size" in outcome.text, outcome.text
    assert set(toy.publication()) == {"publication.duckdb", "toy-by-area.csv", "toy-by-area.parquet"}
    assert toy.published("select table_name from information_schema.tables") == [("pub_toy_by_area",)]
    for name, content in toy.publication().items():
        assert label not in content and b"by_area_and_size" not in content, name


def test_a_replaced_table_leaves_no_trace(toy):
    toy.edit("seeds/classifications/toy_area_hierarchy.csv", "Northby", "Oldplace-Northby")
    assert toy.dbt("build", "--exclude-resource-type", "unit_test")
    assert b"Oldplace" in toy.publication()["publication.duckdb"]
    toy.edit("seeds/classifications/toy_area_hierarchy.csv", "Oldplace-Northby", "Newplace")
    assert toy.dbt("build", "--exclude-resource-type", "unit_test")
    for name, content in toy.publication().items():
        assert b"Oldplace" not in content, name


@pytest.mark.parametrize("marker", ["START sql table model", "START sql publication model", "START sql external model"])
def test_a_killed_build_leaves_the_old_publication(toy, marker):
    toy.edit("models/staging/stg_toy__shops.sql", "{{ var('toy_filter', 'true') }}", "shop_id <> 'shop0001'")
    before = toy.publication()
    process = subprocess.Popen(
        toy.command("run"), cwd=toy.folder, env=toy.environment(), stdout=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if marker in line:
            os.kill(process.pid, signal.SIGKILL)
            break
    process.wait()
    assert process.returncode == -signal.SIGKILL
    assert toy.publication() == before
    outcome = toy.dbt("run")
    assert outcome, outcome.text
    after = toy.publication()
    assert set(after) == set(before) and after != before


def test_an_interrupted_promotion_is_completed(toy, monkeypatch):
    """A crash between the renames: the journal stands, so the next run finishes the job before anything else."""
    monkeypatch.chdir(toy.folder)
    places = publication.Places()
    wanted = {k: v for k, v in toy.publication().items()}
    (places.promote / "publication").mkdir(parents=True)
    for name, content in wanted.items():
        target = places.promote / ("" if name == "publication.duckdb" else "publication") / name
        target.write_bytes(content)
    publication._commit(places)
    (places.promote / "publication.duckdb").unlink()  # as if this rename had already happened
    (toy.folder / "publication" / "toy-by-area.csv").write_text("half of the old file", encoding="utf-8")
    (toy.folder / "publication" / "old-table.csv").write_text("withdrawn", encoding="utf-8")
    publication.prepare(places)
    assert toy.publication() == wanted
    assert not places.promote.exists()


def test_an_uncommitted_promotion_is_dropped(toy, monkeypatch):
    monkeypatch.chdir(toy.folder)
    before = toy.publication()
    places = publication.Places()
    (places.promote / "publication").mkdir(parents=True)
    (places.promote / "publication" / "toy-by-area.csv").write_text("not yet", encoding="utf-8")
    publication.prepare(places)
    assert toy.publication() == before
    assert not places.promote.exists()


def test_a_second_build_names_the_lock_and_exits(toy):
    holder = subprocess.Popen(
        [
            toy.command()[0].replace("/dbt", "/python"),
            "-c",
            "import sys, pathlib; from sdc import restricted; restricted.lock(pathlib.Path('.sdc')); "
            "print('held', flush=True); sys.stdin.read()",
        ],
        cwd=toy.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline().strip() == "held"
        before = toy.publication()
        started = time.monotonic()
        outcome = toy.dbt("run")
        assert outcome.code != 0
        assert "another build holds the lock" in outcome.text and str(holder.pid) in outcome.text
        assert ".sdc/lock" in outcome.text
        assert toy.publication() == before
        assert time.monotonic() - started < 120, "it should exit, not wait"
    finally:
        holder.communicate()
    assert toy.dbt("run", "--select", "stg_toy__shops")


def test_the_restricted_database_is_private_and_encrypted(built_toy):
    path = built_toy.folder / "restricted.duckdb"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(duckdb.Error):
        duckdb.connect(str(path), read_only=True)
    assert b"owner" not in path.read_bytes()


def test_a_restricted_database_open_to_others_is_closed(toy):
    (toy.folder / "restricted.duckdb").chmod(0o644)
    assert toy.dbt("run", "--select", "stg_toy__shops")
    assert stat.S_IMODE((toy.folder / "restricted.duckdb").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("key", "says"), [("some other secret", "is not the key"), (None, "is not set"), ("", "is not set")]
)
def test_a_wrong_or_missing_key_changes_nothing(toy, key, says):
    before = (toy.folder / "restricted.duckdb").read_bytes(), toy.publication()
    toy.key = key
    outcome = toy.dbt("run")
    assert outcome.code != 0
    assert restricted.KEY_VARIABLE in outcome.text and says in outcome.text
    assert ((toy.folder / "restricted.duckdb").read_bytes(), toy.publication()) == before
    assert not key or key not in outcome.text


def test_another_working_directory_is_named(toy, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    outcome = toy.dbt("run", "--project-dir", str(toy.folder), "--profiles-dir", str(toy.folder), cwd=elsewhere)
    assert outcome.code != 0
    assert str(elsewhere) in outcome.text and "dbt_project.yml" in outcome.text
    assert not list(elsewhere.glob("*.duckdb"))


def test_no_key_is_made_for_an_existing_database(tmp_path, monkeypatch):
    monkeypatch.delenv(restricted.KEY_VARIABLE, raising=False)
    (tmp_path / "restricted.duckdb").write_bytes(b"something")
    with pytest.raises(restricted.RestrictedError, match="its key does not"):
        restricted.ensure_key(tmp_path / ".env", tmp_path / "restricted.duckdb")
    assert not (tmp_path / ".env").exists()


def test_a_key_is_made_once_and_private(tmp_path, monkeypatch):
    monkeypatch.delenv(restricted.KEY_VARIABLE, raising=False)
    env = tmp_path / ".env"
    restricted.ensure_key(env, tmp_path / "restricted.duckdb")
    first = env.read_text(encoding="utf-8")
    restricted.ensure_key(env, tmp_path / "restricted.duckdb")
    assert env.read_text(encoding="utf-8") == first and len(first.split("=")[1].strip()) == 64
    assert stat.S_IMODE(env.stat().st_mode) == 0o600


def test_a_profile_that_attaches_the_publication_itself_is_refused(toy):
    toy.edit("profiles.yml", "path: .sdc/publication.duckdb", "path: publication.duckdb")
    before = toy.publication()
    outcome = toy.dbt("run")
    assert outcome.code != 0 and "attaches publication.duckdb itself" in outcome.text
    assert toy.publication() == before
