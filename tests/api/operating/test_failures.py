"""What happens when something else fails: the database, the broker, our own code; and what is never told."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.main import create_app
from jobs.database.engine import make_engine, newest_revision
from jobs.settings import Settings
from tests.api.conftest import local_client

NOWHERE = 9  # the discard port: nothing listens there


def test_unknown_paths_and_methods_are_problems(client: TestClient) -> None:
    for path in ("/nope", "/jobs/", "/jobs/x/y/z", "/%00"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), path
    answer = client.put("/jobs")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, POST"
    assert answer.json()["type"] == "/problems/method-not-allowed"
    assert client.post("/docs").headers["allow"] == "GET, HEAD"


def test_a_mistake_of_ours_tells_nothing(settings: Settings) -> None:
    app = create_app(settings)

    def broken() -> None:
        raise RuntimeError("secret at /srv/private")

    app.add_api_route("/broken", broken)
    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.get("/broken")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/internal"
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_a_database_that_is_away_is_503_soon(settings: Settings) -> None:
    url = f"postgresql+psycopg://nobody:hunter2@127.0.0.1:{NOWHERE}/none"
    with local_client(settings.model_copy(update={"database_url": url})) as client:
        for path in ("/jobs", "/jobs/0000", "/metrics", "/readyz"):
            start = time.monotonic()
            answer = client.get(path)
            assert answer.status_code == 503, path
            assert answer.json()["type"] == "/problems/unavailable"
            assert answer.headers["retry-after"] == "5"
            assert "hunter2" not in answer.text
            assert time.monotonic() - start < 25
        assert client.get("/healthz").status_code == 200


def test_a_database_without_migrations_is_not_ready(tmp_path: Path) -> None:
    with local_client(Settings(data_dir=tmp_path / "fresh")) as client:
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["type"] == "/problems/not-ready"
        assert "python -m jobs migrate" in answer.json()["detail"]


def test_a_database_that_a_newer_version_has_migrated_is_not_written(
    client: TestClient, small: dict[str, Any], engine: Engine
) -> None:
    """While the API runs, too: what would have been written is rolled back, and the words say what to do."""
    job = client.post("/jobs", json=small).json()
    with engine.begin() as connection:
        newest = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    time.sleep(1.1)  # the API looks once a second
    for path in ("/jobs", f"{job['links']['self']}/cancel"):
        answer = client.post(path, json=small if path == "/jobs" else None)
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/not-ready")
        assert "a newer version has migrated it" in answer.json()["detail"]
    assert client.get("/readyz").status_code == 503
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :newest"), {"newest": newest})
    (found,) = client.get("/jobs").json()["data"]
    assert (found["id"], found["state"]) == (job["id"], "queued")


def test_an_api_does_not_start_on_a_newer_database(settings: Settings, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    environment = {
        "CARTL_DATA_DIR": str(settings.data_dir),
        "CARTL_DATABASE_URL": settings.database_url,
        "CARTL_PORT": "0",
    }
    for command in (["api"], ["worker"], ["jobs", "migrate"], ["jobs", "keys", "create"], ["jobs", "prune"]):
        ended = subprocess.run(
            [sys.executable, "-m", *command],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode in (1, 3), command
        assert "a newer version has migrated it" in ended.stderr
        assert "Traceback" not in ended.stderr
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": newest_revision()})


def test_a_broker_that_is_down_is_no_error(settings: Settings, small: dict[str, Any]) -> None:
    down = settings.model_copy(update={"broker_url": f"redis://127.0.0.1:{NOWHERE}/0"})
    with local_client(down) as client:
        start = time.monotonic()
        answer = client.post("/jobs", json=small)
        assert answer.status_code == 201
        # The client waits here for what comes after the response, too.
        assert time.monotonic() - start < 25
        assert client.get(answer.headers["location"]).json()["state"] == "queued"
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")


def test_ready(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {
        "status": "ready",
        "database": "ok",
        "broker": "ok",
        "storage": "ok",
        "message": None,
    }


def test_workers_are_notified_once_of_each_new_job(
    client: TestClient, small: dict[str, Any], settings: Settings
) -> None:
    def notifications() -> int:
        return len(list(settings.broker_dir.rglob("*.msg")))

    job = client.post("/jobs", json=small, headers={"Idempotency-Key": "k"}).json()
    assert notifications() == 1
    client.post("/jobs", json=small, headers={"Idempotency-Key": "k"})
    client.post("/jobs?dry_run=true", json=small)
    client.post("/jobs", json=small | {"freeze_depth": 99})
    client.post(f"{job['links']['self']}/cancel")
    assert notifications() == 1
    client.post(f"{job['links']['self']}/retry")
    assert notifications() == 2


def test_a_commit_that_fails_is_an_error_and_notifies_nobody(
    settings: Settings, small: dict[str, Any]
) -> None:
    engine = make_engine(settings)
    with engine.begin() as connection:
        connection.execute(text("PRAGMA defer_foreign_keys=ON"))
        # A row that breaks a deferred constraint makes the COMMIT itself fail.
        connection.execute(text("CREATE TABLE parent (id TEXT PRIMARY KEY)"))
        connection.execute(
            text("CREATE TABLE child (id TEXT REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)")
        )
        connection.execute(
            text(
                "CREATE TRIGGER break_commit AFTER INSERT ON jobs "
                "BEGIN INSERT INTO child VALUES (new.id); END"
            )
        )
    engine.dispose()
    with local_client(settings, raise_server_exceptions=False) as client:
        answer = client.post("/jobs", json=small)
        assert answer.status_code == 500
        assert client.get("/jobs").json()["data"] == []
    assert list(settings.broker_dir.rglob("*.msg")) == []


def run(code: str, where: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *code.split(" ", 1)] if code.startswith("-m ") else [sys.executable, "-c", code],
        cwd=where,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_importing_the_service_needs_no_torch_and_leaves_no_trace(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['torchvision'] = None\n"
        "import api.main\n"
        "from fastapi import FastAPI\n"
        "assert isinstance(api.main.app, FastAPI) and api.main.app is api.main.app\n"
    )
    done = run(code, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_serving_the_network_without_a_key_is_refused_in_words(tmp_path: Path, settings: Settings) -> None:
    done = run(
        "-m api",
        tmp_path,
        CARTL_HOST="0.0.0.0",
        CARTL_DATA_DIR=str(settings.data_dir),
    )
    assert done.returncode == 2
    assert "python -m jobs keys create" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_application_is_one_value() -> None:
    import api.main

    with pytest.raises(AttributeError):
        _ = api.main.nothing
    assert isinstance(create_app(Settings()), FastAPI)
