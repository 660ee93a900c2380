"""Keeping a claim alive, from a thread of its own: a slow write must not let the lease lapse."""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType

from sqlalchemy.exc import DBAPIError

from jobs import logs, store
from jobs.database.engine import reading, transaction
from jobs.errors import JobNotFound, LostClaim
from worker.supervision.fenced_writer import AWAY, FencedWriter, first_line

LOOK_SECONDS = 2.0
"""How often the thread looks whether somebody asked to cancel, between renewals."""

log = logging.getLogger(__name__)


class Lease:
    """Renews the writer's claim until it is closed or the claim is lost.

    A lapsed lease is renewed all the same: it is lost only once somebody took the job.

    Attributes:
        cancel_requested: set when the job's owner has asked.
    """

    def __init__(self, writer: FencedWriter, *, lease_seconds: float, renew_seconds: float) -> None:
        self._writer = writer
        self._lease_seconds = lease_seconds
        self._renew_seconds = renew_seconds
        self.cancel_requested = threading.Event()
        self._done = threading.Event()
        self._thread = logs.thread(self._keep, "lease")

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop renewing. The thread may be waiting for the database; it is left to end by itself."""
        self._done.set()

    def _keep(self) -> None:
        renew_at = 0.0
        while not self._done.is_set():
            try:
                if time.monotonic() >= renew_at:
                    self._renew()
                    renew_at = time.monotonic() + self._renew_seconds
                else:
                    self._look()
            except (LostClaim, JobNotFound):
                if not self._done.is_set():
                    self._writer.lost.set()
                return
            except (*AWAY, DBAPIError) as error:
                log.warning("job %s: the lease was not renewed: %s", self._job_id, first_line(error))
            self._done.wait(min(LOOK_SECONDS, self._renew_seconds))

    def _renew(self) -> None:
        with transaction(self._writer.factory) as session:
            result = store.renew(session, self._writer.claim, self._lease_seconds)
        if result.cancel_requested:
            self.cancel_requested.set()

    def _look(self) -> None:
        with reading(self._writer.factory) as session:
            if store.find(session, self._job_id).cancel_requested_at is not None:
                self.cancel_requested.set()

    @property
    def _job_id(self) -> str:
        return self._writer.claim.job_id
