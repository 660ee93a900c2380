"""One part of a measurement, from its claim to its end, in a training slot.

The process is a run of the job that stops after its part. It finds every stage that the part stands on
finished, computes the part into the directory of the task's claim, and is trusted with nothing else.
"""

from __future__ import annotations

import logging
import math
import shutil
import time
from contextlib import suppress

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from cartl_core.errors import describe_error
from cartl_core.events import Event, Failed, Ping, StageReply, StageRequested
from jobs.errors import LostClaim, RecordError
from jobs.store import shards, tasks
from jobs.store.shards import ShardOrder
from jobs.store.tasks import TaskClaim
from worker.supervision import memory
from worker.supervision.child import Child, describe_exit
from worker.supervision.child_command import Launch
from worker.supervision.fenced_writer import FencedWriter, GaveUp
from worker.supervision.job_log import JobLog
from worker.supervision.lease import Lease, do_task
from worker.supervision.outcome import LIMIT_REACHED
from worker.supervision.run_files import RunFiles, files_of_run
from worker.supervision.supervisor import LONGEST_PING_SECONDS, PINGS_IN_A_LEASE, SupervisorContext

POLL_SECONDS = 0.1
GIGABYTE = 1e9
FAILED = "shard_failed"

log = logging.getLogger(__name__)


class _Interrupted(Exception):
    """The worker shuts down."""


class _Broken(Exception):
    """Why an attempt came to nothing; ``final``: the next one would, too."""

    def __init__(self, words: str, *, final: bool = False) -> None:
        super().__init__(words)
        self.words, self.final = words, final


class ShardSupervisor:
    """Does one claimed part on one device; see the module."""

    def __init__(self, context: SupervisorContext, claim: TaskClaim, device: str) -> None:
        self._context, self._claim, self._device = context, claim, device
        self._settings = context.settings
        self._order = ShardOrder.of(claim.payload)
        self._path = shards.shard_directory(self._order.digest, claim.task_id, claim.token)
        self._writer = FencedWriter(context.factory, claim, out_of_time=context.shutting_down)
        self._ends_at = time.monotonic() + (self._settings.timeout_seconds or math.inf)
        self._memory_limit = self._settings.memory_bytes or memory.default_limit()
        self._failed: Failed | None = None

    def run(self) -> str:
        """Compute the part; the state of the task then, ``lost`` where that is for others to write."""
        lease = Lease(
            self._writer,
            renew=self._renew,
            look=lambda session: False,
            renew_seconds=self._settings.renew_seconds,
        )
        return do_task(self._writer, lease, self._do)

    def _renew(self, session: Session) -> bool:
        tasks.renew_task(session, self._claim, self._settings.lease_seconds)
        return False

    def _do(self) -> str:
        try:
            run = self._writer.write(lambda session: shards.run_of(session, self._claim, self._device))
            with files_of_run(self._settings, run) as files:
                launch = self._context.prepare(files.here, run)
                try:
                    self._writer.insist(lambda: files.bring_inputs(run))
                    self._run_child(launch, files)
                finally:
                    shutil.rmtree(launch.out, ignore_errors=True)
                self._writer.insist(lambda: files.keep_part(self._path))
            self._writer.write(lambda session: tasks.finish_task(session, self._claim, {}))
        except (_Interrupted, GaveUp):
            self._writer.write(lambda session: tasks.release_task(session, self._claim))
            return "queued"
        except _Broken as broken:
            return self._fail(broken.words, final=broken.final)
        except RecordError as error:
            if isinstance(error, LostClaim):
                raise
            return self._fail(str(error), final=True)
        except OSError as error:
            return self._fail(f"it could not be started: {describe_error(error)}")
        return "succeeded"

    def _run_child(self, launch: Launch, files: RunFiles) -> None:
        """Until the part is written.

        Raises:
            _Broken, _Interrupted, LostClaim: it is not.
        """
        part = f"{self._order.digest}:{self._order.first}:{self._order.last}"
        with JobLog(launch.log) as job_log:
            child = Child((*launch.command, "--shard", part), launch.environment, job_log)
            memory.offer_first(child.pid)
            try:
                child.listen(lambda event: self._hear(event, child, files))
                self._watch(child)
            finally:
                code = child.end()
        if self._failed is not None:
            raise _Broken(self._failed.message, final=True)
        if code != 0:
            raise _Broken(f"the process {describe_exit(code)}")

    def _watch(self, child: Child) -> None:
        ping_at = 0.0
        while not child.has_ended():
            if self._writer.lost.is_set():
                raise self._claim.lost
            if self._context.shutting_down():
                raise _Interrupted
            if time.monotonic() > self._ends_at:
                raise _Broken("it took longer than a run may take", final=True)
            used = memory.used_by(child.pid)
            if self._memory_limit is not None and used > self._memory_limit:
                limit = self._memory_limit / GIGABYTE
                raise _Broken(LIMIT_REACHED.format(used=used / GIGABYTE, limit=limit), final=True)
            if time.monotonic() >= ping_at:
                child.send(Ping())
                pause = min(self._settings.lease_seconds / PINGS_IN_A_LEASE, LONGEST_PING_SECONDS)
                ping_at = time.monotonic() + pause
            time.sleep(POLL_SECONDS)

    def _hear(self, event: Event, child: Child, files: RunFiles) -> None:
        """Answer for stages; the rest of what a run tells is its job's, which has told it itself."""
        match event:
            case Failed():
                self._failed = event
            case StageRequested():
                with suppress(LostClaim, GaveUp, DBAPIError, OSError):  # the process is ended, or its lease
                    child.send(self._reply(event.digest, files), patient=True)

    def _reply(self, digest: str, files: RunFiles) -> StageReply:
        """Its own stage is computed into the claim's directory; any other is finished, or not to be had."""
        if digest == self._order.digest:
            return StageReply(digest=digest, verdict="compute", path=self._path)
        path = self._writer.write(lambda session: shards.finished_stage(session, self._claim.owner, digest))
        if path is None or not self._writer.insist(lambda: files.has(path)):
            return StageReply(digest=digest, verdict="wait")
        self._writer.insist(lambda: files.bring(path))
        return StageReply(digest=digest, verdict="finished", path=path)

    def _fail(self, words: str, *, final: bool = False) -> str:
        log.warning("%s: %s", self._claim.subject, words)
        return self._writer.write(
            lambda session: tasks.fail_task(session, self._claim, words, reason=FAILED, final=final)
        )
