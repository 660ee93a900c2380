"""Data sets and teachers are their owner's; others see what is shared; folders are the operator's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from jobs.settings import Settings
from jobs.store.resources.record import order_of
from tests.api.conftest import local_client
from tests.api.resources import (
    KINDS,
    NEW,
    Factory,
    announce,
    send,
    tasks,
)


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("kind", KINDS)
def test_what_another_owner_brought_does_not_exist(
    client: TestClient, new_key: Callable[..., dict[str, str]], kind: str
) -> None:
    ada, eve, reader = new_key("ada"), new_key("eve"), new_key("ada", "viewer")
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
        submitter, admin = new_key("ada"), new_key("op", "operator")
        body = {"name": "cats", "root": str(roots / "cats")}
        assert client.post("/datasets", json=body, headers=submitter).status_code == 403
        assert client.post("/datasets", json=body, headers=admin).status_code == 201
