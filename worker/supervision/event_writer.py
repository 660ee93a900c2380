"""Writing down what the child tells: one thread, in the child's order, every write fenced."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from cartl_core.events import (
    ArtifactWritten,
    CheckpointWritten,
    Event,
    Failed,
    Finished,
    Progress,
    StageMeasured,
    StageReply,
    StageRequested,
    StageStored,
    Stopped,
)
from jobs import logs, store
from jobs.errors import ArtifactNameRefused, LostClaim
from jobs.files.artifacts import relative_path
from jobs.store.shards import ask_for_shards
from worker.supervision.event_buffer import EventBuffer
from worker.supervision.fenced_writer import FencedWriter, GaveUp
from worker.supervision.run_files import RunFiles

CHECKPOINTS = 8
"""Offered to a run that goes on: the newest, and older ones should it be damaged."""

LastWord = Finished | Failed | Stopped

log = logging.getLogger(__name__)


class EventWriter:
    """Takes events and turns them into rows.

    Args:
        writer: the claim's writes.
        answer: how a ``StageReply`` reaches the child.
        files: of the run, between this host and the stores.
        out: the claim's own directory for files; the paths in ``ArtifactWritten`` are relative to it.
        log: of the run.

    Attributes:
        last_word: how the child said that it ended; None while it has not.
        error: why writing ended before its time; the run is then worth nothing.
    """

    def __init__(
        self,
        writer: FencedWriter[store.Claim],
        answer: Callable[[StageReply], object],
        *,
        files: RunFiles,
        out: Path,
        log: Path,
        buffer: EventBuffer | None = None,
    ) -> None:
        self._writer = writer
        self._claim = writer.claim
        self._answer = answer
        self._files = files
        self._out = out
        self._log = log
        self._buffer = buffer or EventBuffer()
        self._newest: int | None = None
        self.last_word: LastWord | None = None
        self.error: Exception | None = None
        self._thread = logs.thread(self._write_all, "event-writer")

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def tell(self, event: Event) -> None:
        """Take an event from the child; waits only when very many are unwritten."""
        self._buffer.put(event)

    def finish(self) -> None:
        """No event follows: wait until all are written, the claim is lost or writing failed."""
        self._buffer.close()
        self._thread.join()

    def _write_all(self) -> None:
        try:
            while (event := self._buffer.get()) is not None:
                self._write(event)
        except LostClaim:
            log.warning("job %s: the claim (token %d) is lost", self._claim.job_id, self._claim.token)
        except GaveUp:
            log.warning("job %s: events are left unwritten", self._claim.job_id)
        except (DBAPIError, OSError, ValueError, ArtifactNameRefused) as error:
            log.exception("job %s: an event could not be written", self._claim.job_id)
            self.error = error
        finally:
            self._buffer.close()

    def _write(self, event: Event) -> None:
        match event:
            case Finished() | Failed() | Stopped():
                self.last_word = event
            case StageRequested():
                reply = self._writer.insist(
                    lambda: self._writer.write(lambda session: self._acquire(session, event))
                )
                self._bring(reply)
                self._answer(reply)
            case CheckpointWritten():
                self._keep(lambda: self._files.keep_checkpoint(event.path))
                self._once(event, lambda session: store.record_checkpoint(session, self._claim, event))
            case StageStored():
                self._keep(lambda: self._files.keep_stage(event.path))
                self._once(event, lambda session: store.record_stage_stored(session, self._claim, event))
            case ArtifactWritten():
                self._write_artifact(event)
            case Progress() | StageMeasured():
                self._writer.write(lambda session: store.record(session, self._claim, event))
            case _:
                self._once(event, lambda session: store.record(session, self._claim, event))

    def _keep(self, step: Callable[[], object]) -> None:
        """Put what was made where all hosts find it, and the log with it, before it is written down."""
        self._writer.insist(step)
        self._writer.insist(lambda: self._files.keep_log(self._log))

    def _once(self, event: Event, change: Callable[[Session], object]) -> None:
        """Make ``change``, which appends ``event``, unless a commit that seemed to fail has done so.

        Only this claim writes events of the child, one after another: one of this type that is newer
        than the newest known is this very event.
        """

        def unless_made(session: Session) -> int:
            if self._newest is None:
                self._newest = self._event_count(session)
            newer = store.events_after(session, self._claim.job_id, self._newest)
            if all(row.type != event.type for row in newer):
                change(session)
            return self._event_count(session)

        self._newest = self._writer.write(unless_made)

    def _event_count(self, session: Session) -> int:
        return store.find(session, self._claim.job_id).event_count

    def _acquire(self, session: Session, event: StageRequested) -> StageReply:
        verdict = store.acquire_stage(
            session,
            self._claim,
            digest=event.digest,
            kind=event.stage,
            label=event.label,
            shared=event.shared,
            usable=self._files.has,
            damaged=event.damaged,
            identity=event.identity,
            basis=event.basis,
        )
        there = [path for path in verdict.checkpoints if self._files.has(path)]
        parts: tuple[str, ...] | None = ()
        if verdict.verdict == "compute" and event.parts and not there:
            parts = ask_for_shards(session, self._claim, event.digest, event.parts)
        if parts is None:
            return StageReply(digest=event.digest, verdict="wait")
        return StageReply(
            digest=event.digest,
            verdict=verdict.verdict,
            path=verdict.path,
            checkpoints=tuple(there[:CHECKPOINTS]),
            parts=parts,
        )

    def _bring(self, reply: StageReply) -> None:
        """Copy what the run is told of to this host: a result, or what it goes on from."""
        finished = (reply.path,) if reply.verdict == "finished" else ()
        for path in (*finished, *reply.checkpoints, *reply.parts):
            self._writer.insist(partial(self._files.bring, str(path)))

    def _write_artifact(self, event: ArtifactWritten) -> None:
        """Size and digest are taken from the file that is there, inside the claim's own directory."""
        file = (self._out / event.path).resolve()
        if not file.is_relative_to(self._out.resolve()):
            raise ArtifactNameRefused(name=event.path)
        path = relative_path(self._files.here, file)
        written = self._writer.insist(lambda: self._files.keep_artifact(path))
        self._once(
            event,
            lambda session: store.record_artifact(
                session, self._claim, event, path=path, size=written.size, sha256=written.sha256
            ),
        )
