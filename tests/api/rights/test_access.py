"""Who gets in: keys and roles, owners, this machine only without keys, and how fast one may ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker

from api.auth import PublicWithoutKeys
from api.http.addresses import is_loopback
from api.http.problems import Problem
from api.http.rate_limit import RateLimit
from api.main import create_app
from jobs.database.engine import transaction
from jobs.settings import Settings
from jobs.store.rights.keys import ROLES, keys_of, revoke

NewKey = Callable[..., dict[str, str]]


def test_without_keys_this_machine_is_the_owner_local(client: TestClient, small: dict[str, Any]) -> None:
    assert client.post("/jobs", json=small).status_code == 201
    assert client.get("/jobs", headers={"Origin": "http://localhost:3000"}).status_code == 200
    assert client.get("/jobs", headers={"Host": "[::1]:8000"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Origin": "http://["},
    ],
    ids=str,
)
def test_without_keys_no_page_from_elsewhere_may_ask(
    client: TestClient, small: dict[str, Any], headers: dict[str, str]
) -> None:
    for answer in (client.get("/jobs", headers=headers), client.post("/jobs", json=small, headers=headers)):
        assert answer.status_code == 403
        assert answer.json()["type"] == "/problems/foreign-origin"
    assert client.get("/jobs").json()["data"] == []


def test_without_keys_nobody_from_elsewhere_may_ask(settings: Settings) -> None:
    for client, server in (("192.0.2.7", "127.0.0.1"), ("127.0.0.1", "192.0.2.8")):
        app = create_app(settings)
        with TestClient(app, base_url=f"http://{server}", client=(client, 40000)) as outside:
            answer = outside.get("/jobs", headers={"Host": "127.0.0.1"})
            assert answer.status_code == 403
            assert outside.get("/healthz").status_code == 200


@pytest.mark.parametrize("path", ["/metrics", "/jobs", "/teachers", "/keys"])
def test_off_loopback_everything_that_tells_something_needs_a_key(
    settings: Settings, new_key: NewKey, path: str
) -> None:
    key = new_key("ada", "operator")
    app = create_app(settings)
    with TestClient(app, base_url="http://192.0.2.8", client=("192.0.2.7", 40000)) as outside:
        assert outside.get(path).status_code == 401
        assert outside.get(path, headers=key).status_code == 200
        assert {outside.get(free).status_code for free in ("/healthz", "/readyz")} == {200}


def test_a_public_bind_without_a_key_does_not_start(settings: Settings, new_key: NewKey) -> None:
    public = settings.model_copy(update={"host": "0.0.0.0"})
    with pytest.raises(PublicWithoutKeys, match="python -m jobs keys create"), TestClient(create_app(public)):
        pass
    key = new_key("ada")
    with TestClient(create_app(public), base_url="http://cartl.example") as client:
        assert client.get("/jobs").status_code == 401
        assert client.get("/jobs", headers=key).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "Bearer cartl_0_x",
        "Bearer cartl__",
        "Bearer nonsense",
        "Bearer \xff",
    ],
)
def test_a_wrong_key_is_401(client: TestClient, new_key: NewKey, authorization: str) -> None:
    new_key()
    answer = client.get("/jobs", headers={b"Authorization": authorization.encode("latin-1")})
    assert answer.status_code == 401
    assert answer.json()["type"] == "/problems/no-key"
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_the_first_key_ends_access_without_keys_and_revoking_it_restores_nothing(
    client: TestClient, new_key: NewKey, factory: sessionmaker[Session]
) -> None:
    assert client.get("/jobs").status_code == 200
    key = new_key("ada")
    assert client.get("/jobs").status_code == 401
    assert client.get("/jobs", headers=key).status_code == 200
    with transaction(factory) as session:
        assert revoke(session, keys_of(session)[0].id)
    assert client.get("/jobs", headers=key).status_code == 401
    assert client.get("/jobs").status_code == 401


def test_keys_may_be_demanded_on_loopback_too(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"require_key": True}))
    with TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 1)) as client:
        assert client.get("/jobs").status_code == 401


def test_each_role_includes_those_before_it(
    client: TestClient, new_key: NewKey, small: dict[str, Any]
) -> None:
    viewer, submitter, operator = (new_key("ada", role) for role in ROLES)

    def statuses(key: dict[str, str]) -> list[int]:
        return [
            client.get("/jobs", headers=key).status_code,
            client.post("/jobs", json=small, headers=key).status_code,
            client.get("/keys", headers=key).status_code,
            client.get("/audit", headers=key).status_code,
            client.get("/metrics", headers=key).status_code,
        ]

    assert statuses(viewer) == [200, 403, 200, 403, 200]
    assert statuses(submitter) == [200, 201, 200, 403, 200]
    assert statuses(operator) == [200, 201, 200, 200, 200]
    assert client.post("/jobs", json=small, headers=viewer).json()["type"] == "/problems/not-allowed"


def test_the_body_of_a_stranger_is_not_read(client: TestClient, new_key: NewKey) -> None:
    new_key()
    answer = client.post("/jobs", content=b"\xff not json", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 401


@pytest.mark.parametrize("content", ["{", '{"dataset": "nothing"}', ""])
@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
def test_what_is_wrong_with_a_body_is_not_for_strangers(
    client: TestClient, new_key: NewKey, content: str, kind: str
) -> None:
    new_key()
    for path in ("/jobs", "/sweeps"):
        assert client.post(path, content=content, headers={"Content-Type": kind}).status_code == 401


def test_what_another_owner_has_does_not_exist(
    client: TestClient, new_key: NewKey, small: dict[str, Any], worker: Any
) -> None:
    ada, bob = new_key("ada"), new_key("bob")
    job = client.post("/jobs", json=small, headers={**ada, "Idempotency-Key": "k"}).json()
    claim = worker.claim()
    worker.write(claim, "report.md", b"# secret", "text/markdown")
    path = job["links"]["self"]
    parts = (
        "",
        "/events",
        "/metrics",
        "/logs",
        "/robustness",
        "/report",
        "/artifacts",
        "/artifacts/report.md",
    )
    for part in parts:
        assert client.get(path + part, headers=ada).status_code == 200, part
        hidden = client.get(path + part, headers=bob)
        assert hidden.status_code == 404, part
        nothing = client.get("/jobs/0000" + part, headers=bob).text
        assert hidden.text.replace(job["id"], "0000") == nothing
    for verb in ("cancel", "retry"):
        assert client.post(f"{path}/{verb}", headers=bob).status_code == 404
    assert client.get("/jobs", headers=bob).json()["data"] == []
    # An Idempotency-Key is one's own, too.
    own = client.post("/jobs", json=small, headers={**bob, "Idempotency-Key": "k"})
    assert own.status_code == 201
    assert own.json()["id"] != job["id"]


def test_an_operator_makes_lists_and_revokes_keys(client: TestClient, new_key: NewKey) -> None:
    operator = new_key("root", "operator")
    made = client.post("/keys", json={"owner": "eve", "role": "viewer", "name": "n"}, headers=operator)
    assert made.status_code == 201
    eve = {"Authorization": f"Bearer {made.json()['secret']}"}
    assert client.get("/jobs", headers=eve).status_code == 200
    listed = client.get("/keys", headers=operator)
    assert [key["owner"] for key in listed.json()["data"]] == ["root", "eve"]
    assert made.json()["secret"] not in listed.text
    path = f"/keys/{made.json()['id']}"
    assert client.delete(path, headers=operator).status_code == 204
    assert client.delete(path, headers=operator).status_code == 404
    assert client.get("/jobs", headers=eve).status_code == 401
    assert client.delete("/keys/%00", headers=operator).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "owner"),
        ({"owner": ""}, "owner"),
        ({"owner": "a b"}, "owner"),
        ({"owner": "a", "role": "root"}, "role"),
        ({"owner": "a", "scopes": ["read"]}, "scopes"),
        ({"owner": "a", "expires_in_days": 0}, "expires_in_days"),
        ({"owner": "a", "extra": 1}, "extra"),
    ],
)
def test_a_bad_key_request_names_the_field(
    client: TestClient, new_key: NewKey, body: dict[str, Any], field: str
) -> None:
    answer = client.post("/keys", json=body, headers=new_key("root", "operator"))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


def test_the_first_key_is_not_made_over_http(client: TestClient) -> None:
    answer = client.post("/keys", json={"owner": "eve", "role": "operator"})
    assert answer.status_code == 403
    assert "python -m jobs keys create" in answer.json()["detail"]
    assert client.get("/jobs").status_code == 200


def test_too_many_requests_are_429_for_that_caller_only(settings: Settings, new_key: NewKey) -> None:
    ada, bob = new_key("ada"), new_key("bob")
    app = create_app(settings.model_copy(update={"requests_per_minute": 3}))
    with TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 1)) as client:
        statuses = [client.get("/models", headers=ada).status_code for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        answer = client.get("/models", headers=ada)
        assert answer.json()["type"] == "/problems/too-many-requests"
        assert 1 <= int(answer.headers["retry-after"]) <= 20
        assert client.get("/models", headers=bob).status_code == 200
        wrong = {"Authorization": "Bearer cartl_00_wrong"}
        assert [client.get("/models", headers=wrong).status_code for _ in range(4)] == [401, 401, 401, 429]


def test_a_bucket_fills_up_again() -> None:
    now = [0.0]
    limit = RateLimit(rate=2.0, burst=2, clock=lambda: now[0])
    limit.take("a")
    limit.take("a")
    with pytest.raises(Problem) as refused:
        limit.take("a")
    assert refused.value.headers["Retry-After"] == "1"
    now[0] = 0.5
    limit.take("a")
    with pytest.raises(Problem):
        limit.take("a")
    now[0] = 100.0
    limit.take("a")
    limit.take("a")
    with pytest.raises(Problem):
        limit.take("a")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("LOCALHOST.", True),
        ("app.localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.1", False),
        ("localhost.example", False),
        ("", False),
        (None, False),
    ],
)
def test_what_counts_as_this_machine(host: str | None, loopback: bool) -> None:
    assert is_loopback(host) is loopback
