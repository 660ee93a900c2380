"""A server in a process of its own on a free loopback port, for benchmarks that speak HTTP to it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from jobs.settings import Settings

ROOT = Path(__file__).parents[1]
START_SECONDS = 60
STOP_SECONDS = 30


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(module: str, settings: Settings, log: Path) -> Iterator[str]:
    """``python -m module`` under ``settings`` until the block ends; yields its URL.

    Raises:
        RuntimeError: it did not answer within ``START_SECONDS``.
    """
    environment = {
        f"CARTL_{name.upper()}": str(value)
        for name, value in settings.model_dump(mode="json").items()
        if value is not None
    }
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
        )
    url = f"http://127.0.0.1:{settings.port}"
    try:
        _wait(url, server)
        yield url
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(STOP_SECONDS)


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            httpx.get(f"{url}/healthz", timeout=2)
        except httpx.TransportError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the server did not start") from error
            time.sleep(0.1)
        else:
            return
