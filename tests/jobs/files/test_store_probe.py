"""The object store is asked seldom, is not waited for, and what is wrong is said in words."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from jobs.files.store_probe import LOOK_SECONDS, StoreProbe
from jobs.settings import Settings

LIST = (
    b'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    b"<Name>somewhere</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>"
)
NO_BUCKET = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchBucket</Code></Error>'


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def at(port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with a store that is said to be on this port."""
    for name, value in (("ACCESS_KEY_ID", "x"), ("SECRET_ACCESS_KEY", "x"), ("REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    return Settings(data_dir=tmp_path, store="s3://somewhere/x")


def test_directories_are_nothing_to_ask(tmp_path: Path) -> None:
    assert StoreProbe(Settings(data_dir=tmp_path)).trouble() is None


def test_one_that_does_not_answer_is_not_waited_for(
    silent: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request of the service is tried for a minute, several times."""
    began = time.monotonic()
    assert StoreProbe(at(silent, tmp_path, monkeypatch)).trouble() == "the object store cannot be reached"
    assert time.monotonic() - began < 40


class Server(BaseHTTPRequestHandler):
    """Answers every list with what it is told to."""

    status, asked = 200, 0

    def do_GET(self) -> None:
        Server.asked += 1
        body = LIST if Server.status == 200 else NO_BUCKET
        self.send_response(Server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def answering() -> Iterator[int]:
    """The port of a server that answers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join(60)


def test_what_was_found_is_told_for_a_while(
    answering: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    probe = StoreProbe(at(answering, tmp_path, monkeypatch), clock=lambda: now)
    monkeypatch.setattr(Server, "asked", 0)
    assert [probe.trouble(), probe.trouble()] == [None, None]
    monkeypatch.setattr(Server, "status", 503)
    now = LOOK_SECONDS - 0.1
    assert (probe.trouble(), Server.asked) == (None, 1)
    now = LOOK_SECONDS
    assert probe.trouble() == probe.trouble() == "the object store answers with status 503"
    assert Server.asked == 2
    monkeypatch.setattr(Server, "status", 404)
    now = 2 * LOOK_SECONDS
    assert probe.trouble() == "there is no such bucket"
    monkeypatch.setattr(Server, "status", 200)
    now = 3 * LOOK_SECONDS
    assert probe.trouble() is None
