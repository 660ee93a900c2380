"""Keyless, the service shows itself to this machine alone; what is open to all costs next to nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from api.http.computed_once import ComputedOnce
from api.http.middleware import takes
from api.main import create_app
from jobs.database.compatibility import Standing
from jobs.networks import contains, parse_networks
from jobs.settings import Settings
from tests.api.conftest import local_client

NewKey = Callable[..., dict[str, str]]
WRONG = {"Authorization": "Bearer cartl_00_wrong"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Via": "1.1 proxy"},
        {"Forwarded": "for=127.0.0.1"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-Host": "localhost"},
        {"X-Forwarded-Proto": "http"},
        {"X-Forwarded-Server": "localhost"},
        {"X-Forwarded": "for=127.0.0.1"},
        {"X-Real-IP": "127.0.0.1"},
        {"X-Original-Forwarded-For": "127.0.0.1"},
        {"X-Client-IP": "127.0.0.1"},
        {"X-Cluster-Client-IP": "127.0.0.1"},
        {"X-Envoy-External-Address": "127.0.0.1"},
        {"X-ProxyUser-Ip": "127.0.0.1"},
        {"CF-Connecting-IP": "127.0.0.1"},
        {"True-Client-IP": "127.0.0.1"},
        {"Client-IP": "127.0.0.1"},
        {"CDN-Loop": "cdn"},
        {"Proxy-Connection": "keep-alive"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "Cross-Site"},
        {"Referer": "http://evil.example/page"},
        {"Referer": "http://192.0.2.7:8000/"},
    ],
    ids=str,
)
@pytest.mark.parametrize("proxies", ["", "127.0.0.1"])
def test_without_keys_what_shows_a_proxy_or_another_site_is_refused(
    settings: Settings, small: dict[str, Any], headers: dict[str, str], proxies: str
) -> None:
    with local_client(settings.model_copy(update={"trusted_proxies": proxies})) as client:
        for answer in (
            client.get("/jobs", headers=headers),
            client.post("/jobs", json=small, headers=headers),
        ):
            assert answer.status_code == 403
            assert answer.json()["type"] == "/problems/foreign-origin"
        assert client.get("/jobs").json()["data"] == []
        assert client.get("/healthz", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:3000"},
        {"Referer": "http://127.0.0.1:8000/docs"},
        {"User-Agent": "via proxy"},
    ],
    ids=str,
)
def test_without_keys_pages_of_this_machine_may_ask(client: TestClient, headers: dict[str, str]) -> None:
    assert client.get("/jobs", headers=headers).status_code == 200


def test_with_a_key_a_proxy_is_no_matter(client: TestClient, new_key: NewKey) -> None:
    headers = {"Via": "1.1 proxy", "X-Forwarded-For": "192.0.2.7", "Sec-Fetch-Site": "cross-site"}
    assert client.get("/jobs", headers=headers | new_key()).status_code == 200


def wrong_keys(settings: Settings, client: str, forwarded: Callable[[int], str], count: int = 6) -> list[int]:
    app = create_app(settings.model_copy(update={"requests_per_minute": 3}))
    with TestClient(app, base_url="http://127.0.0.1", client=(client, 1)) as asked:
        return [
            asked.get("/models", headers=WRONG | {"X-Forwarded-For": forwarded(n)}).status_code
            for n in range(count)
        ]


def test_a_forwarded_address_is_believed_of_trusted_proxies_alone(settings: Settings) -> None:
    limited = [401] * 3 + [429] * 3
    proxied = settings.model_copy(update={"trusted_proxies": "10.0.0.0/8"})
    assert wrong_keys(settings, "127.0.0.1", lambda n: f"192.0.2.{n}") == limited
    assert wrong_keys(proxied, "127.0.0.1", lambda n: f"192.0.2.{n}") == limited
    assert wrong_keys(proxied, "10.1.2.3", lambda n: f"192.0.2.{n}") == [401] * 6
    # A client's own word stands to the left of what the proxy adds.
    assert wrong_keys(proxied, "10.1.2.3", lambda n: f"192.0.2.{n}, 198.51.100.1") == limited
    assert wrong_keys(proxied, "10.1.2.3", lambda n: f"2001:db8::{n:x}") == limited


def test_the_environment_of_uvicorn_trusts_nobody(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    assert wrong_keys(settings, "127.0.0.1", lambda n: f"192.0.2.{n}") == [401] * 3 + [429] * 3


def test_proxies_are_addresses_and_networks() -> None:
    networks = parse_networks("10.0.0.5, 192.168.0.0/16,::1,")
    assert [contains(networks, host) for host in ("10.0.0.5", "192.168.3.4", "::1")] == [True] * 3
    assert [contains(networks, host) for host in ("10.0.0.6", "", None, "testclient")] == [False] * 4
    for listed in ("*", "proxy.example", "10.0.0.1/8"):
        with pytest.raises(ValueError, match="trusted_proxies"):
            Settings(trusted_proxies=listed)


def test_head_answers_wherever_get_does(client: TestClient) -> None:
    app: Any = client.app
    got = [
        path
        for path in app.openapi()["paths"]
        if any(takes(route, {"type": "http", "path": path, "root_path": ""}, "GET") for route in app.routes)
    ]
    assert len(got) > 20
    for path in ("/", "/docs", "/problems", "/openapi.json", *got):
        asked, given = client.head(path), client.get(path)
        assert asked.status_code == given.status_code, path
        assert asked.content == b""
        assert asked.headers["content-type"] == given.headers["content-type"]
        if given.status_code == 200 and path not in ("/metrics", "/"):
            assert asked.headers["content-length"] == given.headers["content-length"]


def test_head_of_a_stream_ends(client: TestClient, small: dict[str, Any]) -> None:
    job = client.post("/jobs", json=small).json()["id"]
    answer = client.head(f"/jobs/{job}/events", headers={"Accept": "text/event-stream"})
    assert (answer.status_code, answer.content) == (200, b"")


def test_the_pages_for_all_are_made_once(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = ("/docs", "/problems", "/openapi.json")
    first = [client.get(path).content for path in paths]

    def again(*_: Any) -> str:
        raise AssertionError("made a second time")

    monkeypatch.setattr("api.routes.pages.docs_page", again)
    monkeypatch.setattr("api.routes.pages.problems_page", again)
    monkeypatch.setattr("api.routes.pages.json.dumps", again)
    assert [client.get(path).content for path in paths] == first


def test_readiness_is_looked_at_once_a_second(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Engine] = []

    def look(engine: Engine) -> Standing:
        looks.append(engine)
        return Standing("0001", "0001")

    monkeypatch.setattr("api.readiness.check", look)
    context = client.app.state.context  # type: ignore[attr-defined]
    now = [0.0]
    monkeypatch.setattr(context.readiness, "_clock", lambda: now[0])
    for _ in range(5):
        assert client.get("/readyz").status_code == 200
    assert len(looks) == 1
    now[0] = 1.5
    client.get("/readyz")
    assert len(looks) == 2


def test_many_who_wait_share_one_computation() -> None:
    async def all_at_once() -> tuple[list[int], int]:
        release = threading.Event()
        made = []

        def compute() -> int:
            release.wait(60)
            made.append(1)
            return len(made)

        value = ComputedOnce(compute, seconds=60.0)
        waiting = [asyncio.create_task(value.get()) for _ in range(50)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        release.set()
        return await asyncio.gather(*waiting[1:]), len(made)

    assert asyncio.run(all_at_once()) == ([1] * 49, 1)


def test_an_error_is_not_kept() -> None:
    answers: Iterator[ValueError | int] = iter([ValueError("away"), 7])

    def compute() -> int:
        found = next(answers)
        if isinstance(found, ValueError):
            raise found
        return found

    async def twice() -> int:
        value = ComputedOnce(compute, seconds=60.0)
        with pytest.raises(ValueError, match="away"):
            await value.get()
        return await value.get()

    assert asyncio.run(twice()) == 7
