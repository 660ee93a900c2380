"""The exporting process from the run's side: started, listened to, and ended in time whatever it does."""

from __future__ import annotations

import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from cartl_core.report.exports import WithheldReason
from cartl_core.run.exports.order import ANSWER, Answer, Begun, Order, Refused
from cartl_core.storage.stop_flag import StopFlag

SECONDS = 300.0
"""For one export, its measurement and the start of the process included."""
LOOK_SECONDS = 0.2
LOG_TAIL = 2000

log = logging.getLogger(__name__)


def exported(
    order: Order,
    folder: Path,
    stop: StopFlag,
    *,
    command: tuple[str, ...] | None = None,
    seconds: float = SECONDS,
) -> Iterator[Answer]:
    """The answers to ``order``: for each of its tasks a beginning and an end, in order.

    An export that ends its process or takes too long is refused, and the rest go on in a new process.

    Args:
        folder: for the order and what the process says.
        command: instead of this module's own process, for tests.
        seconds: for each export.

    Raises:
        Interruption: the run was asked to stop.
    """
    left = list(order.tasks)
    while left:
        file = folder / "order.json"
        file.write_text(order.model_copy(update={"tasks": tuple(left)}).model_dump_json())
        current, ended = left[0], f"{seconds:.0f} s were not enough"
        with _process((*(command or OWN), str(file)), folder) as process:
            for answer in _answers(process, stop, seconds):
                if isinstance(answer, Begun):
                    current = next(task for task in left if task.name == answer.name)
                else:
                    left.remove(next(task for task in left if task.name == answer.name))
                yield answer
            code = process.poll()
        if not left:
            return
        # Its end may be seen a moment after its last word; what took too long is still running.
        timed_out = code is None and process.returncode == -9
        if not timed_out:
            ended = f"the exporting process ended with code {process.returncode}"
        lost = current if current in left else left[0]
        left.remove(lost)
        log.warning("%s: %s\n%s", lost.name, ended, _said(folder))
        why: WithheldReason = "timed_out" if timed_out else "ended"
        yield Refused(name=lost.name, reason=why, message=ended)


OWN = (sys.executable, "-m", "cartl_core.run.exports")


@contextmanager
def _process(command: tuple[str, ...], folder: Path) -> Iterator[subprocess.Popen[str]]:
    # It imports what this process does, and leaves the accelerator to the run.
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "CUDA_VISIBLE_DEVICES": "",
    }
    with (folder / "log").open("w") as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            env=environment,
            encoding="utf-8",
            errors="replace",
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _answers(process: subprocess.Popen[str], stop: StopFlag, seconds: float) -> Iterator[Answer]:
    """Until the process closes its stdout, or says nothing for ``seconds``."""
    assert process.stdout is not None
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read, args=(process.stdout, lines), name="exports", daemon=True).start()
    heard_at = time.monotonic()
    while time.monotonic() - heard_at < seconds:
        stop.check()
        try:
            line = lines.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            continue
        if line is None:
            # Closed: the process is at its end.
            process.wait()
            return
        try:
            answer = ANSWER.validate_json(line)
        except ValidationError:
            log.warning("the exporting process said something else: %r", line[:LOG_TAIL])
            continue
        heard_at = time.monotonic()
        yield answer


def _read(stream: IO[str], lines: queue.Queue[str | None]) -> None:
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(None)


def _said(folder: Path) -> str:
    return (folder / "log").read_text(errors="replace")[-LOG_TAIL:]
