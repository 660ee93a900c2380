"""Maintenance by a worker's main process: heartbeats, lost jobs put back, idle slots notified.

Every worker does it; a lease row lets one of them at a time look for expired leases. Whatever was notified
before, each round notifies as many workers as there are idle slots with something to claim: a broker that
lost its messages only delays.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from jobs import store
from jobs.database.engine import check_within, reading, transaction
from jobs.errors import DatabaseMismatch
from jobs.settings import Settings
from jobs.state import JobState
from jobs.store import ReapResult, lost_tasks
from jobs.store.lost_tasks import TasksTaken
from jobs.store.resources.record import has_changed
from jobs.store.shards import shard_counts
from jobs.tables import Dataset
from worker.host.folder_watch import FolderWatch
from worker.host.fork_lock import no_fork
from worker.host.identity import Identity, is_alive, is_running, pid_space
from worker.host.pruning import Pruning
from worker.host.shutdown import ShutdownFlag
from worker.supervision.fenced_writer import AWAY, first_line

LOCK = "sweeper"
"""The name of the lease in the table of locks."""
BEATS_BEFORE_DEAD = 6
"""A worker that missed so many beats has no idle slots to count."""
JOIN_SECONDS = 5.0

log = logging.getLogger(__name__)


class Maintenance:
    """Works from ``start`` to ``stop`` in a thread of its own.

    Args:
        factory: makes sessions in this process; called in this thread only.
        notify: wakes one worker; false when the broker is away.
        keep_companions: starts the processes beside the main one that are not there.
        pruning: removes what is old; None: as the settings say.
    """

    def __init__(
        self,
        settings: Settings,
        identity: Identity,
        shutdown: ShutdownFlag,
        *,
        factory: Callable[[], sessionmaker[Session]],
        notify: Callable[[], bool],
        version: str,
        keep_companions: Callable[[], None] = lambda: None,
        pruning: Pruning | None = None,
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._pid_space = pid_space()
        self._shutdown = shutdown
        self._make_factory = factory
        self._notify = notify
        self._version = version
        self._keep_companions = keep_companions
        self._folders = FolderWatch()
        self._pruning = pruning or Pruning(settings.prune_every_days)
        self._registered = False
        self._rests_until = float("-inf")
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._work, name="maintenance", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and say in the record that this worker has stopped, if the record can be reached."""
        self._done.set()
        self._thread.join(JOIN_SECONDS)
        self._pruning.end()
        if self._registered and not self._thread.is_alive():
            self._try(self._sign_off)

    def _work(self) -> None:
        while not self._done.is_set():
            if not self._registered:
                self._registered = self._try(self._register)
            if self._registered:
                self._keep_companions()
                self._try(self._round)
                self._look_at_a_folder()
                self._prune()
            self._done.wait(self._settings.sweep_seconds)

    def _try(self, step: Callable[[sessionmaker[Session]], None]) -> bool:
        """A database that is away is waited for: the next round comes. No pool process is made meanwhile."""
        try:
            with no_fork():
                step(self._make_factory())
        except DatabaseMismatch as error:
            log.error("nothing is maintained: %s", error)
            return False
        except (*AWAY, DBAPIError) as error:
            log.warning("the database is away: %s", first_line(error))
            return False
        return True

    def _register(self, factory: sessionmaker[Session]) -> None:
        """Sign on."""
        me = self._identity
        with transaction(factory) as session:
            if all(worker.id != me.worker_id for worker in store.workers(session)):
                store.worker_started(
                    session,
                    worker_id=me.worker_id,
                    host=me.host,
                    pid=me.pid,
                    pid_space=self._pid_space,
                    slots=self._settings.worker_slots,
                    version=self._version,
                )

    def _round(self, factory: sessionmaker[Session]) -> None:
        """Beat, free what is seen to be lost from here only; then, one worker at a time, the rest."""
        me = self._identity.worker_id
        with transaction(factory) as session:
            check_within(session)  # before statements that another version's tables may not know
            self._wake_up(session)
            store.worker_beat(session, me)
            store.stop_dead_workers(session, pid_space=self._pid_space, is_running=is_running)
            orphans = store.free_orphans(session, pid_space=self._pid_space, is_alive=is_alive)
            orphan_tasks = lost_tasks.free_orphan_tasks(session, pid_space=self._pid_space, is_alive=is_alive)
            check_within(session)
        _tell("a process died with", orphans)
        _tell_tasks("a process died with", orphan_tasks)
        with transaction(factory) as session:
            if not store.hold_lock(session, LOCK, me, 3 * self._settings.sweep_seconds):
                return
            reaped, reaped_tasks = self._reap(session)
        _tell("leases had expired:", reaped)
        _tell_tasks("leases had expired:", reaped_tasks)
        if not self._shutdown.is_set:
            self._notify_idle_slots(factory)

    def _look_at_a_folder(self) -> None:
        """Mark one data set whose folder has changed; processes may be made while the folder is listed."""
        due: list[Dataset | None] = []
        self._try(lambda factory: due.append(self._folders.due(factory)))
        dataset = due[0] if due else None
        if dataset is not None and has_changed(dataset):
            self._try(lambda factory: self._folders.mark(factory, dataset))

    def _prune(self) -> None:
        """Begin a prune where it is due and this worker is to do it."""
        due: list[bool] = []
        self._try(lambda factory: due.append(self._pruning.look(factory)))
        if any(due):
            self._pruning.begin()

    def _wake_up(self, session: Session) -> None:
        """After a sleep (of this process, the machine, the database) leases have lapsed that nobody gave up.

        So the jobs that run here are kept, and for one lease all who slept get the time to renew theirs.
        """
        me, lease = self._identity.worker_id, self._settings.lease_seconds
        if not store.has_slept(session, me, lease):
            return
        kept = store.keep_claims(session, worker_id=me, lease_seconds=lease, is_alive=is_alive)
        lost_tasks.keep_task_claims(session, worker_id=me, lease_seconds=lease)
        self._rests_until = time.monotonic() + lease
        log.warning("no round for more than %.0f s: %d running jobs are kept, nothing is swept", lease, kept)

    def _reap(self, session: Session) -> tuple[ReapResult, TasksTaken]:
        """Take expired leases, unless this round, too, has come too late."""
        if time.monotonic() < self._rests_until:
            return ReapResult(), TasksTaken()
        too_late = store.slept(self._identity.worker_id, self._settings.lease_seconds)
        return store.reap_expired(session, unless=too_late), lost_tasks.reap_tasks(session, unless=too_late)

    def _notify_idle_slots(self, factory: sessionmaker[Session]) -> None:
        with reading(factory) as session:
            claimable = store.claimable_count(session, self._settings.owner_limits)
            waiting, running = shard_counts(session)
            free = self._idle_slots(session) - running if claimable or waiting else 0
            wanted = max(0, min(claimable + waiting, free))
        for _ in range(wanted):
            if not self._notify():
                return

    def _idle_slots(self, session: Session) -> int:
        """Slots of the workers that beat, less the jobs that run (a dead worker's while its lease lasts)."""
        horizon = BEATS_BEFORE_DEAD * self._settings.sweep_seconds
        slots = sum(worker.slots for worker in store.workers(session, seen_within_seconds=horizon))
        running = store.state_counts(session).get(JobState.RUNNING, 0)
        return max(slots - running, 0)

    def _sign_off(self, factory: sessionmaker[Session]) -> None:
        with transaction(factory) as session:
            store.worker_stopped(session, self._identity.worker_id)
            store.release_lock(session, LOCK, self._identity.worker_id)


def _tell(what: str, result: ReapResult) -> None:
    for became in ("requeued", "failed", "cancelled"):
        for job_id in getattr(result, became):
            log.warning("%s job %s: %s", what, job_id, became)


def _tell_tasks(what: str, taken: TasksTaken) -> None:
    for became in ("requeued", "failed"):
        for task_id in getattr(taken, became):
            log.warning("%s task %s: %s", what, task_id, became)
