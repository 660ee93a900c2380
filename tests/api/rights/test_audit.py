"""The audit log of a story: who did what to which object, from where; nothing secret, nothing lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from jobs.database.engine import reading, transaction
from jobs.settings import Settings
from jobs.store.rights import audit
from jobs.store.rights.audit import ACTIONS, Actor, entries, newest_number, note
from tests.api.conftest import local_client

NewKey = Callable[..., dict[str, str]]
HOOK = {"url": "https://example.com/hook?token=hook-secret-91"}
VISITOR = {"X-Forwarded-For": "203.0.113.9"}


@pytest.fixture
def allowing(settings: Settings) -> Iterator[TestClient]:
    """A service that allows webhooks, behind a proxy that it trusts."""
    more = {"webhooks": True, "trusted_proxies": "127.0.0.1"}
    with local_client(settings.model_copy(update=more), follow_redirects=False) as client:
        yield client


def log_of(client: TestClient, operator: dict[str, str], **asked: int) -> list[dict[str, Any]]:
    answer = client.get("/audit", params=asked, headers=operator)
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def key_id(headers: dict[str, str]) -> str:
    return headers["Authorization"].split("_")[1]


def bearer(answer: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {answer.json()['secret']}"}


def test_the_log_of_a_story(
    allowing: TestClient, new_key: NewKey, small: dict[str, Any], settings: Settings
) -> None:
    client, root = allowing, new_key("root", "operator")
    made = client.post("/keys", json={"owner": "ada"}, headers=root | VISITOR)
    ada, ada_id = bearer(made), made.json()["id"]
    job = client.post("/jobs", json=small | {"name": "a name of ada's"}, headers=ada | VISITOR).json()["id"]
    client.post("/jobs", json=small | {"freeze_depth": 99}, headers=ada)  # not valid: nothing was changed
    client.post("/jobs", params={"dry_run": True}, json=small, headers=ada)
    client.patch(f"/jobs/{job}", json={"priority": 5}, headers=ada)
    client.put(f"/jobs/{job}/shares/bob", headers=ada)
    client.delete(f"/jobs/{job}/shares/bob", headers=ada)
    client.post(f"/jobs/{job}/cancel", headers=ada)
    client.post(f"/jobs/{job}/retry", headers=ada)
    client.post(f"/operator/jobs/{job}/cancel", headers=root)
    grid = {"base": small, "grid": {"seed": [1, 2]}}
    sweep = client.post("/sweeps", json=grid, headers=ada).json()["id"]
    client.post(f"/sweeps/{sweep}/cancel", headers=ada)
    data = client.post("/datasets", json={"name": "birds", "size": 3}, headers=ada).json()["id"]
    binary = ada | {"Content-Type": "application/octet-stream"}
    client.put(f"/datasets/{data}/content", content=b"abc", headers=binary)
    client.put("/datasets/birds/shares/bob", headers=ada)
    client.delete("/datasets/birds", headers=ada)
    hook = client.post("/webhooks", json=HOOK, headers=ada).json()
    client.delete(f"/webhooks/{hook['id']}", headers=ada)
    rotated = client.post(f"/keys/{ada_id}/rotate", headers=ada)
    signed = client.post("/ui/sign-in", data={"key": rotated.json()["secret"]}, headers=VISITOR)
    assert signed.status_code == 303
    token = client.get("/ui/keys", headers={"Accept": "text/html"}).text.partition('csrf-token" content="')[2]
    out = client.post("/ui/sign-out", headers={"X-CSRF-Token": token.partition('"')[0]})
    assert out.status_code == 204
    viewer = new_key("eve", "viewer")
    for _ in range(3):
        assert client.post("/jobs", json=small, headers=viewer).status_code == 403
    assert client.post(f"/keys/{ada_id}/rotate", headers=viewer).status_code == 403
    wrong = {"Authorization": f"Bearer cartl_{ada_id}_wrong-secret"}
    assert client.get("/jobs", headers=wrong | VISITOR).status_code == 401
    client.post("/ui/sign-in", data={"key": "cartl_0_nonsense"})
    assert client.delete(f"/jobs/{job}", headers=root).status_code == 204
    assert client.delete(f"/keys/{ada_id}", headers=root).status_code == 204

    log = log_of(client, root)
    assert [(row["owner"], row["action"], row["object"], row["outcome"]) for row in log] == [
        ("root", "key.create", ada_id, "done"),
        ("ada", "job.submit", job, "done"),
        ("ada", "job.priority", job, "done"),
        ("ada", "job.share", job, "done"),
        ("ada", "job.unshare", job, "done"),
        ("ada", "job.cancel", job, "done"),
        ("ada", "job.retry", job, "done"),
        ("root", "job.cancel", job, "done"),
        ("ada", "sweep.submit", sweep, "done"),
        ("ada", "sweep.cancel", sweep, "done"),
        ("ada", "dataset.create", data, "done"),
        ("ada", "dataset.content", data, "done"),
        ("ada", "dataset.share", data, "done"),
        ("ada", "dataset.delete", data, "done"),
        ("ada", "webhook.create", hook["id"], "done"),
        ("ada", "webhook.delete", hook["id"], "done"),
        ("ada", "key.rotate", ada_id, "done"),
        ("ada", "session.open", ada_id, "done"),
        ("ada", "session.close", ada_id, "done"),
        ("eve", "request", "POST /jobs", "refused"),
        ("eve", "request", f"POST /keys/{ada_id}/rotate", "refused"),
        (None, "request", "GET /jobs", "refused"),
        (None, "session.open", "unknown", "refused"),
        ("root", "job.delete", job, "done"),
        ("root", "key.revoke", ada_id, "done"),
    ]
    assert {row["action"] for row in log} <= ACTIONS.keys()
    assert [row["number"] for row in log] == sorted({row["number"] for row in log})
    by_root = [row for row in log if row["owner"] == "root"]
    assert {row["key"] for row in by_root} == {key_id(root)}
    assert {row["object_owner"] for row in by_root} == {"ada"}
    forwarded = [row["action"] for row in log if row["address"] == "203.0.113.9"]
    assert forwarded == ["key.create", "job.submit", "session.open", "request"]
    assert {row["address"] for row in log} == {"203.0.113.9", "127.0.0.1"}
    assert log[3]["detail"] == {"reader": "bob"} and log[2]["detail"] == {"priority": 5}

    told = client.get("/audit", headers=root).text
    hidden = [made.json()["secret"], rotated.json()["secret"], hook["secret"], root["Authorization"][7:]]
    secrets = [secret.split("_", 2)[-1] for secret in hidden]
    for secret in (*secrets, "wrong-secret", "nonsense", "hook-secret-91", "a name of ada's", "tiny"):
        assert secret not in told, secret


def test_the_log_comes_in_pages_to_operators_alone(client: TestClient, new_key: NewKey) -> None:
    root = new_key("root", "operator")
    for owner in ("a", "b", "c"):
        client.post("/keys", json={"owner": owner}, headers=root)
    whole = log_of(client, root)
    assert [row["object_owner"] for row in whole] == ["a", "b", "c"]
    first = log_of(client, root, limit=2)
    assert first == whole[:2]
    assert log_of(client, root, after=first[-1]["number"], limit=2) == whole[2:]
    assert log_of(client, root, after=whole[-1]["number"]) == []
    for role in ("viewer", "submitter"):
        assert client.get("/audit", headers=new_key("eve", role)).status_code == 403
    for wrong in ({"after": -1}, {"limit": 0}, {"limit": 1001}, {"after": 2**63}):
        assert client.get("/audit", params=wrong, headers=root).status_code == 422


def test_change_and_row_are_made_together_or_not_at_all(
    settings: Settings, small: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the log cannot be written")

    with local_client(settings, raise_server_exceptions=False) as client:
        job = client.post("/jobs", json=small).json()["id"]
        assert client.delete(f"/jobs/{job}").status_code == 409
        monkeypatch.setattr("api.routes.jobs.note", broken)
        monkeypatch.setattr("api.routes.job_changes.note", broken)
        assert client.post("/jobs", json=small).status_code == 500
        assert client.post(f"/jobs/{job}/cancel").status_code == 500
        assert [(one["id"], one["state"]) for one in client.get("/jobs").json()["data"]] == [(job, "queued")]
        assert [row["action"] for row in log_of(client, {})] == ["job.submit"]


def test_only_reading_is_offered(client: TestClient) -> None:
    assert set(client.get("/openapi.json").json()["paths"]["/audit"]) == {"get"}


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_no_row_is_changed_or_deleted(factory: sessionmaker[Session]) -> None:
    with transaction(factory) as session:
        note(session, Actor("ada"), "job.submit", "j1")
    for statement in ("UPDATE audit_log SET object = 'x'", "DELETE FROM audit_log"):
        with pytest.raises(DBAPIError, match="only added to"), transaction(factory) as session:
            session.execute(text(statement))
    with transaction(factory) as session:
        upto = newest_number(session)
        assert [row.object for row in entries(session, after=0, upto=upto, limit=9)] == ["j1"]


@pytest.mark.parametrize("backend", ["postgresql"])
def test_an_export_waits_for_numbers_that_were_given_and_not_committed(
    factory: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a reader that goes on after the highest number would pass over one that comes later."""
    slow = factory()
    note(slow, Actor("ada"), "job.submit", "slow")  # number 1, not committed
    with transaction(factory) as session:
        note(session, Actor("ada"), "job.submit", "quick")
    with reading(factory) as session:
        assert [row.object for row in entries(session, after=0, upto=9, limit=9)] == ["quick"]
    with monkeypatch.context() as impatient:
        impatient.setattr(audit, "LOCK_SECONDS", 0.05)
        with pytest.raises(DBAPIError, match="lock timeout"), transaction(factory) as session:
            newest_number(session)
    slow.commit()
    slow.close()
    with transaction(factory) as session:
        upto = newest_number(session)
    with reading(factory) as session:
        assert [row.object for row in entries(session, after=0, upto=upto, limit=9)] == ["slow", "quick"]


def test_an_action_that_is_not_known_is_not_written(factory: sessionmaker[Session]) -> None:
    with pytest.raises(ValueError, match="no action"), transaction(factory) as session:
        note(session, Actor("ada"), "job.invented", "j1")
