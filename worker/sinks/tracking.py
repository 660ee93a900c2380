"""The loop of a tracker: read what is new of jobs from the record, hand it over, note how far it came.

Runs know nothing of it: it reads what the supervisors store anyway. A tracker that fails is tried again with
growing pauses; one that hangs is ended with this process, which its worker starts again.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.errors import describe_error
from jobs import store
from jobs.database.engine import check_within, reading, transaction
from jobs.errors import DatabaseMismatch, JobNotFound
from jobs.settings import Settings
from jobs.store import tracked_jobs
from jobs.store.tracked_jobs import Tracked
from worker.sinks.batches import read_batch
from worker.sinks.values import Tracker
from worker.sinks.watchdog import Watchdog
from worker.supervision.fenced_writer import AWAY, first_line

LOOK_SECONDS = 2.0
NAP_SECONDS = 0.1
JOBS = 20
"""Of one round."""
LEASE_MARGIN_SECONDS = 30.0

PASSWORD = re.compile(r"://[^/\s]*@")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SinkContext:
    """What a sink's process has.

    Attributes:
        worker_id: of the worker that has started it.
    """

    settings: Settings
    factory: sessionmaker[Session]
    worker_id: str
    shutting_down: Callable[[], bool]

    def rest(self, seconds: float) -> None:
        """Sleep, unless the worker ends."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.shutting_down():
            time.sleep(NAP_SECONDS)


def track(context: SinkContext, name: str, tracker: Tracker, watchdog: Watchdog) -> None:
    """Keep ``tracker`` up to date until the worker shuts down."""
    while not context.shutting_down():
        try:
            moved = track_once(context, name, tracker, watchdog)
        except DatabaseMismatch as error:
            log.error("nothing is tracked: %s", error)
            moved = 0
        except (*AWAY, DBAPIError) as error:
            log.warning("nothing is tracked, the database is away: %s", first_line(error))
            moved = 0
        if not moved:
            context.rest(LOOK_SECONDS)
    with watchdog.watching(f"closing {name}"):
        tracker.close()


def track_once(context: SinkContext, name: str, tracker: Tracker, watchdog: Watchdog) -> int:
    """Hand over what is new of some jobs; of how many it was taken.

    One process of all workers does this for each tracker, as long as it holds the lease of that name.
    """
    with reading(context.factory) as session:
        due = tracked_jobs.due_for(session, name, JOBS)
    moved = 0
    for tracked in due:
        if context.shutting_down() or not _begin(context, tracked):
            break
        moved += _hand_over(context, tracked, tracker, watchdog)
    return moved


def _begin(context: SinkContext, tracked: Tracked) -> bool:
    """Hold the lease, and count the attempt as one that failed: this process may end in the middle of it."""
    seconds = context.settings.tracker_seconds + LEASE_MARGIN_SECONDS
    with transaction(context.factory) as session:
        held = store.hold_lock(session, f"tracker {tracked.tracker}", context.worker_id, seconds)
        if held and not tracked_jobs.put_off(session, tracked):
            log.error("job %s: %s is tried no more", tracked.job_id, tracked.tracker)
        check_within(session)
    return held


def _hand_over(context: SinkContext, tracked: Tracked, tracker: Tracker, watchdog: Watchdog) -> bool:
    try:
        with reading(context.factory) as session:
            batch, number = read_batch(session, context.settings, tracked)
    except JobNotFound:
        return False
    try:
        with watchdog.watching(f"{tracked.tracker} with job {tracked.job_id}"):
            run = tracker.take(batch)
    except Exception as error:  # noqa: BLE001  whatever code of others raises must not end the tracking
        log.warning("job %s: %s has failed: %s", tracked.job_id, tracked.tracker, _shortly(error))
        return False
    with transaction(context.factory) as session:
        tracked_jobs.move_on(session, tracked, number=number, run=run)
    return True


def _shortly(error: Exception) -> str:
    """The first line of an error, without the password that may stand in a tracker's URL."""
    words = (describe_error(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {PASSWORD.sub('://', words)[:300]}"
