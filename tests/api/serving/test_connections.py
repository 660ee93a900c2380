"""Connections end, leave room for others, and write little to the log."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.background import BackgroundTask
from starlette.responses import Response

from jobs.settings import Settings
from jobs.store.rights.keys import Role
from tests.api.conftest import Worker
from tests.api.serving.conftest import (
    eventually,
    problem_of,
    read_all,
    request,
    serving,
    status_of,
)

BODY = request("POST", "/jobs", "Content-Type: application/json", "Content-Length: 100") + b"{"
CHUNKED = request("POST", "/uploads", "Transfer-Encoding: chunked") + b"5\r\nab"
NewKey = Callable[..., dict[str, str]]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", None),
        (b"GET / HTTP/1.1\r\nHost: 127", 408),
        (b"G", 408),
        (BODY, 408),
        (CHUNKED, 408),
    ],
    ids=["silent", "half a head", "one letter", "half a body", "half a chunk"],
)
def test_what_does_not_come_in_time_ends_the_connection(
    impatient: Settings, sent: bytes, status: int | None
) -> None:
    with serving(impatient) as served:
        answer = served.ask(sent)
        if status is None:
            assert answer == b""
        else:
            assert status_of(answer) == status
            assert problem_of(answer)["type"] == "/problems/too-slow"
        eventually(lambda: served.connections == 0)


def test_a_head_that_drips_ends_all_the_same(impatient: Settings) -> None:
    with serving(impatient) as served, served.connect(b"GET / HTTP/1.1\r\n") as made:
        made.settimeout(0.05)
        answer = b""
        for _ in range(1200):
            try:
                made.sendall(b"A: b\r\n")
                answer = made.recv(65536)
                break
            except TimeoutError:
                continue
        assert status_of(answer) == 408


def test_a_slow_body_that_keeps_coming_is_read(settings: Settings) -> None:
    # One byte in each of many rounds of the check; the average that is asked for begins after 20 s.
    with serving(settings) as served, served.connect(BODY[:-1]) as made:
        made.settimeout(0.1)
        for _ in range(99):
            made.sendall(b" ")
        with pytest.raises(TimeoutError):
            made.recv(1)
        made.sendall(b" ")
        made.settimeout(60)
        assert status_of(made.recv(65536)) == 400


def test_answered_connections_that_stay_idle_end(impatient: Settings) -> None:
    with serving(impatient) as served, served.connect(request("GET", "/healthz")) as made:
        answer = read_all(made)
        assert status_of(answer) == 200


def test_a_stream_of_events_is_no_silence(impatient: Settings, small: dict[str, object]) -> None:
    with serving(impatient) as served:
        answer = served.post("/jobs", json.dumps(small))
        assert status_of(answer) == 201
        job = json.loads(answer.partition(b"\r\n\r\n")[2])["id"]
        with served.connect(request("GET", f"/jobs/{job}/events", "Accept: text/event-stream")) as made:
            made.settimeout(2.5)
            with pytest.raises(TimeoutError):
                while made.recv(65536):
                    pass


@pytest.mark.parametrize("size", [10 * 1024 * 1024, 2 * 1024 * 1024, 100 * 1024])
@pytest.mark.parametrize(
    ("method", "path", "kind", "key", "status"),
    [
        ("POST", "/jobs", "application/json", "submitter", 413),
        ("POST", "/sweeps", "application/json", "submitter", 413),
        ("POST", "/keys", "application/json", "operator", 413),
        ("POST", "/jobs", "application/json", None, 401),
        ("POST", "/uploads", "application/octet-stream", None, 401),
        ("POST", "/jobs", "application/json", "viewer", 403),
        ("POST", "/nope", "application/json", "submitter", 404),
        ("PUT", "/jobs", "application/json", "submitter", 405),
        ("POST", "/jobs", "text/plain", "submitter", 415),
        ("POST", "/uploads", "text/plain", "submitter", 415),
        ("POST", "/uploads", "application/octet-stream", "submitter", 413),
    ],
)
def test_an_early_answer_reaches_its_client(
    settings: Settings,
    new_key: NewKey,
    method: str,
    path: str,
    kind: str,
    key: Role | None,
    status: int,
    size: int,
) -> None:
    headers = {"Content-Type": kind} | new_key("ada", key or "viewer")
    if key is None:
        del headers["Authorization"]
    small = settings.model_copy(update={"max_body_bytes": 1024, "max_upload_bytes": 1024})
    with serving(small) as served:
        asked = urllib.request.Request(
            f"http://127.0.0.1:{served.port}{path}", data=b" " * size, headers=headers, method=method
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(asked, timeout=60)
        assert refused.value.code == status
        assert refused.value.headers["Content-Type"] == "application/problem+json"
        refused.value.close()


def test_too_many_requests_with_a_body_hear_so(settings: Settings, new_key: NewKey) -> None:
    key = new_key("ada")["Authorization"]
    with serving(settings.model_copy(update={"requests_per_minute": 1})) as served:
        statuses = []
        for _ in range(3):
            head = request(
                "POST",
                "/jobs",
                f"Authorization: {key}",
                "Connection: close",
                "Content-Type: application/json",
                f"Content-Length: {2**22}",
            )
            with served.connect(head) as made:
                made.sendall(b" " * 2**22)
                statuses.append(status_of(read_all(made)))
    assert statuses == [413, 429, 429]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 300_000 + b"\r\n\r\n", 431),
        (b"POST /jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (BODY.replace(b"Content-Length: 100", b"Transfer-Encoding: chunked") + b"zz\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ],
    ids=["tls", "no host", "long head", "unknown encoding", "http 2", "bad chunk", "bad target"],
)
def test_what_is_no_http_is_told_so(settings: Settings, sent: bytes, status: int) -> None:
    with serving(settings) as served:
        answer = served.ask(sent)
        assert status_of(answer) == status
        assert problem_of(answer)["status"] == status
        assert served.get("/healthz") == 200


def test_a_client_that_goes_away_is_no_error(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    with serving(settings) as served, caplog.at_level(logging.INFO):
        for sent in (BODY, CHUNKED, b"GET", request("GET", "/docs")):
            served.connect(sent).close()
        # Connections are taken in order: once this one is answered, all of them have begun.
        assert served.get("/healthz") == 200
        # All that they began has ended too: what a shutdown interrupts is another story.
        eventually(lambda: served.connections == 0 and not served.server.server_state.tasks)
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert not any(record.exc_info for record in caplog.records)


def test_a_mistake_of_ours_is_in_the_log_once(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise RuntimeError("a mistake")

    with serving(settings) as served:
        served.app.add_api_route("/broken", broken)
        assert problem_of(served.ask(request("GET", "/broken", "Connection: close")))["status"] == 500
    assert [record.name for record in caplog.records if record.exc_info] == ["cartl.api"]


def test_a_mistake_after_the_answer_is_in_the_log_once_too(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError("a mistake")

    def answer() -> Response:
        return Response("answered", background=BackgroundTask(broken))

    with serving(settings) as served:
        served.app.add_api_route("/later", answer)
        assert b"answered" in served.ask(request("GET", "/later", "Connection: close"))
    assert [record.name for record in caplog.records if record.exc_info] == ["cartl.api"]


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=30) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_a_client_that_takes_nothing_of_its_answer_is_let_go(
    settings: Settings, small: dict[str, object], worker: Worker
) -> None:
    size = 64 * 1024 * 1024
    with serving(settings) as served:
        job = json.loads(served.post("/jobs", json.dumps(small)).partition(b"\r\n\r\n")[2])["id"]
        worker.write(worker.claim(), "weights.safetensors", bytes(size), "application/octet-stream")
        served.table.limits = replace(served.table.limits, unread_seconds=0.5)
        asked = request("GET", f"/jobs/{job}/artifacts/weights.safetensors", "Connection: close")
        with served.connect(asked) as idle, served.connect(asked) as reader:
            read = 0
            while got := reader.recv(2**20):
                read += len(got)
            assert read > size
            eventually(lambda: served.connections == 0)
            assert idle.fileno() >= 0


def test_a_body_that_never_ends_is_not_read_for_ever(settings: Settings) -> None:
    with serving(settings.model_copy(update={"max_body_bytes": 1024})) as served:
        served.table.limits = replace(served.table.limits, linger_seconds=0.5)
        head = request("POST", "/jobs", "Content-Type: application/json", f"Content-Length: {2**40}")
        with served.connect(head) as made, pytest.raises(ConnectionError):
            while True:
                made.sendall(b" " * 2**16)
        eventually(lambda: served.connections == 0)


def test_the_process_makes_files_for_its_user_alone(settings: Settings, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    fresh = tmp_path / "fresh"
    environment = {"CARTL_DATA_DIR": str(fresh), "CARTL_PORT": str(port), "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen([sys.executable, "-m", "api"], env=environment, umask=0)
    try:
        eventually(lambda: answers(port))
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=60)
    finally:
        process.terminate()
        process.wait(60)
    made = [path for path in (fresh, *fresh.rglob("*")) if path.stat().st_mode & 0o077]
    assert made == [] and (fresh / "cartl.sqlite3").exists()
