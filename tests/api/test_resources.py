"""Data sets and teachers over HTTP: announced, sent, checked, listed, shared, deleted by their owner."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, sessionmaker

from jobs.database.dialect import FromNow
from jobs.settings import Settings
from jobs.store.resources import apply_failure, apply_result, order_of
from jobs.tables import Dataset, Job, Task, Teacher
from tests.api.conftest import local_client
from tests.factories import found_dataset, found_teacher

BINARY = {"Content-Type": "application/octet-stream"}
CONTENT = b"PK" + bytes(998)
NEW: dict[str, dict[str, Any]] = {
    "datasets": {"name": "flowers", "size": len(CONTENT)},
    "teachers": {"name": "strong", "size": len(CONTENT), "normalisation": "none"},
}
KINDS = sorted(NEW)
Factory = sessionmaker[Session]


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def announce(client: TestClient, kind: str, headers: dict[str, str] | None = None, **changes: Any) -> str:
    answer = client.post(f"/{kind}", json=NEW[kind] | changes, headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


def send(
    client: TestClient, path: str, content: bytes = CONTENT, headers: dict[str, str] | None = None
) -> Any:
    return client.put(f"{path}/content", content=content, headers=BINARY | (headers or {}))


def kept(settings: Settings, kind: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((settings.artifacts_dir / kind).glob("*/*"))]


def tasks(factory: Factory) -> list[tuple[str, str]]:
    with factory() as session:
        return [(kind, parent) for kind, parent in session.execute(select(Task.kind, Task.parent_id))]


def accept_dataset(factory: Factory, path: str) -> None:
    result = {"state": "ready", "found": found_dataset().model_dump(mode="json")}
    with factory.begin() as session:
        assert apply_result(session, "check_dataset", path.rsplit("/", 1)[-1], result)


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
    assert {name: view[name] for name in found} == found
    assert client.get("/teachers").json()["data"] == [view]
    assert client.delete(path).status_code == 204
    assert client.get("/teachers").json()["data"] == [] and kept(settings, "teachers") == []


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
def test_the_same_announcement_gives_the_same_place_while_it_is_awaited(
    client: TestClient, kind: str, factory: Factory
) -> None:
    path = announce(client, kind)
    again = client.post(f"/{kind}", json=NEW[kind])
    assert (again.status_code, again.headers["location"]) == (200, path)
    other = client.post(f"/{kind}", json=NEW[kind] | {"size": 5})
    assert (other.status_code, other.json()["type"]) == (409, "/problems/name-taken")
    send(client, path)
    late = client.post(f"/{kind}", json=NEW[kind])
    assert (late.status_code, late.json()["type"]) == (409, "/problems/name-taken")
    with factory() as session:
        table = Dataset if kind == "datasets" else Teacher
        assert session.scalar(select(func.count()).select_from(table)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_an_idempotency_key_gives_the_same_one_later_too(client: TestClient, kind: str) -> None:
    key = {"Idempotency-Key": "once"}
    path = announce(client, kind, headers=key)
    send(client, path)
    again = client.post(f"/{kind}", json=NEW[kind], headers=key)
    assert (again.status_code, again.headers["location"]) == (200, path)
    assert again.headers["idempotent-replay"] == "true" and again.json()["state"] == "checking"
    other = client.post(f"/{kind}", json=NEW[kind] | {"name": "other"}, headers=key)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-mismatch")
    assert client.delete(path).status_code == 204
    assert announce(client, kind, headers=key) != path


def test_a_key_of_one_kind_is_none_of_another(client: TestClient, small: dict[str, Any]) -> None:
    key = {"Idempotency-Key": "once"}
    announce(client, "datasets", headers=key)
    for path, body in (("/teachers", NEW["teachers"]), ("/jobs", small)):
        answer = client.post(path, json=body, headers=key)
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/idempotency-mismatch")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "Flowers"}, "name"),
        ({"name": "-a"}, "name"),
        ({"name": "a" * 65}, "name"),
        ({"name": "a\x00"}, "name"),
        ({"size": 0}, "size"),
        ({"size": None}, "size"),
        ({"size": 1.5}, "size"),
        ({"licence": "a\x00b"}, "licence"),
        ({"licence": ""}, "licence"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_what_is_no_announcement_is_refused_with_its_field(
    client: TestClient, kind: str, body: dict[str, Any], field: str
) -> None:
    answer = client.post(f"/{kind}", json=NEW[kind] | body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"layout": "a\x00"}, "layout"),
        ({"classes": 0}, "classes"),
        ({"normalisation": {"mean": [0.5], "std": [0.5, 0.5, 0.5]}}, "normalisation"),
        ({"normalisation": {"mean": [0.5], "std": [0.0]}}, "normalisation.std.0"),
        ({"normalisation": {"mean": [1e300], "std": [0.5]}}, "normalisation.mean.0"),
        ({"trained_at": {"norm": "linf", "eps": -1.0}}, "trained_at.eps"),
        ({"published": {"clean": 0.5}}, "verify"),
        ({"verify": {"dataset": "nobodys"}}, "verify.dataset"),
        ({"verify": {"dataset": "a\x00"}}, "verify.dataset"),
        ({"verify": {"dataset": "digits", "images": 1}}, "verify.images"),
    ],
)
def test_what_is_no_teacher_is_refused_with_its_field(
    client: TestClient, body: dict[str, Any], field: str
) -> None:
    answer = client.post("/teachers", json=NEW["teachers"] | body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"].startswith(field)


def test_a_name_of_the_catalog_is_taken(client: TestClient) -> None:
    for kind in KINDS:
        answer = client.post(f"/{kind}", json=NEW[kind] | {"name": "svhn"})
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/name-taken")


def test_a_teacher_is_not_verified_on_what_is_not_ready(client: TestClient, factory: Factory) -> None:
    path = announce(client, "datasets")
    body = NEW["teachers"] | {"verify": {"dataset": "flowers"}}
    refused = client.post("/teachers", json=body)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/dataset-not-ready")
    send(client, path)
    accept_dataset(factory, path)
    assert client.post("/teachers", json=body).status_code == 201
    used = client.delete(path)
    assert (used.status_code, used.json()["type"]) == (409, "/problems/in-use")
    assert client.delete("/teachers/strong").status_code == 204
    assert client.delete(path).status_code == 204


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


def test_what_is_too_large_is_refused_before_it_is_sent(settings: Settings) -> None:
    limited = settings.model_copy(update={"max_dataset_bytes": 1024, "max_teacher_bytes": 1024})
    with local_client(limited) as client:
        for kind in KINDS:
            answer = client.post(f"/{kind}", json=NEW[kind] | {"size": 1025})
            assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")
            assert answer.json()["errors"][0]["allowed"] == "at most 1024"
            assert client.post(f"/{kind}", json=NEW[kind] | {"size": 1024}).status_code == 201


@pytest.mark.parametrize("kind", KINDS)
def test_a_place_that_has_expired_is_gone(client: TestClient, factory: Factory, kind: str) -> None:
    path = announce(client, kind)
    table = Dataset if kind == "datasets" else Teacher
    with factory.begin() as session:
        session.execute(update(table).values(expires_at=FromNow(-1.0)))
    assert client.get(path).status_code == 404 and send(client, path).status_code == 404
    assert announce(client, kind) != path, "its name and its place are free"


@pytest.mark.parametrize("kind", KINDS)
def test_what_another_owner_brought_does_not_exist(
    client: TestClient, new_key: Callable[..., dict[str, str]], kind: str
) -> None:
    ada, eve, reader = new_key("ada"), new_key("eve"), new_key("ada", "read")
    path = announce(client, kind, headers=ada)
    for other in (path, f"/{kind}/{NEW[kind]['name']}"):
        assert [client.request(verb, other, headers=eve).status_code for verb in ("GET", "DELETE")] == [
            404,
            404,
        ]
        assert send(client, other, headers=eve).status_code == 404
        assert client.get(f"{other}/shares", headers=eve).status_code == 404
        assert client.put(f"{other}/shares/eve", headers=eve).status_code == 404
        assert client.delete(f"{other}/shares/eve", headers=eve).status_code == 404
    assert [
        one for one in client.get(f"/{kind}", headers=eve).json()["data"] if one["origin"] == "upload"
    ] == []
    assert announce(client, kind, headers=eve) != path, "names are their owner's"
    for refused in (
        client.post(f"/{kind}", json=NEW[kind], headers=reader),
        send(client, path, headers=reader),
        client.delete(path, headers=reader),
        client.put(f"{path}/shares/bob", headers=reader),
    ):
        assert refused.status_code == 403
    assert client.get(path).status_code == 401
    assert send(client, path, headers=ada).status_code == 202


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_shared_is_seen_and_changed_by_its_owner_alone(
    client: TestClient, new_key: Callable[..., dict[str, str]], kind: str
) -> None:
    ada, bob = new_key("ada"), new_key("bob")
    path = announce(client, kind, headers=ada)
    assert client.put(f"{path}/shares/bob", headers=ada).status_code == 204
    assert client.get(f"{path}/shares", headers=ada).json() == {"data": ["bob"]}
    assert client.get(path, headers=bob).status_code == 200
    assert client.get(f"/{kind}/{NEW[kind]['name']}", headers=bob).status_code == 200
    (shared,) = client.get(f"/{kind}", params={"shared": True}, headers=bob).json()["data"]
    assert f"/{kind}/{shared['id']}" == path
    assert client.delete(path, headers=bob).status_code == 404
    assert send(client, path, headers=bob).status_code == 404
    assert client.get(f"{path}/shares", headers=bob).status_code == 404
    assert client.delete(f"{path}/shares/bob", headers=ada).status_code == 204
    assert client.get(path, headers=bob).status_code == 404


@pytest.mark.parametrize("ref", ["A", "%00", "a.b", "a" * 65, "..%2F"])
def test_what_cannot_be_an_id_is_not_found(client: TestClient, ref: str) -> None:
    for kind in KINDS:
        assert client.get(f"/{kind}/{ref}").status_code == 404
        assert send(client, f"/{kind}/{ref}").status_code == 404


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


def test_a_folder_of_the_server_is_registered_by_operators_alone(
    settings: Settings, new_key: Callable[..., dict[str, str]], factory: Factory, tmp_path: Path
) -> None:
    roots, outside = tmp_path / "roots", tmp_path / "outside"
    for folder in (roots / "cats" / "a", outside):
        folder.mkdir(parents=True)
    (roots / "out").symlink_to(outside)
    opened = settings.model_copy(update={"data_roots": str(roots)})
    with local_client(opened) as client:
        here = client.post("/datasets", json={"name": "here", "root": str(roots / "cats")})
        assert (
            here.status_code == 201 and here.json()["state"] == "checking" and here.json()["origin"] == "root"
        )
        assert tasks(factory) == [("check_dataset", here.json()["id"])]
        with factory() as session:
            order = order_of(session, opened, "check_dataset", here.json()["id"])
        assert (order["root"], order["content"]) == (str((roots / "cats").resolve()), None)
        for root in (
            outside,
            roots / "out",
            roots / ".." / "outside",
            roots / "none",
            "/etc",
            "relative",
            "/\x00",
        ):
            refused = client.post("/datasets", json={"name": "x", "root": str(root)})
            assert refused.status_code == 422, root
            assert refused.json()["errors"][0]["field"] == "root"
        both = client.post("/datasets", json={"name": "x", "root": str(roots / "cats"), "size": 5})
        assert both.json()["errors"][0]["field"] == "size"
        submitter, admin = new_key("ada"), new_key("op", "read", "submit", "admin")
        body = {"name": "cats", "root": str(roots / "cats")}
        assert client.post("/datasets", json=body, headers=submitter).status_code == 403
        assert client.post("/datasets", json=body, headers=admin).status_code == 201
