"""Other programs: run, with what they said at hand when they fail."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

POLL_SECONDS = 0.5
TAIL_CHARACTERS = 6000


class Failed(Exception):
    """Something that the test needs did not happen; the message says what was seen instead."""


def say(text: str) -> None:
    """One line of the test's own output."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


def run(
    command: Sequence[str | Path],
    *,
    seconds: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Standard output of a command, run at low priority.

    Args:
        command: program and arguments.
        seconds: the longest that it may take.
        env: added to this process's environment; an empty text removes a variable.
        cwd: where it runs.

    Raises:
        Failed: its exit status is not 0, or it took too long.
    """
    changed = {name: value for name, value in {**os.environ, **(env or {})}.items() if value}
    words = ["nice", "-n", "10", *map(str, command)]
    shown = " ".join(words[3:])
    pipe = subprocess.PIPE
    with subprocess.Popen(
        words, env=changed, cwd=cwd, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as process:
        try:
            output, complained = process.communicate(timeout=seconds)
        except BaseException as error:
            # With its own children: nothing goes on while what it worked on is taken away.
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise Failed(f"{shown}: not done after {seconds:.0f} s") from error
            raise
    if process.returncode != 0:
        said = (output + complained)[-TAIL_CHARACTERS:]
        raise Failed(f"{shown}: exit status {process.returncode}\n{said}")
    return output


def wait_for(what: str, happened: Callable[[], bool], *, seconds: float) -> float:
    """Wait until something has happened; returns the seconds that it took.

    Raises:
        Failed: it has not happened in time.
    """
    began = time.monotonic()
    while not happened():
        if time.monotonic() - began > seconds:
            raise Failed(f"{what}: not within {seconds:.0f} s")
        time.sleep(POLL_SECONDS)
    return time.monotonic() - began
