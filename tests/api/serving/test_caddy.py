"""The service behind the Caddyfile that is shipped, with the real Caddy and TLS."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from cartl.serving.up import free_port
from jobs.settings import Settings
from tests.api.serving.conftest import eventually, serving
from tests.api.serving.test_connections import NewKey

CADDY = Path(sys.executable).parent / "caddy"
CADDYFILE = Path(__file__).resolve().parents[3] / "docker/caddy/Caddyfile"
WRONG = {"Authorization": f"Bearer cartl_{'0' * 16}_{'0' * 43}"}


@contextmanager
def in_front_of(port: int, folder: Path) -> Iterator[str]:
    """Caddy with TLS before the service on ``port``; yields its address."""
    address = f"https://localhost:{free_port()}"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "CARTL_SITE": address,
        "CARTL_UPSTREAM": f"127.0.0.1:{port}",
    }
    with (folder / "caddy.log").open("wb") as log:
        caddy = subprocess.Popen(
            [CADDY, "run", "--config", CADDYFILE, "--adapter", "caddyfile"],
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        root = folder / "data/caddy/pki/authorities/local/root.crt"
        eventually(lambda: caddy.poll() is None and root.exists() and answers(address, root))
        yield address
    finally:
        caddy.terminate()
        caddy.wait(60)


def trusting(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=folder / "data/caddy/pki/authorities/local/root.crt")


def answers(address: str, root: Path) -> bool:
    try:
        context = ssl.create_default_context(cafile=root)
        return httpx.get(f"{address}/healthz", verify=context, trust_env=False).status_code == 200
    except (httpx.TransportError, ssl.SSLError):
        return False


def client_of(address: str, folder: Path, source: str = "127.0.0.1") -> httpx.Client:
    transport = httpx.HTTPTransport(verify=trusting(folder), local_address=source)
    return httpx.Client(base_url=address, transport=transport, trust_env=False)


def test_the_file_is_as_caddy_writes_it_and_valid(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CARTL_SITE": "robust.example.org"}
    for command in (["fmt", "--diff"], ["validate", "--adapter", "caddyfile", "--config"]):
        done = subprocess.run(
            [CADDY, *command, CADDYFILE],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_behind_caddy_limits_count_for_people_and_cookies_are_secure(
    settings: Settings, new_key: NewKey, tmp_path: Path
) -> None:
    key = new_key("ada")["Authorization"].removeprefix("Bearer ")
    chosen = settings.model_copy(update={"requests_per_minute": 3, "trusted_proxies": "127.0.0.1"})
    with (
        serving(chosen) as served,
        in_front_of(served.port, tmp_path) as address,
        client_of(address, tmp_path, "127.0.0.2") as one,
        client_of(address, tmp_path, "127.0.0.3") as other,
    ):
        # Caddy tells who asks; what a client claims of itself is not passed on.
        claimed = [WRONG | {"X-Forwarded-For": f"192.0.2.{n}"} for n in range(6)]
        seen = [one.get("/models", headers=headers).status_code for headers in claimed]
        assert seen == [401] * 3 + [429] * 3
        assert other.get("/models", headers=WRONG).status_code == 401
        entered = other.post("/ui/sign-in", data={"key": key})
        assert "; Secure" in entered.headers["set-cookie"]
        assert "max-age" in entered.headers["strict-transport-security"]


@pytest.mark.slow
def test_a_proxy_that_is_not_named_is_taken_for_one_person(
    settings: Settings, new_key: NewKey, tmp_path: Path
) -> None:
    """Why CARTL_TRUSTED_PROXIES must be set: one person's wrong keys keep everybody out."""
    new_key("ada")
    chosen = settings.model_copy(update={"requests_per_minute": 3})
    with (
        serving(chosen) as served,
        in_front_of(served.port, tmp_path) as address,
        client_of(address, tmp_path, "127.0.0.2") as one,
        client_of(address, tmp_path, "127.0.0.3") as other,
    ):
        assert [one.get("/models", headers=WRONG).status_code for _ in range(3)] == [401] * 3
        assert other.get("/models", headers=WRONG).status_code == 429
