"""A data directory that an earlier version left: everything in it is served, and its stages are reused."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker

from api.main import create_app
from cartl_core.report import Report
from jobs.database.engine import make_engine, migrate, session_factory
from jobs.settings import Settings
from jobs.state import JobState
from tests.fixtures.workers import Record, Worker
from tests.golden.data_directory import ARCHIVE, TWO_METHODS

SECONDS = 120.0
NAMES = {"two methods", "the run chooses", "a student"}
FACES = {"report.json", "report.md", "report.html", "evidence.json"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The directory unpacked, and brought up to date as the service does when it starts."""
    data_dir = tmp_path / "data"
    with tarfile.open(ARCHIVE) as packed:
        packed.extractall(data_dir, filter="data")
    settings = Settings(data_dir=data_dir)
    settings.make_directories()
    engine = make_engine(settings)
    migrate(engine)
    engine.dispose()
    return settings


@pytest.fixture
def factory(settings: Settings) -> Iterator[sessionmaker[Session]]:
    engine = make_engine(settings)
    yield session_factory(engine)
    engine.dispose()


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    local: dict[str, Any] = {"base_url": "http://127.0.0.1:8000", "client": ("127.0.0.1", 50000)}
    with TestClient(create_app(settings), **local) as found:
        yield found


def jobs_of(client: TestClient) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = client.get("/jobs").json()["data"]
    return listed


def test_jobs_reports_and_files_are_served(client: TestClient) -> None:
    listed = jobs_of(client)
    assert len(listed) == 5
    assert {job["state"] for job in listed} == {"succeeded"}
    assert {job["name"] for job in listed} >= NAMES
    for job in listed:
        path = f"/jobs/{job['id']}"
        answer = client.get(f"{path}/robustness").json()
        # What the service adds to the report itself.
        said, measurements = answer.pop("text"), answer.pop("measurements")
        assert job["id"] in [one["job_id"] for one in measurements]
        assert Report.model_validate(answer).complete
        assert said["headline"] in client.get(f"{path}/artifacts/report.md").text
        text = client.get(f"{path}/robustness", headers={"Accept": "text/markdown"}).text
        assert text.startswith("# Robustness report")
        assert client.get(f"{path}/report").text.startswith("<!doctype html>")
        files = client.get(f"{path}/artifacts").json()["data"]
        assert {file["name"] for file in files} >= FACES
        for file in files:
            got = client.get(f"{path}/artifacts/{file['name']}")
            assert hashlib.sha256(got.content).hexdigest() in got.headers["ETag"]
            asked = {"If-None-Match": got.headers["ETag"]}
            assert client.get(f"{path}/artifacts/{file['name']}", headers=asked).status_code == 304
        assert text == client.get(f"{path}/artifacts/report.md").text
        assert client.get(f"{path}/events", headers={"Accept": "application/json"}).status_code == 200
        assert "attempt 1" in client.get(f"{path}/logs").text


def test_the_sweep_is_compared(client: TestClient) -> None:
    (sweep,) = client.get("/sweeps").json()["data"]
    found = client.get(f"/sweeps/{sweep['id']}").json()
    assert found["states"]["succeeded"] == len(found["table"]["rows"]) == 2
    assert sum(row["best"] for row in found["table"]["rows"]) == 1


@pytest.mark.usefixtures("forked_starts")
def test_stages_of_before_are_trained_anew_once_and_the_run_says_why(
    settings: Settings,
    factory: sessionmaker[Session],
    client: TestClient,
    start_worker: Callable[..., Worker],
    in_state: Callable[..., None],
) -> None:
    """The directory is of the version before digests changed: each training of a new job that differs in
    ``evaluate`` alone is done again, with an event; a second such job finds all of it."""
    record = Record(factory)
    (before,) = (job for job in jobs_of(client) if job["name"] == "two methods")
    evaluate = {"test_limit": 30, "source_attacks": [], "curve": None, "corruptions": None, "checks": None}
    brief = {**TWO_METHODS, "evaluate": {**evaluate, "gallery": None}}
    job_id = client.post("/jobs", json=brief).json()["id"]
    start_worker(lease_seconds=20.0, renew_seconds=1.0, threads=1)
    in_state(job_id, JobState.SUCCEEDED, SECONDS)
    trainings = {
        event.body["label"]: event.body["reused"]
        for event in record.events(job_id)
        if event.type == "stage_finished" and event.body["stage"] in ("pretrain", "transfer")
    }
    assert trainings.keys() == {"teacher (fdm)", "teacher (at)", "student (cartl)", "student (vanilla)"}
    (here,) = (event.body["runtime"] for event in record.events(job_id) if event.type == "runtime_resolved")
    assert set(trainings.values()) == {False}
    anew = [event.body for event in record.events(job_id) if event.type == "stage_computed_anew"]
    assert {body["label"]: body["why"] for body in anew} == dict.fromkeys(trainings, "digests")
    again = client.post("/jobs", json={**brief, "name": "again"}).json()["id"]
    in_state(again, JobState.SUCCEEDED, SECONDS)
    found = [event for event in record.events(again) if event.type == "stage_finished"]
    assert {event.body["reused"] for event in found} == {True}
    assert "stage_computed_anew" not in record.types(again)
    if here == record.job(before["id"]).runtime:
        files = [client.get(f"/jobs/{one}/artifacts").json()["data"] for one in (before["id"], job_id, again)]
        students = {
            file["sha256"] for some in files for file in some if file["name"] == "student.safetensors"
        }
        assert len(students) == 1, "the numbers are what they were"


def test_nothing_of_the_machine_is_in_it(settings: Settings) -> None:
    folders = tuple(f"/{name}/".encode() for name in ("tmp", "root", "home"))
    for path in settings.data_dir.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for word in (*folders, b"Bearer "):
                assert word not in content, f"{word!r} in {path.name}"
