"""Generate requests over the whole OpenAPI document against a real server on loopback, and judge each answer.

    .venv/bin/python benchmarks/fuzz.py --seconds 600

Two passes: the open service with all paths, then the paths of keys with an admin's key (the open service
refuses those). Between them lies the rule: no 5xx, no status that the document does not name, every answer
as the document says, every error `application/problem+json`. Exit code 0 when all answers were right.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from cartl_core.events import ArtifactWritten, RuntimeResolved
from cartl_core.resolve import resolve
from cartl_core.spec import JobRequest, Runtime
from jobs import store
from jobs.artifacts import measure, output_directory, relative_path
from jobs.database import make_engine, migrate, session_factory, transaction
from jobs.keys import make_key
from jobs.settings import Settings

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
)
START_SECONDS = 60
KEYS_SHARE = 0.15
COST = {"seconds": 1.0, "disk_bytes": 1}
RUNTIME = Runtime(
    device="cpu",
    device_name="none",
    threads=1,
    precision="fp32",
    python="3.11",
    torch="2.13",
    torchvision="0.28",
    cartl="0",
    machine="x86_64",
)


GENERATED = re.compile(r"([\d,]+) generated")


@dataclass(frozen=True)
class Outcome:
    """What one pass found."""

    clean: bool
    requests: int
    said: str


def main() -> int:
    """Both passes; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=600, help="time for both passes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    total = 0
    for with_key, share in ((False, 1 - KEYS_SHARE), (True, KEYS_SHARE)):
        seconds = max(1, round(options.seconds * share))
        outcome = fuzz(seconds, options.seed, options.workers, with_key=with_key)
        total += outcome.requests
        which = "the paths of keys, with a key" if with_key else "all paths, without keys"
        sys.stdout.write(f"{outcome.said}\n{which}: {outcome.requests} requests, clean: {outcome.clean}\n")
        if not outcome.clean:
            return 1
    sys.stdout.write(f"{total} generated requests, all clean (seed {options.seed})\n")
    return 0


def fuzz(seconds: int, seed: int, workers: int, *, with_key: bool) -> Outcome:
    """One pass against a server of its own."""
    with tempfile.TemporaryDirectory(prefix="cartl-fuzz-") as scratch:
        folder = Path(scratch)
        settings = Settings(
            data_dir=folder / "data",
            port=_free_port(),
            requests_per_minute=10_000_000,
            default_preset="smoke",
        )
        settings.make_directories()
        key = _prepare(settings, with_key=with_key)
        with _server(settings, folder / "server.log") as url:
            command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json"]
            command += ["--checks", ",".join(CHECKS), "--max-time", str(seconds), "--seed", str(seed)]
            command += ["--workers", str(workers), "--request-timeout", "20", "--continue-on-failure"]
            command += ["--no-color", "--warnings", "off", "--suppress-health-check", "all"]
            command += ["--generation-database", "none"]
            if with_key:
                command += ["--header", f"Authorization:Bearer {key}", "--include-path-regex", "^/keys"]
                command += ["--phases", "examples,coverage,fuzzing"]
            ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        log = (folder / "server.log").read_text(encoding="utf-8", errors="replace")
    generated = GENERATED.findall(ended.stdout)
    traced = "Traceback" in log
    return Outcome(
        clean=ended.returncode == 0 and not traced,
        requests=int(generated[-1].replace(",", "")) if generated else 0,
        said=ended.stdout + ended.stderr + (log[-4000:] if traced else ""),
    )


def _prepare(settings: Settings, *, with_key: bool) -> str:
    """Tables, a few jobs in different states with events and a file, and perhaps a key."""
    engine = make_engine(settings)
    migrate(engine)
    factory = session_factory(engine)
    request = JobRequest.model_validate({"dataset": "digits", "freeze_depth": 2, "preset": "smoke"})
    with transaction(factory) as session:
        for _ in range(3):
            store.submit(session, request=request, spec=resolve(request), estimate=COST, owner="local")
        claim = store.claim(session, worker_id="fuzz", lease_seconds=86_400)
        assert claim is not None
        store.record(session, claim, RuntimeResolved(runtime=RUNTIME))
        path = output_directory(settings, claim.job_id, claim.token) / "report.md"
        path.write_text("# Report\n", encoding="utf-8")
        size, sha256 = measure(path)
        told = ArtifactWritten(name="report.md", path="report.md", media_type="text/markdown")
        where = relative_path(settings, path)
        store.record_artifact(session, claim, told, path=where, size=size, sha256=sha256)
        store.complete(session, claim)
        plain, row = make_key("fuzz", "fuzz", ("read", "submit", "admin"))
        if with_key:
            session.add(row)
    engine.dispose()
    return plain


@contextmanager
def _server(settings: Settings, log: Path) -> Iterator[str]:
    """``python -m api`` in a process of its own."""
    environment = {
        f"CARTL_{name.upper()}": str(value)
        for name, value in settings.model_dump(mode="json").items()
        if value is not None
    }
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "api"],
            cwd=Path(__file__).parents[1],
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
        server.wait(30)


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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
