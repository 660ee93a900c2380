"""The service as a process would serve it, on a free port of loopback, asked through real sockets."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI

from api.main import create_app
from api.serving.connections import ConnectionTable
from api.serving.protocol import GuardedConfig
from api.serving.server import Server, configuration
from jobs.settings import Settings

PATIENCE = 60.0
"""Seconds that a test waits for what is to come at once; no verdict hangs on it."""


@dataclass(frozen=True)
class Served:
    """A service that runs."""

    port: int
    server: Server
    app: FastAPI

    def connect(self, sent: bytes = b"", source: str = "127.0.0.1") -> socket.socket:
        """A connection on which ``sent`` was sent."""
        made = socket.create_connection(("127.0.0.1", self.port), PATIENCE, (source, 0))
        made.sendall(sent)
        return made

    def ask(self, sent: bytes, source: str = "127.0.0.1") -> bytes:
        """All that comes back until the service closes the connection."""
        with self.connect(sent, source) as made:
            return read_all(made)

    def get(self, path: str, *headers: str, method: str = "GET", source: str = "127.0.0.1") -> int:
        """The status of a request."""
        return status_of(self.ask(request(method, path, "Connection: close", *headers), source))

    def post(self, path: str, body: str) -> bytes:
        """The answer to a request with a JSON body."""
        head = ("Connection: close", "Content-Type: application/json", f"Content-Length: {len(body)}")
        return self.ask(request("POST", path, *head) + body.encode())

    @property
    def table(self) -> ConnectionTable:
        """The connections that are open now."""
        assert isinstance(self.server.config, GuardedConfig)
        return self.server.config.connections

    @property
    def connections(self) -> int:
        """How many are open now."""
        return len(self.table)


def request(method: str, path: str, *headers: str) -> bytes:
    """The head of a request."""
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", "")).encode()


def read_all(made: socket.socket) -> bytes:
    """Until the other side ends it. A reset is an error."""
    made.settimeout(PATIENCE)
    return b"".join(iter(lambda: made.recv(65536), b""))


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def problem_of(answer: bytes) -> dict[str, Any]:
    """The problem that an answer tells."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head.lower()
    found: dict[str, Any] = json.loads(body)
    return found


def eventually(happened: Callable[[], bool]) -> None:
    """Wait until it has."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


@contextmanager
def serving(settings: Settings) -> Iterator[Served]:
    """Serve with ``settings``."""
    app = create_app(settings.model_copy(update={"port": 0}))
    server = Server(configuration(app, settings.model_copy(update={"port": 0})), app)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: server.started or not thread.is_alive())
        yield Served(server.servers[0].sockets[0].getsockname()[1], server, app)
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


@pytest.fixture
def impatient(settings: Settings) -> Settings:
    """Deadlines that a test can wait for."""
    return settings.model_copy(update={"head_seconds": 0.5, "body_seconds": 0.5})
