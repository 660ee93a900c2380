"""Who a worker process is, and whether a process is still there.

A worker's id is made of host, process id and the process's start time, so that a pool process can
name its worker by looking at its parent, and a reused process id makes no two workers equal.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

HOST_LENGTH = 32
PROC = Path("/proc")
DEAD_STATES = frozenset("ZX")


@dataclass(frozen=True)
class Identity:
    """A worker's main process."""

    host: str
    pid: int
    started: str
    """Clock ticks from boot to the start of the process; empty where the system does not tell."""

    @property
    def worker_id(self) -> str:
        """At most 64 characters."""
        return f"{self.host[:HOST_LENGTH]}-{self._process}"

    @property
    def _process(self) -> str:
        return f"{self.pid}-{self.started}".rstrip("-")

    def is_called(self, worker_id: str) -> bool:
        """True for a worker of this process, whatever its host was called then."""
        return worker_id.endswith(f"-{self._process}")


def identity_of(pid: int) -> Identity:
    """The identity of the process ``pid`` on this host."""
    return Identity(host=socket.gethostname(), pid=pid, started=_status(pid)[1])


def pid_space() -> str:
    """Where this process's ids mean something: the host, its boot, the container; at most 64 characters.

    None of them tells alone: containers may share a host name and still see nothing of each other, and
    copies of a virtual machine share a boot.
    """
    host = socket.gethostname()[:16]
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{host}-{boot[:36]}-{(PROC / 'self/ns/pid').stat().st_ino}"[:64]
    except OSError:
        return host


def is_running(worker_id: str, pid: int) -> bool:
    """True while ``pid`` of this pid space is the worker that is called so."""
    return is_alive(pid) and identity_of(pid).is_called(worker_id)


def is_alive(pid: int) -> bool:
    """True while ``pid`` is a process of this host that can still do something (a zombie cannot)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _status(pid)[0] not in DEAD_STATES


def _status(pid: int) -> tuple[str, str]:
    """State letter and start time of a process; empty texts where they cannot be read."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", ""
    # The name, in parentheses, may hold blanks and parentheses; fields are counted after it.
    fields = stat.rpartition(")")[2].split()
    return fields[0], fields[19]
