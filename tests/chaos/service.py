"""One process of the stack: started, killed, started again, and surely ended."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PROC = Path("/proc")
MARKER = "CHAOS_RUN"
"""In the environment of whatever a campaign starts, and so of all that those processes start."""


@dataclass
class Service:
    """A program with its environment; it leads a session of its own."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    log: Path
    user: Mapping[str, object] = field(default_factory=dict)
    folder: Path | None = None
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(  # type: ignore[call-overload]
                self.command,
                env=dict(self.environment),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **self.user,
            )

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def is_up(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL the process alone, and reap it."""
        if self.is_up and self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def kill_with_children(self) -> None:
        """SIGKILL it and its direct children at once: a server that keeps others at work."""
        family = children(self.pid)
        self.kill()
        send(family, signal.SIGKILL)

    def stop(self, number: int = signal.SIGTERM, seconds: float = 40.0) -> bool:
        """Ask it to end; False when it had to be killed."""
        if not self.is_up or self.process is None:
            return True
        send([self.pid], signal.SIGCONT)
        self.process.send_signal(number)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return True


def children(parent: int) -> list[int]:
    """Process ids of the living children of ``parent``."""
    return [pid for pid, (above, state) in _table().items() if above == parent and state != "Z"]


def marked(run: str) -> list[int]:
    """Living processes that descend from the campaign ``run``, whoever their parent is now."""
    wanted = f"{MARKER}={run}".encode()
    return [pid for pid, (_, state) in _table().items() if state != "Z" and wanted in _environment(pid)]


def command_of(pid: int) -> list[str]:
    """Command line of a process; empty once it is gone."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def send(pids: Iterable[int], number: int) -> None:
    """Send a signal; whoever is gone already is passed over."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _environment(pid: int) -> list[bytes]:
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _table() -> dict[int, tuple[int, str]]:
    """Process id -> parent's id and state letter."""
    found = {}
    for path in PROC.glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text(errors="replace").rpartition(")")
        except OSError:
            continue
        state, parent = rest.split()[:2]
        found[int(name.split(" ")[0])] = (int(parent), state)
    return found
