"""Keys that expire, are rotated and say when they were used; operators, who see no more than they need."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from jobs.database.dialect import FromNow
from jobs.database.engine import reading, transaction
from jobs.tables import ApiKey, WebSession

NewKey = Callable[..., dict[str, str]]
PATIENCE_SECONDS = 60.0


def key_id(headers: dict[str, str]) -> str:
    return headers["Authorization"].split("_")[1]


def status(client: TestClient, headers: dict[str, str]) -> int:
    return client.get("/jobs", headers=headers).status_code


def sign_in(client: TestClient, headers: dict[str, str]) -> int:
    form = {"key": headers["Authorization"].removeprefix("Bearer ")}
    return client.post("/ui/sign-in", data=form, follow_redirects=False).status_code


def test_a_key_is_rotated_by_itself_and_by_operators_alone(client: TestClient, new_key: NewKey) -> None:
    ada, other, root = new_key("ada"), new_key("ada"), new_key("root", "operator")
    path = f"/keys/{key_id(ada)}/rotate"
    assert client.post(path, headers=other).status_code == 403
    made = client.post(path, headers=ada)
    assert made.status_code == 200 and made.headers["Cache-Control"] == "no-store"
    fresh = {"Authorization": f"Bearer {made.json()['secret']}"}
    assert (made.json()["id"], made.json()["owner"]) == (key_id(ada), "ada")
    assert made.json()["previous_until"] is not None
    assert status(client, ada) == status(client, fresh) == 200
    assert client.post(path, params={"grace_seconds": 0}, headers=root).status_code == 200
    assert status(client, fresh) == status(client, ada) == 401
    assert client.post(f"/keys/{'0' * 16}/rotate", headers=root).status_code == 404
    for grace in (-1, 31 * 86_400):
        assert client.post(path, params={"grace_seconds": grace}, headers=root).status_code == 422


def test_sessions_end_with_the_secret_that_opened_them(
    client: TestClient, new_key: NewKey, factory: sessionmaker[Session]
) -> None:
    ada = new_key("ada")
    assert sign_in(client, ada) == 303 and status(client, {}) == 200
    client.post(f"/keys/{key_id(ada)}/rotate", headers=ada)
    assert status(client, {}) == 401
    with reading(factory) as session:
        assert session.scalars(select(WebSession)).all() == []


def test_a_key_and_its_sessions_end_when_it_expires(
    client: TestClient, new_key: NewKey, factory: sessionmaker[Session]
) -> None:
    root = new_key("root", "operator")
    made = client.post("/keys", json={"owner": "ada", "expires_in_days": 1}, headers=root).json()
    ada = {"Authorization": f"Bearer {made['secret']}"}
    assert made["expires_at"] > made["created_at"]
    assert status(client, ada) == 200 and sign_in(client, ada) == 303 and status(client, {}) == 200
    with transaction(factory) as session:
        session.execute(update(ApiKey).where(ApiKey.id == made["id"]).values(expires_at=FromNow(-1)))
    assert status(client, ada) == status(client, {}) == 401 and sign_in(client, ada) == 401
    assert "has expired" in client.get("/jobs", headers=ada).json()["detail"]
    assert [key["id"] for key in client.get("/keys", headers=root).json()["data"]] == [key_id(root)]


def test_a_key_says_when_it_was_last_used(client: TestClient, new_key: NewKey) -> None:
    ada, unused, root = new_key("ada"), new_key("ada"), new_key("root", "operator")

    def last_uses() -> dict[str, str | None]:
        return {key["id"]: key["last_used_at"] for key in client.get("/keys", headers=root).json()["data"]}

    assert last_uses()[key_id(ada)] is None
    assert status(client, ada) == 200
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (first := last_uses()[key_id(ada)]) is None:  # it is written beside the answer
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert status(client, ada) == 200
    assert last_uses()[key_id(ada)] == first and last_uses()[key_id(unused)] is None


def test_an_operator_sees_whose_jobs_run_and_not_what_they_are(
    client: TestClient, new_key: NewKey, small: dict[str, Any]
) -> None:
    ada, bob, root = new_key("ada"), new_key("bob"), new_key("root", "operator")
    job = client.post(
        "/jobs", json=small | {"name": "secret name", "tags": ["secret-tag"]}, headers=ada
    ).json()
    client.post("/jobs", json=small, headers=bob)
    listed = client.get("/operator/jobs", headers=root)
    assert [(row["owner"], row["state"]) for row in listed.json()["data"]] == [
        ("bob", "queued"),
        ("ada", "queued"),
    ]
    page = client.get("/operator/jobs", params={"owner": "ada", "limit": 1}, headers=root).json()
    assert [row["id"] for row in page["data"]] == [job["id"]] and page["next_cursor"] is None
    assert "secret" not in listed.text and "digits" not in listed.text
    path = job["links"]["self"]
    for part in ("", "/events", "/logs", "/robustness", "/artifacts", "/shares"):
        assert client.get(path + part, headers=root).status_code == 404, part
    for verb in ("cancel", "retry"):
        assert client.post(f"{path}/{verb}", headers=root).status_code == 404
    assert client.put(f"{path}/shares/root", headers=root).status_code == 404
    for caller in (ada, new_key("eve", "viewer")):
        assert client.get("/operator/jobs", headers=caller).status_code == 403
        assert client.post(f"/operator{path}/cancel", headers=caller).status_code == 403
    ended = client.post(f"/operator{path}/cancel", headers=root)
    assert (ended.json()["state"], ended.json()["owner"]) == ("cancelled", "ada")
    assert "secret" not in ended.text
    assert client.put(f"{path}/shares/root", headers=ada).status_code == 204
    assert client.get(path, headers=root).json()["name"] == "secret name"
