"""Events as pages and as a stream, series, logs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi.testclient import TestClient

from api.main import create_app
from cartl_core.events import EpochFinished, Warned
from jobs.files.artifacts import output_directory
from jobs.settings import Settings

STREAM = {"Accept": "text/event-stream"}


@pytest.fixture
def job(client: TestClient, small: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = client.post("/jobs", json=small).json()
    return found


def test_events_come_in_pages_without_gaps(client: TestClient, job: dict[str, Any], worker: Any) -> None:
    claim = worker.claim()
    worker.tell(claim, *(Warned(message=str(index)) for index in range(5)))
    path = job["links"]["events"]
    seen, after = [], 0
    while True:
        page = client.get(path, params={"after": after, "limit": 3}).json()
        if not page["data"]:
            break
        seen += page["data"]
        after = page["next_after"]
    assert [event["number"] for event in seen] == list(range(1, 8))
    assert [event["type"] for event in seen] == ["submitted", "claimed"] + ["warned"] * 5
    assert not page["finished"]
    worker.complete(claim)
    last = client.get(path, params={"after": after}).json()
    assert (last["finished"], last["data"][-1]["type"]) == (True, "succeeded")


@pytest.mark.parametrize(
    ("query", "headers", "field"),
    [
        ({"after": -1}, {}, "after"),
        ({"after": 2**31}, {}, "after"),
        ({"limit": 0}, {}, "limit"),
        ({}, {"Last-Event-ID": "x"}, "Last-Event-ID"),
    ],
)
def test_bad_positions_are_refused(
    client: TestClient, job: dict[str, Any], query: dict[str, Any], headers: dict[str, str], field: str
) -> None:
    answer = client.get(job["links"]["events"], params=query, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """A real server on a free port of the loopback."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        server = uvicorn.Server(
            uvicorn.Config(create_app(settings), log_level="warning", timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            deadline = time.monotonic() + 60
            while not server.started and time.monotonic() < deadline:
                time.sleep(0.02)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(timeout=60)
            assert not thread.is_alive()


@pytest.fixture
def server(settings: Settings) -> Iterator[str]:
    with serving(settings) as url:
        yield url


def messages(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """The messages of a stream, as a browser reads them."""
    message: dict[str, Any] = {}
    for line in lines:
        if not line:
            if "data" in message:
                yield message
            message = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            message[name] = json.loads(value) if name == "data" else value


def test_a_stream_follows_the_job_and_resumes_where_it_broke_off(
    server: str, small: dict[str, Any], worker: Any
) -> None:
    with httpx.Client(base_url=server, timeout=60) as web:
        path = web.post("/jobs", json=small).json()["links"]["events"]
        claim = worker.claim()
        with web.stream("GET", path, headers=STREAM) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            feed = messages(stream.iter_lines())
            assert [next(feed)["event"], next(feed)["event"]] == ["submitted", "claimed"]
            worker.tell(claim, Warned(message="while you watch"))
            live = next(feed)
            assert (live["event"], live["id"], live["data"]["number"]) == ("warned", "3", 3)
        worker.tell(claim, Warned(message="while you were away"))
        with web.stream("GET", path, headers={**STREAM, "Last-Event-ID": "3"}) as stream:
            feed = messages(stream.iter_lines())
            assert next(feed)["data"]["body"]["message"] == "while you were away"
            worker.complete(claim)
            rest = list(feed)
        assert [message["event"] for message in rest] == ["succeeded"]
        done = web.get(path, headers={**STREAM, "Last-Event-ID": rest[-1]["id"]})
        assert (done.status_code, done.content) == (204, b"")


def test_many_listeners_share_one_poller_and_all_see_everything(
    server: str, small: dict[str, Any], worker: Any
) -> None:
    with httpx.Client(base_url=server, timeout=60) as web:
        path = web.post("/jobs", json=small).json()["links"]["events"]
    claim = worker.claim()
    seen: dict[int, list[int]] = {}

    def follow(index: int) -> None:
        # Each at another place: from the start, and from after each of the first events.
        headers = {**STREAM, "Last-Event-ID": str(index % 3)}
        with (
            httpx.Client(base_url=server, timeout=30) as web,
            web.stream("GET", path, headers=headers) as stream,
        ):
            seen[index] = [message["data"]["number"] for message in messages(stream.iter_lines())]

    threads = [threading.Thread(target=follow, args=(index,)) for index in range(9)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        worker.tell(claim, *(Warned(message=str(index)) for index in range(25)))
    worker.complete(claim)
    for thread in threads:
        thread.join(timeout=60)
    assert seen == {index: list(range(index % 3 + 1, 254)) for index in range(9)}


def test_an_old_end_does_not_end_the_stream_of_a_retried_job(
    server: str, small: dict[str, Any], worker: Any
) -> None:
    with httpx.Client(base_url=server, timeout=60) as web:
        links = web.post("/jobs", json=small).json()["links"]
        worker.fail(worker.claim(), "disk_full", "no space")
        assert web.post(links["retry"]).json()["state"] == "queued"
        with web.stream("GET", links["events"], headers=STREAM) as stream:
            feed = messages(stream.iter_lines())
            types = [next(feed)["event"] for _ in range(4)]
            assert types == ["submitted", "claimed", "failed", "retried"]
            web.post(links["cancel"])
            assert [message["event"] for message in feed] == ["cancelled"]


def wait_for(port: int) -> None:
    """Until somebody listens; a minute at most, for machines with much else to do."""
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=60).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def test_ctrl_c_ends_the_service_though_somebody_watches(
    settings: Settings, client: TestClient, job: dict[str, Any]
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "CARTL_DATA_DIR": str(settings.data_dir), "CARTL_PORT": str(port)}
    service = subprocess.Popen(
        [sys.executable, "-m", "api"], env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        url = f"http://127.0.0.1:{port}{job['links']['events']}"
        wait_for(port)
        with httpx.Client(timeout=30) as web, web.stream("GET", url, headers=STREAM) as stream:
            feed = messages(stream.iter_lines())
            assert next(feed)["event"] == "submitted"
            service.send_signal(signal.SIGINT)
            assert list(feed) == []
        _, told = service.communicate(timeout=60)
    finally:
        service.kill()
    assert service.returncode == 0
    assert "Traceback" not in told


def test_metrics_are_series(client: TestClient, job: dict[str, Any], worker: Any) -> None:
    claim = worker.claim()
    worker.tell(
        claim,
        *(
            EpochFinished(
                stage="pretrain",
                label="teacher (fdm)",
                digest="d" * 64,
                epoch=epoch,
                epochs=20,
                metrics={"loss": 1.0 / epoch, "robust_accuracy": 0.5},
            )
            for epoch in range(1, 21)
        ),
    )
    path = job["links"]["metrics"]
    both = client.get(path).json()["data"]
    assert [series["name"] for series in both] == ["teacher (fdm)/loss", "teacher (fdm)/robust_accuracy"]
    assert both[0]["points"][:2] == [[1, 1.0], [2, 0.5]]
    few = client.get(path, params={"name": "teacher (fdm)/loss", "max_points": 6}).json()["data"]
    assert len(few) == 1
    assert few[0]["total"] == 20
    assert few[0]["points"][0] == [1, 1.0]
    assert few[0]["points"][-1] == [20, 0.05]
    assert len(few[0]["points"]) <= 6
    assert client.get(path, params={"max_points": 3}).status_code == 422
    assert client.get(path, params={"name": "a\x00"}).status_code == 422


def test_the_log_is_shown_from_its_end(
    client: TestClient, job: dict[str, Any], worker: Any, settings: Settings
) -> None:
    path = job["links"]["logs"]
    assert (client.get(path).status_code, client.get(path).text) == (200, "")
    claim = worker.claim()
    logs = output_directory(settings, claim.job_id, claim.token).parent / "logs"
    logs.mkdir()
    (logs / "attempt-1.log").write_bytes(b"one\ntwo\xff\n")
    time.sleep(0.01)
    (logs / "attempt-2.log").write_text("three\n<b>four</b>\n")
    answer = client.get(path)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.text == "== attempt-1 ==\none\ntwo\ufffd\n\n== attempt-2 ==\nthree\n<b>four</b>\n"
    assert client.get(path, params={"tail": 2}).text == "three\n<b>four</b>\n"
    assert client.get(path, params={"tail": 0}).status_code == 422
