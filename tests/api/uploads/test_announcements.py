"""What may be announced as a data set or a teacher, and that the same is not made twice."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from jobs.settings import Settings
from jobs.tables import Dataset, Teacher
from tests.api.conftest import local_client
from tests.api.resources import (
    KINDS,
    NEW,
    Factory,
    accept_dataset,
    announce,
    send,
)


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


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


def test_what_is_too_large_is_refused_before_it_is_sent(settings: Settings) -> None:
    limited = settings.model_copy(update={"max_dataset_bytes": 1024, "max_teacher_bytes": 1024})
    with local_client(limited) as client:
        for kind in KINDS:
            answer = client.post(f"/{kind}", json=NEW[kind] | {"size": 1025})
            assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")
            assert answer.json()["errors"][0]["allowed"] == "at most 1024"
            assert client.post(f"/{kind}", json=NEW[kind] | {"size": 1024}).status_code == 201
