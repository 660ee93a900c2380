"""The one task: there is something to do, so take jobs from the record until there is none to take."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from cartl_core.errors import describe_error
from jobs import logs, store
from jobs.database.engine import check_within, make_engine, session_factory, transaction
from jobs.devices import Slot
from jobs.errors import DatabaseMismatch, DirectoryMismatch
from jobs.files.directory_id import check_directories
from jobs.settings import Settings
from jobs.store import Claim, lost_tasks, tasks
from jobs.store.machines.slots import note_claim
from jobs.store.shards import SHARD
from jobs.store.tasks import TaskClaim
from jobs.store.tracked_jobs import follow
from worker.host.identity import identity_of
from worker.host.shutdown import ShutdownFlag
from worker.host.slot_locks import SlotLocks
from worker.supervision.child_command import Prepare, prepare
from worker.supervision.fenced_writer import AWAY, first_line
from worker.supervision.shard_supervisor import ShardSupervisor
from worker.supervision.supervisor import Supervisor, SupervisorContext

T = TypeVar("T", Claim, TaskClaim)

log = logging.getLogger(__name__)


def run_jobs(
    settings: Settings, shutdown: ShutdownFlag, prepare: Prepare = prepare, locks: SlotLocks | None = None
) -> int:
    """Run jobs in this pool process, in one slot, until nothing is claimable or the worker shuts down.

    Returns how many were run. The engine is made here: connections do not survive a fork.

    Args:
        locks: of the worker's slots; None: this process alone has them.
    """
    with (locks or SlotLocks(settings.worker_slots)).taken() as slot:
        if slot is None:
            log.warning("nothing claimed: every slot is taken by another process of this worker")
            return 0
        with logs.about(device=slot.device.id):
            return _run_in(slot, settings, shutdown, prepare)


def _run_in(slot: Slot, settings: Settings, shutdown: ShutdownFlag, prepare: Prepare) -> int:
    engine = make_engine(settings)
    ran = 0
    try:
        with _terminations() as terminated:
            context = SupervisorContext(
                settings=settings,
                factory=session_factory(engine),
                shutting_down=lambda: bool(terminated) or shutdown.is_set,
                prepare=prepare,
            )
            while not context.shutting_down():
                if (part := _claim_part(context, slot)) is not None:
                    with logs.about(task=part.task_id, attempt=part.attempt, token=part.token):
                        log.info("%s claimed on %s", part.subject, slot.device.id)
                        ShardSupervisor(context, part, slot.device.id).run()
                    ran += 1
                    continue
                if (claim := _claim(context, slot)) is None:
                    break
                with logs.about(job=claim.job_id, attempt=claim.attempt, token=claim.token):
                    log.info("job %s claimed on %s", claim.job_id, slot.device.id)
                    Supervisor(context, claim).run()
                ran += 1
    finally:
        engine.dispose()
    return ran


def _claim(context: SupervisorContext, slot: Slot) -> Claim | None:
    """The next job."""
    settings, worker_id = context.settings, identity_of(os.getppid()).worker_id

    def take(session: Session) -> Claim | None:
        store.free_unheld(session, worker_id=worker_id, supervisor_pid=os.getpid())
        claim = store.claim(
            session,
            worker_id=worker_id,
            lease_seconds=settings.lease_seconds,
            limits=settings.owner_limits,
            supervisor_pid=os.getpid(),
            slot=slot,
        )
        if claim is not None:
            follow(session, claim.job_id, settings.trackers)
        return claim

    return _taken(context, take)


def _claim_part(context: SupervisorContext, slot: Slot) -> TaskClaim | None:
    """A part of a job that waits for it: it goes before other jobs, since that one has begun."""
    worker_id = identity_of(os.getppid()).worker_id

    def take(session: Session) -> TaskClaim | None:
        lost_tasks.free_unheld_tasks(session, worker_id=worker_id, supervisor_pid=os.getpid())
        if not tasks.a_task_waits(session, (SHARD,)):
            return None
        lease, pid = context.settings.lease_seconds, os.getpid()
        claim = tasks.claim_task(session, worker_id, lease, kinds=(SHARD,), supervisor_pid=pid)
        if claim is not None:
            note_claim(session, worker_id, slot, claim.task_id, claim.token)
        return claim

    return _taken(context, take)


def _taken(context: SupervisorContext, take: Callable[[Session], T | None]) -> T | None:
    """What ``take`` claims; None too when the database is away: maintenance notifies again."""
    try:
        with transaction(context.factory) as session:
            claim = take(session)
            check_directories(session, context.settings)
            check_within(session)
    except (DatabaseMismatch, DirectoryMismatch) as error:
        log.error("nothing claimed: %s", error)
        return None
    except OSError as error:
        log.error("nothing claimed, a directory is not there: %s", describe_error(error))
        return None
    except (*AWAY, DBAPIError) as error:
        log.warning("nothing claimed, the database is away: %s", first_line(error))
        return None
    return claim


@contextmanager
def _terminations() -> Iterator[list[int]]:
    """The SIGTERMs that come meanwhile: a pool process that supervises must not just die of one.

    Afterwards it lives on, as its main process waits for its answer, unless that one is gone.
    """
    came: list[int] = []
    main = os.getppid()

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, before)
        if os.getppid() != main:
            signal.raise_signal(signal.SIGTERM)
