"""Processes that this command starts: each in its own group, each with a log, all of them ended."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cartl.serving.log_files import open_log, rotate, tail

_PR_SET_PDEATHSIG = 1


class StartError(Exception):
    """The service could not be started, or one of its processes ended by itself."""


@dataclass(frozen=True)
class Process:
    """A running process, its name for people, and the log that has its output."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def alive(self) -> bool:
        """True until the process has ended."""
        return self.popen.poll() is None

    def died(self) -> StartError:
        """Which process ended, how, and the last lines that it wrote."""
        return StartError(
            f"the {self.name} process ended ({_ending(self.popen.poll())}); the end of {self.log}:\n"
            f"{tail(self.log)}"
        )

    def bound_log(self) -> None:
        """Begin a new log when this one has become large."""
        rotate(self.log)

    def stop(self, grace_seconds: float) -> None:
        """Ask it to end, wait for ``grace_seconds``, then kill what is left of its group."""
        try:
            if self.alive:
                self.popen.terminate()
                self.popen.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.kill()

    def kill(self) -> None:
        """End the whole group at once; nothing to do is fine."""
        signal_group(self.popen, signal.SIGKILL)
        self.popen.wait()


def start(name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> Process:
    """Start ``command`` in a session of its own, so that a Ctrl-C in the terminal reaches only us.

    On Linux the process gets SIGTERM when this one is gone, however it ended: no orphans.
    """
    with open_log(log) as output:
        popen = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
    return Process(name, popen, log)


def run_within(
    command: Sequence[str],
    seconds: float,
    *,
    log: Path,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> int | None:
    """Exit code of ``command``, or None when it is not there, or was killed after ``seconds``.

    Its children go with it: a download helper that hangs would otherwise outlive the deadline.
    """
    with open_log(log) as output:
        try:
            popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=environment,
                start_new_session=True,
            )
        except OSError:
            return None
    try:
        return popen.wait(max(seconds, 0.0))
    except subprocess.TimeoutExpired:
        return None
    finally:
        signal_group(popen, signal.SIGKILL)
        popen.wait()


def signal_group(popen: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to the group that ``popen`` leads; a group that is gone is no error."""
    try:
        os.killpg(popen.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _ending(code: int | None) -> str:
    if code is None:
        return "still running"
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
