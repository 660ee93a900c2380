"""Webhooks over HTTP: the secret is shown once, the log is the owner's, hosts are checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker

from jobs.database.engine import transaction
from jobs.settings import Settings
from jobs.webhooks.deliveries import Outcome, claim_delivery, record_outcome
from jobs.webhooks.message import EVENTS
from tests.api.conftest import local_client

NewKey = Callable[..., dict[str, str]]
HOOK = {"url": "https://example.com/hook"}


@pytest.fixture
def allowing(settings: Settings) -> Iterator[TestClient]:
    """A service whose operator allows webhooks, and one host of its own network."""
    more = {"webhooks": True, "webhook_hosts": "hooks.internal", "max_webhooks_per_owner": 2}
    with local_client(settings.model_copy(update=more)) as client:
        yield client


def test_a_webhook_is_registered_listed_and_deleted(allowing: TestClient) -> None:
    made = allowing.post("/webhooks", json=HOOK | {"events": ["job.failed", "job.failed"]})
    assert made.status_code == 201 and made.headers["Cache-Control"] == "no-store"
    created = made.json()
    assert created["secret"].startswith("whsec_") and created["events"] == ["job.failed"]
    other = allowing.post("/webhooks", json={"url": "http://hooks.internal:8080/x?y=z"}).json()
    assert other["events"] == list(EVENTS)
    listed = allowing.get("/webhooks")
    assert [hook["url"] for hook in listed.json()["data"]] == [HOOK["url"], other["url"]]
    assert "whsec_" not in listed.text
    one = allowing.get(f"/webhooks/{created['id']}").json()
    assert one == {name: value for name, value in created.items() if name != "secret"}
    full = allowing.post("/webhooks", json=HOOK)
    assert full.status_code == 429 and full.json()["type"] == "/problems/too-many-webhooks"
    assert allowing.delete(f"/webhooks/{created['id']}").status_code == 204
    for gone in (created["id"], "0" * 16):
        assert allowing.delete(f"/webhooks/{gone}").status_code == 404
        assert allowing.get(f"/webhooks/{gone}").status_code == 404
    assert allowing.delete("/webhooks/NO_ID").status_code == 422
    assert [hook["id"] for hook in allowing.get("/webhooks").json()["data"]] == [other["id"]]


def test_the_log_says_what_came_of_each_message(
    allowing: TestClient, small: dict[str, Any], factory: sessionmaker[Session]
) -> None:
    hook = allowing.post("/webhooks", json=HOOK).json()["id"]
    jobs = [allowing.post("/jobs", json=small).json()["id"] for _ in range(3)]
    for job in jobs:
        allowing.post(f"/jobs/{job}/cancel")
    with transaction(factory) as session:
        sending = claim_delivery(session, 60.0)
        assert sending is not None
        record_outcome(session, sending, Outcome(status=503))
    log = f"/webhooks/{hook}/deliveries"
    page = allowing.get(log, params={"limit": 2}).json()
    rest = allowing.get(log, params={"limit": 2, "cursor": page["next_cursor"]}).json()
    assert [row["job"] for row in [*page["data"], *rest["data"]]] == jobs[::-1]
    assert rest["next_cursor"] is None
    tried = next(row for row in [*page["data"], *rest["data"]] if row["attempts"])
    assert (tried["state"], tried["status"], tried["event"]) == ("pending", 503, "job.cancelled")
    assert tried["next_attempt_at"] > tried["created_at"] and tried["finished_at"] is None


def test_what_is_not_valid_is_refused_at_its_field(allowing: TestClient) -> None:
    urls = (
        "http://example.com/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://user:secret@example.com/",
        "file:///etc/passwd",
    )
    bad: tuple[tuple[dict[str, Any], str], ...] = (
        *(({"url": url}, "url") for url in urls),
        ({}, "url"),
        (HOOK | {"events": []}, "events"),
        (HOOK | {"events": ["job.paused"]}, "events.0"),
        (HOOK | {"secret": "whsec_mine"}, "secret"),
    )
    for body, field in bad:
        answer = allowing.post("/webhooks", json=body)
        assert answer.status_code == 422, body
        (error,) = answer.json()["errors"]
        assert error["field"] == field, body
        if body.get("url") in urls:
            assert "https://" in error["allowed"], body


def test_webhooks_are_off_unless_the_operator_allows_them(client: TestClient) -> None:
    answer = client.post("/webhooks", json=HOOK)
    assert answer.status_code == 403 and "CARTL_WEBHOOKS" in answer.json()["detail"]
    assert client.get("/webhooks").json() == {"data": []}


def test_another_owners_webhook_does_not_exist_and_a_reader_registers_none(
    allowing: TestClient, new_key: NewKey
) -> None:
    ada, eve, reader = new_key("ada"), new_key("eve"), new_key("ada", "viewer")
    hook = allowing.post("/webhooks", json=HOOK, headers=ada).json()["id"]
    assert allowing.get("/webhooks", headers=eve).json()["data"] == []
    assert allowing.get(f"/webhooks/{hook}/deliveries", headers=eve).status_code == 404
    assert allowing.delete(f"/webhooks/{hook}", headers=eve).status_code == 404
    assert allowing.get(f"/webhooks/{hook}", headers=eve).status_code == 404
    assert allowing.post("/webhooks", json=HOOK, headers=reader).status_code == 403
    assert allowing.delete(f"/webhooks/{hook}", headers=reader).status_code == 403
    assert allowing.get(f"/webhooks/{hook}/deliveries", headers=reader).status_code == 200
