"""The process that runs a job: started in a group of its own, spoken to in JSON lines, surely ended.

Events come by its stdout, orders go to its stdin, its stderr is the job's log.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from pydantic import ValidationError
from pydantic_core import from_json

from cartl_core.events import EVENT, Event, Order
from jobs import logs
from worker.supervision.job_log import JobLog

LINE_BYTES = 64 * 1024 * 1024
"""A longer line from the child is cut in pieces, none of which is an event."""
JOIN_SECONDS = 5.0
CODES = {0: "finished", 1: "failed", 2: "refused its specification", 3: "stopped", 4: "lost its supervisor"}


class Child:
    """A started process.

    Args:
        command: program and arguments.
        environment: all of its environment.
        log: takes its stderr, and what on its stdout is no event.

    Attributes:
        strange: it sent something in the form of an event that is not one of this version.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: JobLog) -> None:
        self._log = log
        self._process = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._readers: list[threading.Thread] = []
        self._writing = threading.Lock()
        self.strange = False

    @property
    def pid(self) -> int:
        """Its process id, which is its group's id as well."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit code, or minus the number of the signal that killed it; None before ``end``."""
        return self._process.returncode

    def listen(self, on_event: Callable[[Event], None]) -> None:
        """Begin to read. ``on_event`` is called in order, from one thread; blocking it holds the child up."""
        for name, target in (("events", lambda: self._read_events(on_event)), ("log", self._read_log)):
            thread = logs.thread(target, f"child-{name}")
            thread.start()
            self._readers.append(thread)

    def send(self, order: Order, *, patient: bool = False) -> bool:
        """Give an order; False when the child is gone or its pipe is full.

        ``patient`` waits for room in the pipe: for an answer, which the child is waiting for.
        """
        stdin = _pipe(self._process.stdin)
        line = order.model_dump_json().encode() + b"\n"
        if not self._writing.acquire(blocking=patient):
            return False
        try:
            if stdin.closed or not (patient or _has_room(stdin)):
                return False
            stdin.write(line)
            stdin.flush()
        except BrokenPipeError:
            return False
        finally:
            self._writing.release()
        return True

    def has_ended(self) -> bool:
        """True once the process is dead. It is not reaped before ``end``, so its group's id stays taken."""
        if self._process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None

    def kill(self) -> None:
        """SIGKILL the whole group."""
        if self._process.returncode is None:
            os.killpg(self.pid, signal.SIGKILL)

    def end(self) -> int:
        """Kill whatever is left of the group, reap it, read its last words; returns ``returncode``."""
        self.kill()
        code = self._process.wait()
        for reader in self._readers:
            reader.join(JOIN_SECONDS)
        # An order may still be buffered; nobody is left to read it.
        with self._writing, contextlib.suppress(BrokenPipeError):
            _pipe(self._process.stdin).close()
        return code

    def _read_events(self, on_event: Callable[[Event], None]) -> None:
        with _pipe(self._process.stdout) as stream:
            while line := stream.readline(LINE_BYTES):
                try:
                    event = EVENT.validate_json(line)
                except ValidationError:
                    self.strange = self.strange or _is_an_event(line)
                    self._log.write(line)
                    continue
                on_event(event)

    def _read_log(self) -> None:
        with _pipe(self._process.stderr) as stream:
            while line := stream.readline(LINE_BYTES):
                self._log.write(line)


def _is_an_event(line: bytes) -> bool:
    """Told in the form of an event, though not one that is known here."""
    try:
        parsed = from_json(line)
    except ValueError:
        return False
    return isinstance(parsed, dict) and isinstance(parsed.get("type"), str)


def describe_exit(code: int) -> str:
    """How a process ended, in words."""
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return CODES.get(code, f"ended with exit code {code}")


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


def _has_room(stream: IO[bytes]) -> bool:
    """True when a short line can be written without waiting: a pipe is writable from PIPE_BUF bytes on."""
    poll = select.poll()
    poll.register(stream, select.POLLOUT)
    return bool(poll.poll(0))
