"""Browser sessions: a cookie stands for an API key until it expires, is signed out, or the key ends."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from sqlalchemy import Row, delete, select
from sqlalchemy.orm import Session

from jobs.database.dialect import FromNow, Now
from jobs.store.rights.keys import COLUMNS, counts
from jobs.tables import ApiKey, WebSession

SESSION_SECONDS = 12 * 3600.0
"""From signing in, however much it is used."""
TOKEN_BYTES = 32


def open_session(session: Session, key_id: str) -> str:
    """A new session of a key; returns the cookie's value, which is kept nowhere. Expired ones are deleted."""
    session.execute(delete(WebSession).where(WebSession.expires_at <= Now()))
    token = secrets.token_urlsafe(TOKEN_BYTES)
    session.add(WebSession(hash=_hash(token), key_id=key_id, expires_at=FromNow(SESSION_SECONDS)))
    session.flush()
    return token


def key_of_session(session: Session, token: str) -> Row[Any] | None:
    """``COLUMNS`` of the key that a cookie stands for; None: it stands for none, or for none any more."""
    keys, sessions = ApiKey.__table__.c, WebSession.__table__.c
    found = (
        select(*COLUMNS)
        .join(WebSession.__table__, sessions.key_id == keys.id)
        .where(sessions.hash == _hash(token), sessions.expires_at > Now(), counts())
    )
    return session.execute(found).one_or_none()


def close_session(session: Session, token: str) -> None:
    """Sign out. Of a session that there is not, too."""
    session.execute(delete(WebSession).where(WebSession.hash == _hash(token)))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", errors="replace")).hexdigest()
