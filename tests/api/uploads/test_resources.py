"""Data sets and teachers over HTTP: announced, sent, checked, listed, deleted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from jobs.database.dialect import FromNow
from jobs.settings import Settings
from jobs.store.resources.record import apply_failure, apply_result, order_of
from jobs.store.tasks import claim_task, release_task, renew_task
from jobs.tables import Dataset, Job, Teacher
from tests.api.resources import (
    BINARY,
    CONTENT,
    KINDS,
    Factory,
    accept_dataset,
    announce,
    kept,
    send,
    tasks,
)
from tests.factories import found_dataset, found_teacher


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_data_set_is_announced_sent_checked_and_deleted(
    client: TestClient, settings: Settings, factory: Factory
) -> None:
    path = announce(client, "datasets", licence="CC-BY-4.0")
    view = client.get(path).json()
    assert (view["state"], view["origin"], view["licence"]) == ("receiving", "upload", "CC-BY-4.0")
    assert view["expires_at"] is not None and view["fingerprint"] is None and kept(settings, "datasets") == []

    sent = send(client, path)
    assert sent.status_code == 202, sent.text
    assert sent.json()["state"] == "checking" and sent.json()["expires_at"] is None
    assert sent.json()["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert kept(settings, "datasets") == [CONTENT]
    resource_id = view["id"]
    assert tasks(factory) == [("check_dataset", resource_id)]
    with factory() as session:
        order = order_of(session, settings, "check_dataset", resource_id)
    assert order["content"] == f"datasets/{resource_id}/content" and order["root"] is None
    assert order["order"]["name"] == "flowers" and order["order"]["limits"]["classes"] == 1000

    accept_dataset(factory, path)
    ready = client.get(path).json()
    found = found_dataset().model_dump(mode="json")
    assert ready["state"] == "ready"
    assert {name: ready[name] for name in found} == found
    assert client.get("/datasets/flowers").json() == ready
    assert ready in client.get("/datasets").json()["data"]
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404 and client.delete(path).status_code == 404
    assert kept(settings, "datasets") == []


def test_a_teacher_is_announced_sent_verified_and_deleted(
    client: TestClient, settings: Settings, factory: Factory
) -> None:
    trained_at = {"norm": "linf", "eps": 0.03125}
    path = announce(
        client,
        "teachers",
        trained_at=trained_at,
        verify={"dataset": "digits", "images": 100},
        published={"clean": 0.9},
    )
    assert send(client, path).status_code == 202
    teacher_id = client.get(path).json()["id"]
    assert tasks(factory) == [("verify_teacher", teacher_id)]
    with factory() as session:
        order = order_of(session, settings, "verify_teacher", teacher_id)
    assert order["content"] == f"teachers/{teacher_id}/content"
    assert order["verify"] == {"dataset": "digits", "id": None, "pack": None}
    assert order["order"]["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    found = found_teacher().model_dump(mode="json")
    with factory.begin() as session:
        assert apply_result(session, "verify_teacher", teacher_id, {"state": "verified", "found": found})
        assert not apply_result(session, "verify_teacher", teacher_id, {"state": "verified", "found": found})
    view = client.get(path).json()
    assert view["state"] == "verified" and view["trained_at"] == trained_at
    told = found.keys() & view.keys()
    assert {name: view[name] for name in told} == {name: found[name] for name in told}
    assert {"digest", "layout", "architecture", "normalisation", "blocks", "methods", "refused"} <= told
    assert client.get("/teachers").json()["data"] == [view]
    assert client.delete(path).status_code == 204
    assert client.get("/teachers").json()["data"] == [] and kept(settings, "teachers") == []


@pytest.mark.parametrize("kind", KINDS)
def test_how_far_a_check_is_is_shown(client: TestClient, factory: Factory, kind: str) -> None:
    path = announce(client, kind)
    assert client.get(path).json()["fraction"] is None
    assert send(client, path).json()["fraction"] == 0.0
    task = {"datasets": "check_dataset", "teachers": "verify_teacher"}[kind]
    with factory.begin() as session:
        claim = claim_task(session, "w1", 45.0, kinds=(task,))
        assert claim is not None
        renew_task(session, claim, 45.0, 0.4)
    assert client.get(path).json()["fraction"] == 0.4
    assert [one["fraction"] for one in client.get(f"/{kind}").json()["data"]][-1] == 0.4
    assert "40 % done" in client.get(f"/ui{path}", headers={"Accept": "text/html"}).text
    with factory.begin() as session:
        release_task(session, claim)
    assert client.get(path).json()["fraction"] == 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_a_check_that_refuses_or_fails_is_told_and_frees_the_name(
    client: TestClient, factory: Factory, kind: str
) -> None:
    task, reason = {
        "datasets": ("check_dataset", "too_few_classes"),
        "teachers": ("verify_teacher", "collapsed"),
    }[kind]
    first = announce(client, kind)
    send(client, first)
    result = {"state": "rejected", "reason": reason, "message": "one class\x00 is none"}
    with factory.begin() as session:
        assert apply_result(session, task, first.rsplit("/", 1)[-1], result)  # type: ignore[arg-type]
    view = client.get(first).json()
    assert (view["state"], view["reason"], view["message"]) == ("rejected", reason, "one class\ufffd is none")
    again = announce(client, kind)
    assert again != first
    send(client, again)
    with factory.begin() as session:
        assert apply_failure(session, task, again.rsplit("/", 1)[-1], "worker_lost", "died three times")  # type: ignore[arg-type]
    assert client.get(again).json()["reason"] == "worker_lost"


@pytest.mark.parametrize("kind", KINDS)
def test_content_of_another_size_or_type_is_refused_and_may_be_sent_again(
    client: TestClient, settings: Settings, kind: str
) -> None:
    def pieces() -> Iterator[bytes]:
        yield CONTENT

    path = announce(client, kind)
    assert send(client, path, CONTENT + b"x").status_code == 413
    short = send(client, path, CONTENT[:-1])
    assert (short.status_code, short.json()["errors"][0]["field"]) == (422, "Content-Length")
    assert client.put(f"{path}/content", content=pieces(), headers=BINARY).status_code == 422
    assert client.put(f"{path}/content", json={}).status_code == 415
    assert send(client, path, headers={"Content-Encoding": "gzip"}).status_code == 415
    assert kept(settings, kind) == [] and client.get(path).json()["state"] == "receiving"
    assert send(client, path).status_code == 202
    again = send(client, path)
    assert (again.status_code, again.json()["type"]) == (409, "/problems/wrong-state")
    assert kept(settings, kind) == [CONTENT]


@pytest.mark.parametrize("kind", KINDS)
def test_a_place_that_has_expired_is_gone(client: TestClient, factory: Factory, kind: str) -> None:
    path = announce(client, kind)
    table = Dataset if kind == "datasets" else Teacher
    with factory.begin() as session:
        session.execute(update(table).values(expires_at=FromNow(-1.0)))
    assert client.get(path).status_code == 404 and send(client, path).status_code == 404
    assert announce(client, kind) != path, "its name and its place are free"


def test_pages_hold_the_catalog_and_then_the_owners_newest_first(client: TestClient) -> None:
    for name in ("one", "two", "three"):
        announce(client, "datasets", name=name)
    whole = client.get("/datasets").json()
    names = [row["name"] for row in whole["data"]]
    assert names[-3:] == ["three", "two", "one"] and whole["next_cursor"] is None
    assert {row["origin"] for row in whole["data"][:-3]} == {"catalog"}
    for size in (1, 2, len(names) - 3, len(names) - 1, len(names)):
        found, cursor = [], None
        while True:
            page = client.get(
                "/datasets", params={"limit": size} | ({"cursor": cursor} if cursor else {})
            ).json()
            assert 0 < len(page["data"]) <= size
            found += [row["name"] for row in page["data"]]
            if (cursor := page["next_cursor"]) is None:
                break
        assert found == names
    assert client.get("/datasets", params={"cursor": "x"}).status_code == 422
    assert client.get("/datasets", params={"limit": 10_000}).status_code == 422


def test_a_data_set_of_the_catalog_answers_as_any(client: TestClient) -> None:
    view = client.get("/datasets/svhn").json()
    assert (view["id"], view["origin"], view["state"], view["channels"]) == ("svhn", "catalog", "ready", 3)
    assert view["defaults"]["eval_eps"] == view["eval_eps"] and view["train_images"] == 73257
    assert client.delete("/datasets/svhn").status_code == 404


def test_a_queued_job_that_names_it_keeps_it(
    client: TestClient, factory: Factory, small: dict[str, Any]
) -> None:
    path = announce(client, "datasets")
    job = client.post("/jobs", json=small).json()
    spec = job["spec"] | {"dataset": {"id": path.rsplit("/", 1)[-1]}}
    with factory.begin() as session:
        session.execute(update(Job).values(spec=spec))
    used = client.delete(path)
    assert (used.status_code, used.json()["type"]) == (409, "/problems/in-use")
    assert client.post(f"/jobs/{job['id']}/cancel").status_code == 200
    assert client.delete(path).status_code == 204
