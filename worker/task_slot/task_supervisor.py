"""One task, from its claim to its end: start the process, watch it, read its result, write down what came.

    Lease        renews the claim, and notes how far the task is   (a thread)
    Child        the process; its progress and its log are read    (two threads)
    supervisor   watches both and ends what must end               (the caller's thread)

The process is trusted with nothing: it writes to a directory of its claim alone, and what it made is named in
the store only while the claim holds.
"""

from __future__ import annotations

import logging
import math
import shutil
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy.orm import Session, sessionmaker

from cartl_core.errors import describe_error
from cartl_core.events import Event, Progress
from jobs.errors import LostClaim, RecordError
from jobs.files.stores import TASKS, artifact_store, task_directory
from jobs.settings import Settings
from jobs.store import tasks
from jobs.store.tasks import TaskClaim
from worker.supervision import memory
from worker.supervision.child import Child, describe_exit
from worker.supervision.fenced_writer import FencedWriter
from worker.supervision.job_log import JobLog
from worker.supervision.lease import LOOK_SECONDS, Lease, do_task
from worker.supervision.outcome import HOST_IS_FULL, LIMIT_REACHED
from worker.task_slot.task_command import COMMANDS, Program, command_line, program_of, task_environment
from worker.task_slot.task_result import NoResult, Product, carry_logs, read_result

POLL_SECONDS = 0.1
SETTLE_SECONDS = 3.0
LOG_BYTES = 1024 * 1024
LONGEST_SECONDS = 12 * 3600.0
"""Of one attempt, where the deployment sets no time for runs: one that hangs must not hold the slot."""
GIGABYTE = 1e9

CHECK_FAILED = "check_failed"
OUT_OF_MEMORY = "out_of_memory"
ORDER_REFUSED = "order_refused"
TIMEOUT = "timeout"

End = Literal["succeeded", "failed", "queued", "lost"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TaskContext:
    """What every task of this process shares.

    Attributes:
        shutting_down: true once this worker should let go of its task.
        program: what does a kind of task.
    """

    settings: Settings
    factory: sessionmaker[Session]
    shutting_down: Callable[[], bool]
    program: Program = program_of


@dataclass(frozen=True)
class Failure:
    """Why an attempt came to nothing; ``final``: the next one would, too."""

    message: str
    reason: str = CHECK_FAILED
    final: bool = False


Ended = Failure | Literal["by itself", "interrupted", "lost"]
"""Why the process is no more: by itself with success, by a shutdown of the worker, by a lost claim."""


class TaskSupervisor:
    """Does one claimed task; see the module."""

    def __init__(self, context: TaskContext, claim: TaskClaim) -> None:
        self._context = context
        self._settings = context.settings
        self._claim = claim
        self._command = COMMANDS[claim.kind]
        self._store = artifact_store(context.settings)
        self._directory = task_directory(context.settings, claim.task_id)
        self._out = self._directory / str(claim.token)
        self._writer = FencedWriter(context.factory, claim, out_of_time=self._must_leave)
        self._leave_at = math.inf
        self._fraction = 0.0
        self._ends_at = time.monotonic() + (self._settings.timeout_seconds or LONGEST_SECONDS)
        self._memory_limit = self._settings.memory_bytes or memory.default_limit()

    def run(self) -> End:
        """Do the task; returns what became of it, ``lost`` where that is for others to write."""
        lease = Lease(
            self._writer,
            renew=self._renew,
            look=lambda session: False,
            renew_seconds=min(self._settings.renew_seconds, LOOK_SECONDS),
        )
        return do_task(self._writer, lease, self._do_and_clear)

    def _renew(self, session: Session) -> bool:
        tasks.renew_task(session, self._claim, self._settings.lease_seconds, self._fraction)
        return False

    def _do_and_clear(self) -> End:
        try:
            return self._do()
        finally:
            shutil.rmtree(self._out, ignore_errors=True)
            carry_logs(self._store, self._directory, f"{TASKS}/{self._claim.task_id}")

    def _do(self) -> End:
        try:
            order = self._writer.write(
                lambda session: tasks.order_of_task(session, self._settings, self._claim)
            )
        except LostClaim:
            raise
        except RecordError as error:
            return self._fail(Failure(str(error), ORDER_REFUSED, final=True))
        try:
            ended = self._run_child(order)
        except OSError as error:
            ended = Failure(f"it could not be started: {describe_error(error)}")
        if isinstance(ended, Failure):
            return self._fail(ended)
        return AFTER[ended](self)

    def _run_child(self, order: dict[str, Any]) -> Ended:
        self._clear()
        log_path = self._directory / f"attempt-{self._claim.attempt}.log"
        with (
            JobLog(log_path, head_bytes=LOG_BYTES) as task_log,
            command_line(
                self._settings, self._store, self._command, order, self._out, self._context.program
            ) as line,
        ):
            task_log.note(
                f"attempt {self._claim.attempt} (token {self._claim.token}) on {socket.gethostname()}"
            )
            kills = memory.kills_so_far()
            child = Child(line, task_environment(self._settings), task_log)
            memory.offer_first(child.pid)
            try:
                child.listen(self._note)
                ended = self._watch(child)
            finally:
                code = child.end()
            task_log.note(f"it {describe_exit(code)}")
        if ended != "by itself" or code == 0:
            return ended
        if code == -signal.SIGKILL and memory.kills_so_far() > kills:
            return Failure(HOST_IS_FULL, OUT_OF_MEMORY, final=True)
        return Failure(f"the process {describe_exit(code)}")

    def _clear(self) -> None:
        """Make the claim's own directory; those of earlier claims are nobody's any more."""
        for stale in self._directory.glob("[0-9]*"):
            shutil.rmtree(stale, ignore_errors=True)
        self._out.mkdir(parents=True)

    def _note(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._fraction = event.fraction

    def _watch(self, child: Child) -> Ended:
        """Until the process has ended, or must be ended."""
        while not child.has_ended():
            if self._writer.lost.is_set():
                return "lost"
            if self._context.shutting_down():
                return "interrupted"
            if time.monotonic() > self._ends_at:
                return Failure("it took longer than a check may take", TIMEOUT, final=True)
            used = memory.used_by(child.pid)
            if self._memory_limit is not None and used > self._memory_limit:
                words = LIMIT_REACHED.format(used=used / GIGABYTE, limit=self._memory_limit / GIGABYTE)
                return Failure(words, OUT_OF_MEMORY, final=True)
            time.sleep(POLL_SECONDS)
        return "by itself"

    def _finish(self) -> End:
        product = Product(
            self._store, self._out / self._command.product, self._command.key(self._claim.parent_id)
        )
        try:
            result = read_result(self._out, self._command)
            product.make_last()
            self._writer.insist(
                lambda: self._writer.write(
                    lambda session: tasks.finish_task(session, self._claim, result, product.publish)
                )
            )
        except NoResult as error:
            return self._fail(Failure(str(error)))
        except ValueError as error:  # not a result of this kind, or files that no store takes
            log.warning("%s: its result is refused: %s", self._claim.subject, error)
            return self._fail(Failure("its result is not one that this worker understands"))
        except OSError as error:
            return self._fail(Failure(f"what it made could not be kept: {describe_error(error)}"))
        return "succeeded"

    def _release(self) -> End:
        self._writer.write(lambda session: tasks.release_task(session, self._claim))
        return "queued"

    def _lose(self) -> End:
        return "lost"

    def _fail(self, failure: Failure) -> End:
        state = self._writer.write(
            lambda session: tasks.fail_task(
                session, self._claim, failure.message, reason=failure.reason, final=failure.final
            )
        )
        log.warning("%s: %s", self._claim.subject, failure.message)
        return "failed" if state == "failed" else "queued"

    def _must_leave(self) -> bool:
        """A worker that shuts down does not wait long for a database that is away: the lease goes on."""
        if self._context.shutting_down():
            self._leave_at = min(self._leave_at, time.monotonic() + SETTLE_SECONDS)
        return time.monotonic() > self._leave_at


AFTER: dict[str, Callable[[TaskSupervisor], End]] = {
    "by itself": TaskSupervisor._finish,
    "interrupted": TaskSupervisor._release,
    "lost": TaskSupervisor._lose,
}
"""What is written once the process has ended."""
