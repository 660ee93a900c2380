"""The loop that sends what is owed to webhooks: claim a delivery, call, record what came of it."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy.exc import DBAPIError

from cartl_core import __version__
from jobs.database.engine import check_within, reading, transaction
from jobs.errors import DatabaseMismatch
from jobs.webhooks.address import parse_hosts
from jobs.webhooks.deliveries import (
    Outcome,
    Sending,
    a_delivery_is_due,
    claim_delivery,
    record_outcome,
)
from jobs.webhooks.signature import signed_headers
from worker.sinks.connection import call
from worker.sinks.tracking import SinkContext
from worker.supervision.fenced_writer import AWAY, first_line

AT_ONCE = 8
"""Calls under way at a time; of one owner there is one."""
LOOK_SECONDS = 1.0
LEASE_SECONDS = 180.0
"""Of an attempt: more than the longest call and a slow look-up of a name together."""

log = logging.getLogger(__name__)


class WebhookSender:
    """Sends until the worker shuts down. A call that is under way then is left to its lease."""

    def __init__(self, context: SinkContext) -> None:
        self._context = context
        self._allowed = parse_hosts(context.settings.webhook_hosts)
        self._free = threading.Semaphore(AT_ONCE)
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook")

    def run(self) -> None:
        """The loop."""
        while not self._context.shutting_down():
            if not self._begin_one():
                self._context.rest(LOOK_SECONDS)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _begin_one(self) -> bool:
        """Begin a call, if there is one to make and a thread to make it."""
        if not self._free.acquire(timeout=LOOK_SECONDS):
            return False
        sending = self._claim()
        if sending is None:
            self._free.release()
            return False
        self._pool.submit(self._send, sending)
        return True

    def _claim(self) -> Sending | None:
        try:
            with reading(self._context.factory) as session:
                if not a_delivery_is_due(session):
                    return None
            with transaction(self._context.factory) as session:
                sending = claim_delivery(session, LEASE_SECONDS)
                check_within(session)
        except DatabaseMismatch as error:
            log.error("no webhook is called: %s", error)
            return None
        except (*AWAY, DBAPIError) as error:
            log.warning("no webhook is called, the database is away: %s", first_line(error))
            return None
        return sending

    def _send(self, sending: Sending) -> None:
        try:
            outcome = self.attempt(sending)
            with transaction(self._context.factory) as session:
                state = record_outcome(session, sending, outcome)
            log.info("%s, attempt %d: %s", sending.delivery_id, sending.attempt, state)
        except (*AWAY, DBAPIError) as error:
            # Its lease ends, and it is sent again under the same id.
            log.warning("%s: nothing was recorded: %s", sending.delivery_id, first_line(error))
        except Exception:
            log.exception("%s: a mistake of this program", sending.delivery_id)
        finally:
            self._free.release()

    def attempt(self, sending: Sending) -> Outcome:
        """One call, signed now."""
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"cartl/{__version__}",
            **signed_headers(sending.secret, sending.delivery_id, int(time.time()), sending.body),
        }
        seconds = self._context.settings.webhook_seconds
        return call(sending.url, headers, sending.body, allowed=self._allowed, seconds=seconds)
