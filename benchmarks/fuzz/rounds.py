"""One round: a fresh server, and schemathesis against it from one seed."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from benchmarks.fuzz.record import prepare
from benchmarks.server import free_port, serving
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
GENERATED = re.compile(r"([\d,]+) generated")
LOG_TAIL = 4000
DOCUMENT_SECONDS = 300.0
NO_LIMIT = 10_000_000
MIGRATING = threading.Lock()  # Alembic's context is one for the whole process


@dataclass(frozen=True)
class Kind:
    """What a round asks for: with a key or without, which phases of schemathesis."""

    words: str
    with_key: bool
    phases: str


# The examples and the covering values are the same from every seed, so one round of each kind has them.
FIRST = Kind("all paths, without keys", with_key=False, phases="examples,coverage,fuzzing,stateful")
FIRST_WITH_KEY = Kind("the paths of keys, with a key", with_key=True, phases="examples,coverage,fuzzing")
MORE = Kind("all paths, without keys, at random", with_key=False, phases="fuzzing,stateful")
MORE_WITH_KEY = Kind("the paths of keys, with a key, at random", with_key=True, phases="fuzzing")


@dataclass(frozen=True)
class Outcome:
    """What one round found."""

    clean: bool
    requests: int
    said: str


def play(kind: Kind, seed: int, *, seconds: int | None = None) -> Outcome:
    """One round from ``seed``; it ends by itself, or with ``seconds`` given when they are over.

    The open service refuses the paths of keys, hence the kinds with an operator's key.
    """
    with tempfile.TemporaryDirectory(prefix="cartl-fuzz-") as scratch:
        folder = Path(scratch)
        settings = Settings(
            data_dir=folder / "data",
            port=free_port(),
            requests_per_minute=NO_LIMIT,
            default_preset="smoke",
        )
        settings.make_directories()
        with MIGRATING:
            key = prepare(settings, with_key=kind.with_key)
        log = folder / "server.log"
        with serving("api", settings, log) as url:
            document = folder / "openapi.json"
            # The first answer makes the document: on a busy machine schemathesis would not wait for it.
            document.write_bytes(urlopen(f"{url}/openapi.json", timeout=DOCUMENT_SECONDS).read())
            ended = subprocess.run(
                _command(kind, document, url, seed, seconds, key),
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
        logged = log.read_text(encoding="utf-8", errors="replace")
    generated = GENERATED.findall(ended.stdout)
    traced = "Traceback" in logged
    return Outcome(
        clean=ended.returncode == 0 and not traced,
        requests=int(generated[-1].replace(",", "")) if generated else 0,
        said=ended.stdout + ended.stderr + (logged[-LOG_TAIL:] if traced else ""),
    )


def _command(kind: Kind, document: Path, url: str, seed: int, seconds: int | None, key: str) -> list[str]:
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", str(document), "--url", url]
    command += ["--checks", ",".join(CHECKS), "--phases", kind.phases, "--seed", str(seed)]
    # One worker: schemathesis computes most of the time, and its threads would wait for each other.
    command += ["--workers", "1", "--request-timeout", "20", "--continue-on-failure"]
    command += ["--no-color", "--warnings", "off", "--suppress-health-check", "all"]
    command += ["--generation-database", "none"]
    if seconds is not None:
        command += ["--max-time", str(seconds)]
    if kind.with_key:
        command += ["--header", f"Authorization:Bearer {key}", "--include-path-regex", "^/keys"]
    return command
