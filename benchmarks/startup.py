"""How soon does `cartl up` answer, and how large is the API? ``python -m benchmarks.startup``.

Starts the service in a new folder, then once more where its database is there. Printed are the wall time from
the start of the command to the first answer of the port, the processor time that the command and the API had
used by then, which neighbours do not lengthen, and the memory of the API: resident, and its share of what
processes have in common (PSS).
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from cartl.serving.up import free_port

PATIENCE_SECONDS = 120.0
POLL_SECONDS = 0.02
MIB = 2**20


@dataclass(frozen=True)
class Start:
    """One start: seconds of wall and of processor time until it answered, and bytes of the API."""

    wall: float
    processor: float
    resident: int
    proportional: int


def main() -> int:
    """Start twice and print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cartl-startup-", ignore_cleanup_errors=True) as folder:
        for what in ("in a new folder", "where its database is"):
            one = started(Path(folder))
            sys.stdout.write(
                f"cartl up, {what}: the first answer after {one.wall:.2f} s ({one.processor:.2f} s of "
                f"processor time); the API has {one.resident / MIB:.0f} MiB resident, "
                f"{one.proportional / MIB:.0f} MiB PSS\n"
            )
    return 0


def started(folder: Path) -> Start:
    """Start the service, wait for its first answer, look at it and end it."""
    port = free_port()
    command = [sys.executable, "-m", "cartl", "up", "--port", str(port), "--data-dir", str(folder)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARTL_")}
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as up:
        try:
            _wait(port, began + PATIENCE_SECONDS)
            wall, api = time.monotonic() - began, _child(up.pid, "api")
            return Start(wall, _processor_seconds(up.pid) + _processor_seconds(api), *_memory(api))
        finally:
            up.send_signal(signal.SIGINT)
            up.wait(PATIENCE_SECONDS)


def _wait(port: int, deadline: float) -> None:
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)


def _child(parent: int, module: str) -> int:
    """The process that ``parent`` runs ``python -m module`` in."""
    for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split():
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if module.encode() in words:
            return int(pid)
    raise RuntimeError(f"the service has no process {module}")


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> tuple[int, int]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return kilobytes["Rss"] * 1024, kilobytes["Pss"] * 1024


if __name__ == "__main__":
    sys.exit(main())
