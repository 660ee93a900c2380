"""A backup of database and files as docs/how-to/operate.md says: taken beside work, all lost, restored."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, make_url, text
from sqlalchemy.orm import Session, sessionmaker

from jobs import store
from jobs.database.engine import make_engine, migrate, session_factory, transaction
from jobs.settings import Settings
from tests.api.conftest import Worker, local_client
from tests.factories import claim_if_any
from tests.fixtures.documents import ROOT, Block, blocks_of
from tests.fixtures.postgres_server import client_programs

SECTION = re.compile(r"^## Back up and restore\n(.*?)^## ", re.MULTILINE | re.DOTALL)
PATIENCE_SECONDS = 60.0
DATABASE = "cartl"
"""As the Docker stack names it."""
DOCKER_STAND_IN = """#!/usr/bin/env bash
set -eu
test "$1" = compose
if test "$2" = stop; then exit; fi
test "$2 $3 $4" = "exec -T postgres"
program="$5"
shift 5
exec "$POSTGRES_PROGRAMS/$program" "$@"
"""


@dataclass
class Host:
    """A folder as the page's commands find one, and where its service keeps things."""

    folder: Path
    settings: Settings
    on_postgresql: bool
    environment: dict[str, str] = field(default_factory=dict)

    def blocks(self) -> list[Block]:
        """Those of the page's section, in order."""
        page = ROOT / "docs/how-to/operate.md"
        found = SECTION.search(page.read_text(encoding="utf-8"))
        assert found is not None
        return [block for block in blocks_of(page) if block.text in found[1]]

    def back_up(self) -> None:
        """The blocks that copy."""
        for block in self.blocks():
            copies_files = block.text.startswith("cp -a")
            copies_database = "pg_dump" in block.text if self.on_postgresql else block.language == "python"
            if copies_files or copies_database:
                self._run(block.language, block.text)

    def restore(self) -> None:
        """The block that puts things in place; with PostgreSQL another one stands for its second line."""
        (steps,) = (block.text for block in self.blocks() if block.text.startswith("rm -rf"))
        (instead,) = (block.text for block in self.blocks() if "pg_restore" in block.text)
        if self.on_postgresql:
            first, second, *others = steps.splitlines()
            assert "backup.sqlite3" in second
            steps = "\n".join((first, instead, *others))
        self._run("sh", steps)

    def _run(self, language: str, script: str) -> None:
        command = [sys.executable, "-c", script] if language == "python" else ["bash", "-euc", script]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CARTL_")}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=kept
            | {"PYTHONPATH": str(ROOT), "CARTL_DATA_DIR": str(self.settings.data_dir)}
            | self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture(params=["sqlite", "postgresql"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    """A host with a migrated, empty database."""
    folder = tmp_path / "host"
    folder.mkdir()
    (folder / ".venv").symlink_to(sys.prefix)
    if request.param == "sqlite":
        made = Host(folder, Settings(data_dir=folder / ".cartl"), on_postgresql=False)
        engine = make_engine(made.settings)
        migrate(engine)
        engine.dispose()
        yield made
        return
    postgres: str = request.getfixturevalue("postgres")
    server = create_engine(f"{postgres}/postgres", isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {DATABASE}"))
    settings = Settings(data_dir=folder / ".cartl", database_url=f"{postgres}/{DATABASE}")
    engine = make_engine(settings)
    migrate(engine)
    engine.dispose()
    yield Host(folder, settings, on_postgresql=True, environment=_docker_in(tmp_path / "bin", settings))
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {DATABASE} WITH (FORCE)"))
    server.dispose()


def _docker_in(folder: Path, settings: Settings) -> dict[str, str]:
    """A `docker` that runs PostgreSQL's programs on the server of the tests."""
    folder.mkdir()
    (folder / "docker").write_text(DOCKER_STAND_IN)
    (folder / "docker").chmod(0o755)
    url = make_url(settings.database_url)
    return {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "POSTGRES_PROGRAMS": str(client_programs()),
        "PGHOST": str(url.host),
        "PGPORT": str(url.port),
        "CARTL_DATABASE_URL": settings.database_url,
    }


def leave_something_of_a_later_version(factory: sessionmaker[Session]) -> None:
    with transaction(factory) as session:
        session.execute(text("CREATE TABLE later (id TEXT)"))


def tables_of_later_versions(factory: sessionmaker[Session]) -> list[str]:
    """Where they would be in the way of the next upgrade."""
    with transaction(factory) as session:
        return [name for name in inspect(session.connection()).get_table_names() if name == "later"]


def test_what_was_there_is_there_again_and_goes_on(host: Host, small: dict[str, Any]) -> None:
    there = host.settings
    engine = make_engine(there)
    worker = Worker(session_factory(engine), there)
    with local_client(there) as client:
        done, runs, waits = (client.post("/jobs", json=small | {"seed": n}).json()["id"] for n in range(3))
        claim = worker.claim()
        assert claim.job_id == done
        worker.write(claim, "report.md", b"# found", "text/markdown")
        worker.complete(claim)
        with transaction(worker.factory) as session:
            running = store.claim(session, worker_id="w2", lease_seconds=0.1)
        assert running is not None and running.job_id == runs
        host.back_up()
        later = client.post("/jobs", json=small | {"seed": 9}).json()["id"]
    leave_something_of_a_later_version(worker.factory)
    engine.dispose()
    host.restore()
    engine = make_engine(there)
    factory = session_factory(engine)
    assert tables_of_later_versions(factory) == []
    with local_client(there) as client:
        assert client.get(f"/jobs/{later}").status_code == 404
        assert client.get(f"/jobs/{done}").json()["state"] == "succeeded"
        assert client.get(f"/jobs/{done}/artifacts/report.md").content == b"# found"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while client.get(f"/jobs/{runs}").json()["state"] != "queued":
            with transaction(factory) as session:
                store.reap_expired(session)
            assert time.monotonic() < deadline
        claimed = [claim_if_any(factory, worker) for worker in ("w3", "w4")]
        assert [one and one.job_id for one in claimed] == [runs, waits]
        assert claimed[0] is not None and claimed[0].token > running.token
    engine.dispose()
