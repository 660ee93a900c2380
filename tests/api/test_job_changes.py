"""A job's priority, and its end: `PATCH` and `DELETE` of `/jobs/{id}`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker

from jobs.database.engine import reading
from jobs.files.retention import prune
from jobs.settings import Settings
from jobs.tables import DeletedJob

NewKey = Callable[..., dict[str, str]]


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def submit(client: TestClient, body: dict[str, Any], **options: Any) -> dict[str, Any]:
    answer = client.post("/jobs", json=body, **options)
    assert answer.status_code in (200, 201), answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_priority_is_asked_for_shown_and_changed(client: TestClient, small: dict[str, Any]) -> None:
    first, second = submit(client, small), submit(client, small | {"priority": -3})
    assert (first["priority"], second["priority"]) == (0, -3)
    assert first["spec_digest"] == second["spec_digest"] and "priority" not in second["spec"]
    third = submit(client, small)
    assert (second["queue_position"], third["queue_position"]) == (2, 2)
    changed = client.patch(second["links"]["self"], json={"priority": 10})
    assert changed.status_code == 200
    assert (changed.json()["priority"], changed.json()["queue_position"]) == (10, 1)
    assert [job["priority"] for job in client.get("/jobs").json()["data"]] == [0, 10, 0]
    events = client.get(second["links"]["events"]).json()["data"]
    assert (events[-1]["type"], events[-1]["body"]) == ("priority_changed", {"from": -3, "to": 10})


def test_a_sweep_passes_its_priority_on(client: TestClient, small: dict[str, Any]) -> None:
    client.post("/sweeps", json={"base": small | {"priority": 4}, "grid": {"seed": [0, 1]}})
    assert [job["priority"] for job in client.get("/jobs").json()["data"]] == [4, 4]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "priority"),
    ({"priority": 11}, "priority"),
    ({"priority": -11}, "priority"),
    ({"priority": 1.5}, "priority"),
    ({"priority": True}, "priority"),
    ({"priority": 1, "name": "x"}, "name"),
]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_bad_change_names_the_field(client: TestClient, small: dict[str, Any]) -> None:
    path = submit(client, small)["links"]["self"]
    for body, field in WRONG:
        answer = client.patch(path, json=body)
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert error["field"] == field
        assert field != "priority" or error["allowed"] == "integer, -10 to 10"
    assert client.patch(path, json={"priority": 10**400}).status_code == 400
    assert client.get(path).json()["priority"] == 0
    posted = client.post("/jobs", json=small | {"priority": -11})
    assert posted.status_code == 422 and posted.json()["errors"][0]["field"] == "priority"


def test_a_job_is_deleted_with_its_files_once_it_has_ended(
    client: TestClient,
    small: dict[str, Any],
    worker: Any,
    settings: Settings,
    factory: sessionmaker[Session],
) -> None:
    job = submit(client, small, headers={"Idempotency-Key": "k"})
    path, folder = job["links"]["self"], settings.artifacts_dir / job["id"]
    refused = client.delete(path)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/wrong-state")
    assert "cancel it first" in refused.json()["detail"]
    claim = worker.claim()
    worker.write(claim, "report.md", b"# found", "text/markdown")
    (folder / "logs").mkdir()
    (folder / "logs" / "attempt-1.log").write_text("said")
    assert client.delete(path).status_code == 409
    worker.complete(claim)
    assert client.delete(path).status_code == 204
    assert not folder.exists()
    gone = [client.request(verb, path, json={"priority": 1}) for verb in ("GET", "PATCH", "DELETE")]
    gone += [client.get(f"{path}/{part}") for part in ("events", "report", "logs", "artifacts/report.md")]
    assert {answer.status_code for answer in gone} == {404}
    assert client.patch(path, json={"priority": 1}).status_code == 404
    assert client.get("/jobs").json()["data"] == []
    assert "cartl_claims_total 1.0" in client.get("/metrics").text
    with reading(factory) as session:
        told = session.get_one(DeletedJob, job["id"])
        assert (told.deleted_by, told.key_id, told.claims) == ("local", None, 1)
    assert submit(client, small, headers={"Idempotency-Key": "k"})["id"] != job["id"]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_files_that_cannot_be_removed_are_left_to_prune(
    client: TestClient,
    small: dict[str, Any],
    settings: Settings,
    factory: sessionmaker[Session],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = submit(client, small)
    path, folder = job["links"]["self"], settings.artifacts_dir / job["id"]
    client.post(f"{path}/cancel")
    log = folder / "logs" / "attempt-1.log"
    log.parent.mkdir(parents=True)
    log.write_text("said")
    for one in (log, log.parent):
        os.utime(one, (0, 0))

    def broken(store: Any, key: str) -> bool:
        raise OSError("the disk is away")

    monkeypatch.setattr("cartl_core.storage.directory_store.DirectoryStore.delete", broken)
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    assert log.is_file()
    monkeypatch.undo()
    prune(factory, settings, older_than_days=30)
    assert not folder.exists()


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_its_owner_deletes_it_and_an_admin(
    client: TestClient, small: dict[str, Any], new_key: NewKey
) -> None:
    ada, reader, bob = new_key("ada"), new_key("ada", "viewer"), new_key("bob")
    root = new_key("root", "operator")
    jobs = [submit(client, small, headers=ada)["links"]["self"] for _ in range(2)]
    for path in jobs:
        client.put(f"{path}/shares/bob", headers=ada)
        client.post(f"{path}/cancel", headers=ada)
    assert client.get(jobs[0], headers=bob).status_code == 200
    assert client.delete(jobs[0], headers=bob).status_code == 404
    assert client.patch(jobs[0], json={"priority": 1}, headers=bob).status_code == 404
    assert client.delete(jobs[0], headers=reader).status_code == 403
    assert client.delete(jobs[0], headers=ada).status_code == 204
    assert client.delete(jobs[1], headers=root).status_code == 204
    ended = client.patch(jobs[1], json={"priority": 1}, headers=ada)
    assert ended.status_code == 404


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_sweep_goes_on_without_a_job_that_is_deleted(client: TestClient, small: dict[str, Any]) -> None:
    made = client.post("/sweeps", json={"base": small, "grid": {"seed": [0, 1]}}).json()
    first, second = (job["links"]["self"] for job in client.get("/jobs").json()["data"])
    client.post(f"{first}/cancel")
    assert client.patch(first, json={"priority": 1}).status_code == 409
    assert client.delete(first).status_code == 204
    shown = client.get(f"/sweeps/{made['id']}")
    assert shown.status_code == 200 and shown.json()["jobs"] == 1
    client.post(f"{second}/cancel")
    assert client.delete(second).status_code == 204
    assert client.get(f"/sweeps/{made['id']}").json()["jobs"] == 0
