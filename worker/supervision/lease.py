"""Keeping a claim alive, from a thread of its own: a slow write must not let the lease lapse."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Generic, Literal, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from jobs import logs, store
from jobs.database.engine import reading, transaction
from jobs.errors import JobNotFound, LostClaim
from jobs.store import Claim
from jobs.store.tasks import TaskClaim
from worker.supervision.fenced_writer import AWAY, C, FencedWriter, GaveUp, first_line

E = TypeVar("E")

LOOK_SECONDS = 2.0
"""How often the thread looks whether somebody asked to cancel, between renewals."""

log = logging.getLogger(__name__)


class Lease(Generic[C]):
    """Renews the writer's claim until it is closed or the claim is lost.

    A lapsed lease is renewed all the same: it is lost only once somebody took the job or task.

    Args:
        renew: prolongs the lease; True when somebody asked to cancel.
        look: True when somebody asked to cancel. Both raise ``LostClaim`` when the claim is lost.

    Attributes:
        cancel_requested: set when the owner has asked.
    """

    def __init__(
        self,
        writer: FencedWriter[C],
        *,
        renew: Callable[[Session], bool],
        look: Callable[[Session], bool],
        renew_seconds: float,
    ) -> None:
        self._writer = writer
        self._renew_claim = renew
        self._look_at_claim = look
        self._renew_seconds = renew_seconds
        self.cancel_requested = threading.Event()
        self._done = threading.Event()
        self._thread = logs.thread(self._keep, "lease")

    def __enter__(self) -> Lease[C]:
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
            except LostClaim:
                if not self._done.is_set():
                    self._writer.lost.set()
                return
            except (*AWAY, DBAPIError) as error:
                log.warning(
                    "%s: the lease was not renewed: %s", self._writer.claim.subject, first_line(error)
                )
            self._done.wait(min(LOOK_SECONDS, self._renew_seconds))

    def _renew(self) -> None:
        with transaction(self._writer.factory) as session:
            asked = self._renew_claim(session)
        self._note(asked)

    def _look(self) -> None:
        with reading(self._writer.factory) as session:
            asked = self._look_at_claim(session)
        self._note(asked)

    def _note(self, asked: bool) -> None:
        if asked:
            self.cancel_requested.set()


def do_task(
    writer: FencedWriter[TaskClaim], lease: Lease[TaskClaim], do: Callable[[], E]
) -> E | Literal["lost"]:
    """What became of a task that is done under a lease; ``lost`` where that is for others to write."""
    claim = writer.claim
    end: E | Literal["lost"] = "lost"
    with lease, suppress(LostClaim):
        try:
            end = do()
        except (GaveUp, DBAPIError) as error:
            log.warning("%s: its end could not be written: %s", claim.subject, first_line(error))
    log.info("%s (token %d): %s", claim.subject, claim.token, end)
    return end


def job_lease(writer: FencedWriter[Claim], *, lease_seconds: float, renew_seconds: float) -> Lease[Claim]:
    """The lease of a job, whose owner may ask to cancel it."""
    claim = writer.claim

    def look(session: Session) -> bool:
        try:
            return store.find(session, claim.job_id).cancel_requested_at is not None
        except JobNotFound as error:
            raise claim.lost from error

    return Lease(
        writer,
        renew=lambda session: store.renew(session, claim, lease_seconds).cancel_requested,
        look=look,
        renew_seconds=renew_seconds,
    )
