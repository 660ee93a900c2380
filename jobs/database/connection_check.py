"""Is a pooled connection to PostgreSQL still alive? The socket knows, and asking it costs no round trip.

A server that ends an idle connection says so and closes it, so there is something to read where nothing was
asked. What vanished without a word (a network that was cut) is found by asking the server, once a connection
has been idle for ``IDLE_SECONDS``.
"""

from __future__ import annotations

import select
import time
from typing import Any

import psycopg
from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError

IDLE_SECONDS = 10.0
SINCE = "idle_since"


def watch(engine: Engine) -> None:
    """Replace dead connections of ``engine``'s pool as they are taken from it."""
    event.listen(engine, "checkin", _note)
    event.listen(engine, "checkout", _check)


def _note(connection: psycopg.Connection[Any] | None, record: Any) -> None:
    record.info[SINCE] = time.monotonic()


def _check(connection: psycopg.Connection[Any], record: Any, _: Any) -> None:
    since = record.info.get(SINCE)
    if since is None:
        return
    idle = time.monotonic() - since
    if connection.closed or _has_spoken(connection) or (idle > IDLE_SECONDS and not _answers(connection)):
        raise DisconnectionError("PostgreSQL has ended this connection")


def _has_spoken(connection: psycopg.Connection[Any]) -> bool:
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _answers(connection: psycopg.Connection[Any]) -> bool:
    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except psycopg.Error:
        return False
    return True
