"""One job, from its claim to its end: start the child, keep it informed, write down what it tells.

    Lease        renews the claim and learns of a cancellation   (a thread)
    Child        the process; its events are read                (two threads)
    EventWriter  turns events into rows, in order                (a thread)
    Supervisor   watches all three and ends what must end        (the caller's thread)

The child is trusted with nothing: it ends with its whole group, and what it wrote counts only
through rows that were written while the claim was alive.
"""

from __future__ import annotations

import errno
import logging
import math
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.errors import DiskFull
from cartl_core.events import Ping, StageReply, Stop
from jobs.errors import LostClaim
from jobs.settings import Settings
from jobs.state import Move
from jobs.store import Claim
from worker.supervision import memory
from worker.supervision.child import Child, describe_exit
from worker.supervision.child_command import Launch, Prepare, prepare
from worker.supervision.event_writer import EventWriter
from worker.supervision.fenced_writer import FencedWriter, GaveUp, first_line
from worker.supervision.job_log import JobLog
from worker.supervision.lease import Lease, job_lease
from worker.supervision.outcome import (
    HOST_IS_FULL,
    LIMIT_REACHED,
    OWN_TIMEOUT_WORDS,
    TIMEOUT_WORDS,
    Asked,
    Verdict,
    judge,
)
from worker.supervision.run_files import RunFiles, files_of_run

POLL_SECONDS = 0.1
PINGS_IN_A_LEASE = 9
LONGEST_PING_SECONDS = 5.0
SETTLE_SECONDS = 3.0
GIGABYTE = 1e9

log = logging.getLogger(__name__)
# A program that was replaced beneath its worker: without this, its job would succeed and have no report.
_STRANGER = Verdict(
    Move.REQUEUE_AFTER_CRASH,
    message="the run sent what this worker does not understand: they are of different versions; restart it",
)


@dataclass(frozen=True)
class SupervisorContext:
    """What every job of this process shares.

    Attributes:
        shutting_down: true once this worker should let go of its jobs.
    """

    settings: Settings
    factory: sessionmaker[Session]
    shutting_down: Callable[[], bool]
    prepare: Prepare = prepare


class Supervisor:
    """Runs one claim; see the module."""

    def __init__(self, context: SupervisorContext, claim: Claim) -> None:
        self._context = context
        self._settings = context.settings
        self._claim = claim
        self._writer = FencedWriter(context.factory, claim, out_of_time=self._must_leave)
        self._asked: Asked | None = None
        self._deadline = math.inf
        self._leave_at = math.inf
        allowed, wanted = self._settings.timeout_seconds or math.inf, claim.time_limit or math.inf
        self._own_limit = wanted < allowed
        self._timeout_at = time.monotonic() + min(allowed, wanted)
        self._ping_at = 0.0
        self._memory_limit = self._settings.memory_bytes or memory.default_limit()
        self._memory_ended: str | None = None

    def run(self) -> Verdict | None:
        """Run the job to its end; returns what was written of it, None when that was for others to do."""
        keep = job_lease(
            self._writer,
            lease_seconds=self._settings.lease_seconds,
            renew_seconds=self._settings.renew_seconds,
        )
        with keep as lease:
            try:
                verdict = self._run_child(lease)
            except OSError as error:
                verdict = _could_not_start(error)
            except LostClaim:
                verdict = None
            except GaveUp:
                verdict = Verdict(Move.RELEASE)
            return self._settle(verdict)

    def _run_child(self, lease: Lease[Claim]) -> Verdict | None:
        with files_of_run(self._settings, self._claim) as files:
            launch = self._context.prepare(files.here, self._claim)
            self._writer.insist(lambda: files.bring_inputs(self._claim))
            try:
                return self._run_started(launch, files, lease)
            finally:
                self._keep_log(files, launch)

    def _run_started(self, launch: Launch, files: RunFiles, lease: Lease[Claim]) -> Verdict | None:
        with JobLog(launch.log) as job_log:
            job_log.note(
                f"attempt {self._claim.attempt} (token {self._claim.token}) on {socket.gethostname()}"
            )
            kills = memory.kills_so_far()
            child = Child(launch.command, launch.environment, job_log)
            memory.offer_first(child.pid)
            try:
                event_writer = self._start_event_writer(child, files, launch)
                child.listen(event_writer.tell)
                self._watch(child, event_writer, lease)
            finally:
                code = child.end()
            job_log.note(f"the run {describe_exit(code)}")
            event_writer.finish()
            if self._writer.lost.is_set():
                return None
            if event_writer.error is not None:
                return _unwritable(event_writer.error)
            if self._memory_ended is None and code == -signal.SIGKILL and memory.kills_so_far() > kills:
                self._memory_ended = HOST_IS_FULL
            verdict = judge(
                code,
                event_writer.last_word,
                self._asked,
                memory_ended=self._memory_ended,
                timeout_words=OWN_TIMEOUT_WORDS if self._own_limit else TIMEOUT_WORDS,
            )
            return _STRANGER if child.strange and verdict.move is Move.COMPLETE else verdict

    def _keep_log(self, files: RunFiles, launch: Launch) -> None:
        """A log that cannot be kept is no reason to do the run again."""
        try:
            files.keep_log(launch.log)
        except OSError as error:
            log.warning("job %s: its log is not kept: %s", self._claim.job_id, error.strerror)

    def _start_event_writer(self, child: Child, files: RunFiles, launch: Launch) -> EventWriter:
        def answer(reply: StageReply) -> None:
            child.send(reply, patient=True)

        event_writer = EventWriter(self._writer, answer, files=files, out=launch.out, log=launch.log)
        event_writer.start()
        return event_writer

    def _watch(self, child: Child, event_writer: EventWriter, lease: Lease[Claim]) -> None:
        """Until the child has ended, or must be ended."""
        while not child.has_ended():
            if (
                self._writer.lost.is_set()
                or event_writer.error is not None
                or time.monotonic() > self._deadline
                or self._takes_too_much_memory(child)
            ):
                return
            self._ask_to_stop(child, lease)
            self._ping(child)
            time.sleep(POLL_SECONDS)

    def _takes_too_much_memory(self, child: Child) -> bool:
        limit = self._memory_limit
        if limit is None or (used := memory.used_by(child.pid)) <= limit:
            return False
        self._memory_ended = LIMIT_REACHED.format(used=used / GIGABYTE, limit=limit / GIGABYTE)
        log.warning("job %s: %s", self._claim.job_id, self._memory_ended)
        return True

    def _ask_to_stop(self, child: Child, lease: Lease[Claim]) -> None:
        """A cancellation overrules the rest; the time to obey runs from the first that is asked."""
        why: Asked | None = None
        if lease.cancel_requested.is_set():
            why = "cancelled"
        elif self._asked is not None:
            return
        elif time.monotonic() > self._timeout_at:
            why = "timeout"
        elif self._context.shutting_down():
            why = "interrupted"
        if why is None or self._asked == why:
            return
        log.info("job %s: asking the run to stop: %s", self._claim.job_id, why)
        child.send(Stop(why="cancelled" if why == "cancelled" else "interrupted"))
        self._asked = why
        self._deadline = min(self._deadline, time.monotonic() + self._settings.stop_grace_seconds)

    def _ping(self, child: Child) -> None:
        if time.monotonic() >= self._ping_at:
            child.send(Ping())
            pause = min(self._settings.lease_seconds / PINGS_IN_A_LEASE, LONGEST_PING_SECONDS)
            self._ping_at = time.monotonic() + pause

    def _must_leave(self) -> bool:
        """A worker that shuts down waits for the database no longer than for a child, and a little."""
        if self._context.shutting_down():
            patience = self._settings.stop_grace_seconds + SETTLE_SECONDS
            self._leave_at = min(self._leave_at, time.monotonic() + patience)
        return time.monotonic() > self._leave_at

    def _settle(self, verdict: Verdict | None) -> Verdict | None:
        """Write the end of this claim. What cannot be written is left to the lease's expiry."""
        if verdict is None:
            log.warning("job %s: lost to another worker; nothing is written", self._claim.job_id)
            return None
        try:
            self._writer.write(lambda session: verdict.write(session, self._claim))
        except LostClaim:
            log.warning("job %s: could not %s: the claim is lost", self._claim.job_id, verdict.move)
            return None
        except (GaveUp, DBAPIError) as error:
            log.warning("job %s: could not %s: %s", self._claim.job_id, verdict.move, first_line(error))
            return None
        log.info("job %s (token %d): %s", self._claim.job_id, self._claim.token, verdict.move)
        return verdict


def _could_not_start(error: OSError) -> Verdict:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Verdict(Move.FAIL, reason=DiskFull.reason, message="No space is left to start the run.")
    return Verdict(Move.REQUEUE_AFTER_CRASH, message=f"the run could not be started: {error.strerror}")


def _unwritable(error: Exception) -> Verdict:
    return Verdict(
        Move.REQUEUE_AFTER_CRASH,
        message=f"what the run reported could not be recorded ({type(error).__name__})",
    )
