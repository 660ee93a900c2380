"""Sharing over HTTP: the other sees everything of that job and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

NewKey = Callable[..., dict[str, str]]
PARTS = (
    "",
    "/events",
    "/metrics",
    "/logs",
    "/robustness",
    "/report",
    "/artifacts",
    "/artifacts/report.md",
)


def test_a_shared_job_is_readable_whole_and_nothing_else_is(
    client: TestClient, new_key: NewKey, small: dict[str, Any], worker: Any
) -> None:
    ada, bob = new_key("ada"), new_key("bob")
    path, other = (client.post("/jobs", json=small, headers=ada).json()["links"]["self"] for _ in range(2))
    worker.write(worker.claim(), "report.md", b"# told", "text/markdown")
    assert client.put(f"{path}/shares/bob", headers=ada).status_code == 204
    assert client.get(f"{path}/shares", headers=ada).json() == {"data": ["bob"]}
    assert [client.get(path + part, headers=bob).status_code for part in PARTS] == [200] * len(PARTS)
    assert client.get(other, headers=bob).status_code == 404
    for verb in ("cancel", "retry"):
        assert client.post(f"{path}/{verb}", headers=bob).status_code == 404
    assert client.get(f"{path}/shares", headers=bob).status_code == 404
    assert client.put(f"{path}/shares/eve", headers=bob).status_code == 404
    assert client.get("/jobs", headers=bob).json()["data"] == []
    (listed,) = client.get("/jobs", params={"shared": True}, headers=bob).json()["data"]
    assert listed["links"]["self"] == path
    assert client.delete(f"{path}/shares/bob", headers=ada).status_code == 204
    assert {client.get(path + part, headers=bob).status_code for part in PARTS} == {404}
    assert client.get("/jobs", params={"shared": True}, headers=bob).json()["data"] == []


def test_teachers_are_not_shared_with_a_job(
    client: TestClient, new_key: NewKey, small: dict[str, Any]
) -> None:
    ada, bob = new_key("ada"), new_key("bob")
    path = client.post("/jobs", json=small, headers=ada).json()["links"]["self"]
    client.put(f"{path}/shares/bob", headers=ada)
    assert client.get("/teachers", headers=bob).json()["data"] == []


def test_nobody_learns_who_exists(client: TestClient, new_key: NewKey, small: dict[str, Any]) -> None:
    ada = new_key("ada")
    path = client.post("/jobs", json=small, headers=ada).json()["links"]["self"]
    answers = [client.put(f"{path}/shares/{name}", headers=ada) for name in ("ada", "nobody.at-all")]
    assert {answer.status_code for answer in answers} == {204}


@pytest.mark.parametrize("name", ["a" * 65, "-a", "a b", "a%00"])
def test_a_bad_name_is_refused(client: TestClient, new_key: NewKey, small: dict[str, Any], name: str) -> None:
    ada = new_key("ada")
    path = client.post("/jobs", json=small, headers=ada).json()["links"]["self"]
    answer = client.put(f"{path}/shares/{name}", headers=ada)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "owner"


def test_a_reader_shares_nothing(client: TestClient, new_key: NewKey, small: dict[str, Any]) -> None:
    path = client.post("/jobs", json=small, headers=new_key("ada")).json()["links"]["self"]
    reader = new_key("ada", "viewer")
    assert client.put(f"{path}/shares/bob", headers=reader).status_code == 403
    assert client.get(f"{path}/shares", headers=reader).status_code == 200
