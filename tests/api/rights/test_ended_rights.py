"""Who may see a job no more hears nothing more of it, also where an answer is under way."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy.orm import Session, sessionmaker

from cartl.client import Client
from cartl.http.problems import ServiceError
from cartl_core.events import Warned
from jobs import store
from jobs.database.engine import transaction
from jobs.settings import Settings
from jobs.store.rights.keys import revoke
from jobs.store.rights.watchers import Watcher, still_allowed
from tests.api.serving.conftest import serving

NewKey = Callable[..., dict[str, str]]
Factory = sessionmaker[Session]
STREAM = {"Accept": "text/event-stream"}


def key_id(headers: dict[str, str]) -> str:
    return headers["Authorization"].split("_")[1]


def the_rest_after(stream: httpx.Response, act: Callable[[], Any]) -> list[str]:
    """The lines that come once the first event has come and ``act`` is done."""
    lines = stream.iter_lines()
    while not next(lines).startswith("data: "):
        pass
    act()
    return [line for line in lines if line]


@pytest.mark.parametrize("loss", ["revoked", "unshared"])
def test_a_stream_ends_with_the_right_to_it(
    settings: Settings, new_key: NewKey, factory: Factory, small: dict[str, Any], worker: Any, loss: str
) -> None:
    ada, bob = new_key("ada"), new_key("bob")
    reader = ada if loss == "revoked" else bob
    with serving(settings) as served, httpx.Client(base_url=f"http://127.0.0.1:{served.port}") as client:
        job = client.post("/jobs", json=small, headers=ada).json()["id"]
        client.put(f"/jobs/{job}/shares/bob", headers=ada)
        claim = worker.claim()

        def end() -> None:
            with transaction(factory) as session:
                if loss == "revoked":
                    assert revoke(session, key_id(ada))
                else:
                    store.unshare(session, job, "ada", reader="bob")
            worker.tell(claim, Warned(message="secret"))

        with client.stream("GET", f"/jobs/{job}/events", headers=reader | STREAM, timeout=60) as stream:
            rest = the_rest_after(stream, end)
        assert not any("secret" in line for line in rest)
        assert rest[-2] == "event: access_ended"
        assert json.loads(rest[-1].removeprefix("data: "))["type"] == "/problems/access-ended"
        status = client.get(f"/jobs/{job}/events", headers=reader | STREAM).status_code
        assert status == (401 if loss == "revoked" else 404)


def test_the_first_key_ends_the_streams_that_had_none(
    settings: Settings, new_key: NewKey, small: dict[str, Any]
) -> None:
    with serving(settings) as served, httpx.Client(base_url=f"http://127.0.0.1:{served.port}") as client:
        job = client.post("/jobs", json=small).json()["id"]
        with client.stream("GET", f"/jobs/{job}/events", headers=STREAM, timeout=60) as stream:
            rest = the_rest_after(stream, new_key)
    assert rest[-2] == "event: access_ended"


def test_the_command_says_that_it_may_look_no_more(
    settings: Settings, new_key: NewKey, factory: Factory, small: dict[str, Any]
) -> None:
    ada, bob = new_key("ada"), new_key("bob")
    with serving(settings) as served:
        url = f"http://127.0.0.1:{served.port}"
        job = httpx.post(f"{url}/jobs", json=small, headers=ada).json()["id"]
        httpx.put(f"{url}/jobs/{job}/shares/bob", headers=ada)
        with Client(url, bob["Authorization"].removeprefix("Bearer ")) as client:
            events = client.events(job)
            assert next(events)["type"] == "submitted"
            with transaction(factory) as session:
                store.unshare(session, job, "ada", reader="bob")
            with pytest.raises(ServiceError, match="seen no more"):
                next(events)


def test_a_long_download_ends_with_the_right_to_it(
    settings: Settings,
    new_key: NewKey,
    factory: Factory,
    small: dict[str, Any],
    worker: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.http.stored_files.RIGHTS_SECONDS", 0.0)
    size = 64 * 1024 * 1024
    ada = new_key("ada")
    with serving(settings) as served:
        url = f"http://127.0.0.1:{served.port}"
        job = httpx.post(f"{url}/jobs", json=small, headers=ada).json()["id"]
        worker.write(worker.claim(), "weights.safetensors", bytes(size), "application/octet-stream")
        asked = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
        asked.request("GET", f"/jobs/{job}/artifacts/weights.safetensors", headers=ada)
        answer = asked.getresponse()
        assert (answer.status, int(answer.headers["Content-Length"])) == (200, size)
        answer.read(1024)
        with transaction(factory) as session:
            assert revoke(session, key_id(ada))
        with pytest.raises(http.client.IncompleteRead):
            answer.read()
        asked.close()


def test_only_those_whose_rights_last_are_allowed(
    factory: Factory, new_key: NewKey, small: dict[str, Any], client: Any
) -> None:
    ada, bob, gone = new_key("ada"), new_key("bob"), new_key("ada")
    jobs = [client.post("/jobs", json=small, headers=ada).json()["id"] for _ in range(2)]
    client.put(f"/jobs/{jobs[0]}/shares/bob", headers=ada)
    with transaction(factory) as session:
        revoke(session, key_id(gone))
    right = {
        Watcher(jobs[0], "ada", key_id(ada)),
        Watcher(jobs[1], "ada", key_id(ada)),
        Watcher(jobs[0], "bob", key_id(bob)),
    }
    wrong = {
        Watcher(jobs[1], "bob", key_id(bob)),
        Watcher(jobs[0], "ada", key_id(gone)),
        Watcher(jobs[0], "ada", None),
        Watcher("0" * 32, "ada", key_id(ada)),
    }
    with factory() as session:
        assert still_allowed(session, right | wrong, require_key=False) == right
        assert still_allowed(session, (), require_key=False) == frozenset()
