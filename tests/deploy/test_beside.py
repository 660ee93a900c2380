"""This version goes on beside a later one whose migrations only add, and refuses once they take away."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from jobs.__main__ import app as administration
from jobs.database.engine import make_engine, migrate, newest_revision
from jobs.errors import DatabaseAhead
from jobs.settings import SQLITE_NAME, Settings
from jobs.state import JobState
from tests.api.conftest import local_client
from tests.deploy.later_version import CONTRACTION, EXPANSION, after, later_version
from tests.factories import SMALL
from tests.fixtures.workers import Record, Worker
from worker.__main__ import _check_database

FAKE_WORKER = Path(__file__).parents[1] / "worker/fake_worker.py"


@pytest.fixture
def settings(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """A migrated database of the test's own, since a later version is to migrate it."""
    if backend == "sqlite":
        local = Settings(data_dir=tmp_path / "data")
        local.make_directories()
        shutil.copy(request.getfixturevalue("migrated_sqlite"), local.data_dir / SQLITE_NAME)
        return local
    url = request.getfixturevalue("new_postgres_database")
    local = Settings(data_dir=tmp_path / "data", database_url=url)
    engine = make_engine(local)
    migrate(engine)
    engine.dispose()
    return local


@pytest.fixture
def jobs_command(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """`python -m jobs` of this version: its exit status, and what it says."""
    monkeypatch.setenv("CARTL_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("CARTL_DATABASE_URL", settings.database_url)

    def run(*arguments: str) -> tuple[int, str]:
        ended = CliRunner().invoke(administration, arguments)
        return ended.exit_code, ended.output

    return run


def post(client: TestClient) -> str:
    answer = client.post("/jobs", json=SMALL)
    assert answer.status_code == 201, answer.text
    job_id: str = answer.json()["id"]
    return job_id


def readiness(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/readyz").json()
    return found


def test_api_and_worker_go_on_until_the_later_version_takes_something_away(
    settings: Settings,
    engine: Engine,
    record: Record,
    start_worker: Callable[..., Worker],
    in_state: Callable[..., None],
    until: Callable[..., None],
    jobs_command: Callable[..., tuple[int, str]],
    tmp_path: Path,
) -> None:
    later = later_version(tmp_path / "later", settings, EXPANSION, CONTRACTION)
    with local_client(settings) as client, later.administrator() as order:
        worker = start_worker([str(FAKE_WORKER)])
        in_state(post(client), JobState.SUCCEEDED)

        assert order("migrate", after(1)) == f"done: migrate {after(1)}"
        until(lambda: readiness(client)["database"] == "newer")
        found = readiness(client)
        assert found["status"] == "ready"
        assert f"at migration {after(1)} of a newer version" in found["message"]
        beside = post(client)
        in_state(beside, JobState.SUCCEEDED)
        new_processes_may_start(settings, jobs_command)
        assert set(values(engine, "SELECT colour FROM jobs")) == {"grey"}

        assert order("migrate", after(2)) == f"done: migrate {after(2)}"
        until(lambda: client.get("/readyz").status_code == 503)
        for answer in (client.get("/readyz"), client.get("/jobs"), client.post("/jobs", json=SMALL)):
            assert (answer.status_code, answer.json()["type"]) == (503, "/problems/not-ready")
            assert f"for versions from migration {after(2)} on" in answer.json()["detail"]
        until(lambda: f"nothing is maintained: the database is at migration {after(2)}" in said(worker))
        code, told = jobs_command("migrate")
        assert code == 1 and "a newer version has migrated it" in told
        with pytest.raises(DatabaseAhead, match="a newer version has migrated it"):
            _check_database(settings)

        assert order("downgrade", newest_revision()) == f"done: downgrade {newest_revision()}"
        until(lambda: client.get("/readyz").status_code == 200)
        assert readiness(client)["database"] == "ok"
        assert client.get(f"/jobs/{beside}").json()["state"] == "succeeded"
        in_state(post(client), JobState.SUCCEEDED)


def new_processes_may_start(settings: Settings, jobs_command: Callable[..., tuple[int, str]]) -> None:
    """Of this version, on what the later one has migrated: a restart of a container asks for no more."""
    for command in ("migrate", "check"):
        code, told = jobs_command(command)
        assert code == 0, told
        assert f"at migration {after(1)} of a newer version; this one, of migration" in told
    code, told = jobs_command("downgrade", newest_revision())
    assert code == 1 and "go back with its" in told
    _check_database(settings)
    with local_client(settings) as another:
        assert another.get("/jobs").status_code == 200


def said(worker: Worker) -> str:
    return worker.log.read_text(errors="replace")


def values(engine: Engine, query: str) -> list[str]:
    with engine.connect() as connection:
        return [str(value) for value in connection.execute(text(query)).scalars()]
