"""Names that one transaction holds until it ends, whatever ends it.

PostgreSQL has advisory locks for this. A writer of SQLite would have to wait for its turn just to find
out that somebody else holds the name, so there the process keeps a list; writers in other processes are
not on it, but they are alone with the database in their turn.
"""

from __future__ import annotations

import threading

from sqlalchemy import TextClause, event, text
from sqlalchemy.orm import Session, SessionTransaction

_guard = threading.Lock()
_held: set[tuple[str, str]] = set()


def hold(session: Session, name: str) -> bool:
    """Hold ``name`` until the session's transaction ends; False, at once, when another one holds it.

    Call it first in the transaction: SQLite then has not begun to wait for other writers.
    """
    if _on_postgresql(session):
        return bool(session.execute(_lock("pg_try_advisory_xact_lock"), {"name": name}).scalar_one())
    return _hold_here(session, (session.get_bind().engine.url.render_as_string(), name))


def wait_for(session: Session, name: str) -> None:
    """Hold ``name`` until the session's transaction ends, once nobody else does. SQLite has one writer."""
    if _on_postgresql(session):
        session.execute(_lock("pg_advisory_xact_lock"), {"name": name})


def _on_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


def _lock(function: str) -> TextClause:
    return text(f"SELECT {function}(hashtextextended(:name, 0))")


def _hold_here(session: Session, place: tuple[str, str]) -> bool:
    with _guard:
        if place in _held:
            return False
        _held.add(place)

    def release(_: Session, ended: SessionTransaction) -> None:
        if ended.parent is None:
            with _guard:
                _held.discard(place)

    event.listen(session, "after_transaction_end", release)
    return True
