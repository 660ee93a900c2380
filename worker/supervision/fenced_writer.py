"""One claim's writes: each in a transaction of its own, tried again while the database is away.

A commit that seems to have failed may have been made. So every change that is written here is
either guarded by the claim (made twice, the second time is refused) or safe to repeat.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.storage.bucket import StoreUnavailable
from jobs.database.engine import transaction
from jobs.entry import first_line as first_line
from jobs.errors import LostClaim


class Held(Protocol):
    """A claim, of a job or of a task."""

    @property
    def subject(self) -> str:
        """What it is about, for the log."""


T = TypeVar("T")
C = TypeVar("C", bound=Held)

AWAY = (OperationalError, InterfaceError, InternalError, DisconnectionError, PoolTimeout)
"""The database is down, busy, shutting down or out of room: it may come back."""
TRIES_OF_OTHER_ERRORS = 5
FIRST_DELAY, LONGEST_DELAY = 0.1, 2.0

log = logging.getLogger(__name__)


class GaveUp(Exception):
    """The database or the object store stayed away, and there is no more time to wait for it."""


class FencedWriter(Generic[C]):
    """Writes for ``claim`` until it is lost.

    Args:
        out_of_time: true when nobody may wait any longer for a database that is away.

    Attributes:
        lost: set once the claim is known to be lost; nothing is written from then on.
    """

    def __init__(
        self,
        factory: sessionmaker[Session],
        claim: C,
        *,
        out_of_time: Callable[[], bool] = lambda: False,
    ) -> None:
        self.factory = factory
        self.claim = claim
        self.lost = threading.Event()
        self._out_of_time = out_of_time

    def insist(self, step: Callable[[], T]) -> T:
        """Do what needs the object store; waits as long as it takes for one that is away.

        Raises:
            LostClaim: the claim was lost meanwhile.
            GaveUp: it is away, and time is up.
        """
        delay = FIRST_DELAY
        while True:
            try:
                return step()
            except StoreUnavailable as error:
                log.warning("%s: %s", self.claim.subject, error.strerror)
            if self.lost.is_set():
                raise LostClaim
            if self._out_of_time():
                raise GaveUp
            self.lost.wait(delay)
            delay = min(delay * 2, LONGEST_DELAY)

    def write(self, change: Callable[[Session], T]) -> T:
        """Make ``change`` and commit it; waits as long as it takes for a database that is away.

        Raises:
            LostClaim: the claim is lost.
            GaveUp: it is away, and time is up.
            DBAPIError: the database refused, and not because it was away.
        """
        refused = 0
        delay = FIRST_DELAY
        while True:
            if self.lost.is_set():
                raise LostClaim
            try:
                with transaction(self.factory) as session:
                    return change(session)
            except LostClaim:
                self.lost.set()
                raise
            except AWAY as error:
                log.warning("%s: the database is away: %s", self.claim.subject, first_line(error))
            except DBAPIError as error:
                refused += 1
                if refused >= TRIES_OF_OTHER_ERRORS:
                    raise
                log.warning("%s: the database refused: %s", self.claim.subject, first_line(error))
            if self._out_of_time():
                raise GaveUp
            self.lost.wait(delay)
            delay = min(delay * 2, LONGEST_DELAY)
