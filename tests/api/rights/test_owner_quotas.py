"""Quotas over HTTP: what one sees, what an operator sets, and what a refusal says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker

from jobs.database.dialect import Now
from jobs.database.engine import transaction
from jobs.settings import Settings
from jobs.tables import DeviceUse
from tests.api.conftest import local_client

NewKey = Callable[..., dict[str, str]]


def use(factory: sessionmaker[Session], owner: str, seconds: float) -> None:
    with transaction(factory) as session:
        row = DeviceUse(work_id="w", token=1, owner_id=owner, seconds=seconds, ended_at=Now())
        session.add(row)


def test_an_owner_sees_limits_and_use_and_an_operator_sets_them(
    client: TestClient, new_key: NewKey, small: dict[str, Any], factory: sessionmaker[Session]
) -> None:
    ada, root = new_key("ada", "viewer"), new_key("root", "operator")
    client.post("/jobs", json=small, headers=new_key("ada"))
    use(factory, "ada", 40.0)
    assert client.get("/quota", headers=ada).json() == {
        "owner": "ada",
        "queued": {"allowed": 10_000, "used": 1},
        "running": {"allowed": None, "used": 0},
        "device_seconds": {"allowed": None, "used": 40.0},
        "stored_bytes": {"allowed": None, "used": 0},
        "window_days": 30,
    }
    body = {"device_seconds": 100, "running": 2}
    set_to = client.put("/quotas/ada", json=body, headers=root)
    assert set_to.json() == client.get("/quota", headers=ada).json()
    assert set_to.json()["device_seconds"] == {"allowed": 100, "used": 40}
    unset = {"queued": None, "stored_bytes": None}
    assert client.get("/quotas", headers=root).json()["data"] == [{"owner": "ada", **body, **unset}]
    assert client.get("/quotas/bob", headers=root).json()["device_seconds"]["allowed"] is None
    page = client.get("/ui/keys", headers=ada | {"Accept": "text/html"}).text
    assert "40 of 100" in page and "Device seconds of the last 30 days" in page
    assert client.delete("/quotas/ada", headers=root).status_code == 204
    assert client.delete("/quotas/ada", headers=root).status_code == 404
    for method, path in (("GET", "/quotas"), ("GET", "/quotas/ada"), ("PUT", "/quotas/ada")):
        assert client.request(method, path, json=body, headers=new_key("ada")).status_code == 403
    for wrong in ({"queued": -1}, {"running": 1.5}, {"stored": 1}):
        assert client.put("/quotas/ada", json=wrong, headers=root).status_code == 422
    log = client.get("/audit", headers=root).text
    assert log.count('"quota.set"') == log.count('"quota.clear"') == 1 and '"device_seconds": 100' in log


@pytest.mark.parametrize("path", ["/jobs", "/sweeps", "retry"])
def test_a_refusal_names_the_limit_and_what_is_used(
    client: TestClient, new_key: NewKey, small: dict[str, Any], factory: sessionmaker[Session], path: str
) -> None:
    ada, root = new_key("ada"), new_key("root", "operator")
    made = client.post("/jobs", json=small, headers=ada).json()
    client.post(f"/jobs/{made['id']}/cancel", headers=ada)
    client.put("/quotas/ada", json={"device_seconds": 100}, headers=root)
    use(factory, "ada", 120.0)
    bodies = {"/jobs": small | {"seed": 1}, "/sweeps": {"base": small, "grid": {"seed": [1, 2]}}}
    asked = f"/jobs/{made['id']}/retry" if path == "retry" else path
    bucket = client.app.state.context.quota  # type: ignore[attr-defined]
    bucket._left.clear()  # a count serves for a second
    refused = client.post(asked, json=bodies.get(path), headers=ada)
    problem = refused.json()
    assert (refused.status_code, problem["type"]) == (429, "/problems/quota-exceeded")
    assert "120 of 100 device seconds are used within the last 30 days" in problem["detail"]
    assert "ask an operator" in problem["detail"] and refused.headers["retry-after"]
    client.delete("/quotas/ada", headers=root)
    bucket._left.clear()
    assert client.post(asked, json=bodies.get(path), headers=ada).status_code in (200, 201)


def test_bytes_beyond_the_limit_are_refused_before_they_are_sent(settings: Settings, new_key: NewKey) -> None:
    ada = new_key("ada")
    with local_client(settings.model_copy(update={"max_stored_bytes_per_owner": 2048})) as client:
        assert client.post("/datasets", json={"name": "a", "size": 2000}, headers=ada).status_code == 201
        for path, body in (
            ("/datasets", {"name": "b", "size": 49}),
            ("/teachers", {"name": "c", "size": 49}),
        ):
            refused = client.post(path, json=body, headers=ada)
            assert (refused.status_code, refused.json()["type"]) == (429, "/problems/quota-exceeded")
            assert "2000 of 2048 stored bytes are used" in refused.json()["detail"]
        binary = ada | {"Content-Type": "application/octet-stream"}
        assert client.post("/uploads", content=b"x" * 49, headers=binary).status_code == 429
        assert client.post("/datasets", json={"name": "b", "size": 48}, headers=ada).status_code == 201
