"""Keys in the hands of their owners: what they see of them, and how they end them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from jobs.store.rights.keys import ROLES, Role

NewKey = Callable[..., dict[str, str]]


def key_id(headers: dict[str, str]) -> str:
    return headers["Authorization"].split("_")[1]


def test_owners_see_their_own_keys_without_secrets(client: TestClient, new_key: NewKey) -> None:
    mine, other, bob = new_key("ada"), new_key("ada", "viewer"), new_key("bob")
    listed = client.get("/keys", headers=mine)
    assert [key["id"] for key in listed.json()["data"]] == [key_id(mine), key_id(other)]
    assert [key["in_use"] for key in listed.json()["data"]] == [True, False]
    for headers in (mine, other, bob):
        assert headers["Authorization"].split("_", 2)[2] not in listed.text
    assert "hash" not in listed.text
    everybodys = client.get("/keys", headers=new_key("root", "operator")).json()["data"]
    assert {key["owner"] for key in everybodys} == {"ada", "bob", "root"}


def test_owners_revoke_their_own_keys_and_no_others(client: TestClient, new_key: NewKey) -> None:
    mine, other, bob = new_key("ada"), new_key("ada", "viewer"), new_key("bob")
    assert client.delete(f"/keys/{key_id(bob)}", headers=mine).status_code == 404
    assert client.delete(f"/keys/{key_id(mine)}", headers=other).status_code == 403
    assert client.delete(f"/keys/{key_id(other)}", headers=mine).status_code == 204
    assert client.get("/jobs", headers=other).status_code == 401
    assert client.get("/jobs", headers=bob).status_code == 200


@pytest.mark.parametrize("role", ROLES)
def test_a_key_may_end_itself_and_its_session_ends_with_it(
    client: TestClient, new_key: NewKey, role: Role
) -> None:
    new_key("root", "operator")
    mine = new_key("ada", role)
    secret = mine["Authorization"].removeprefix("Bearer ")
    assert client.post("/ui/sign-in", data={"key": secret}, follow_redirects=False).status_code == 303
    assert client.get("/keys").status_code == 200
    assert client.delete(f"/keys/{key_id(mine)}", headers=mine).status_code == 204
    assert client.get("/keys", headers=mine).status_code == 401
    assert client.get("/keys").status_code == 401
