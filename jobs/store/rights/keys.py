"""API keys: 256 random bits, shown once, kept as a hash, compared in constant time.

A key reads ``cartl_ID_SECRET``. The id finds the row; only the SHA-256 of the secret is stored,
which is enough for a secret that nobody chose.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

from sqlalchemy import Row, bindparam, exists, select, update
from sqlalchemy.orm import Session

from cartl_core.spec.visible_text import first_hidden
from jobs.database.dialect import Now
from jobs.tables import ApiKey

Scope = Literal["read", "submit", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
LOCAL_OWNER = "local"
"""Who owns everything where no key is asked for."""

# Made once, since every request runs it: columns, no object.
_BY_ID = select(*ApiKey.__table__.c).where(ApiKey.__table__.c.id == bindparam("key_id"))
# Compared against when there is no such key, so that both answers take as long.
_NOBODY = hashlib.sha256(b"nobody").hexdigest()


def make_key(owner: str, name: str, scopes: Iterable[str]) -> tuple[str, ApiKey]:
    """A fresh key in plain text, and its row, which does not contain it.

    Raises:
        ValueError: a scope is not one of ``SCOPES``, or there is none; a character that is not visible.
    """
    wanted = sorted(set(scopes))
    unknown = [scope for scope in wanted if scope not in SCOPES]
    if unknown or not wanted:
        raise ValueError(f"scopes {wanted} must be some of {', '.join(SCOPES)}")
    if (found := first_hidden(owner + name)) is not None:
        raise ValueError(f"the character {found} is not visible or reorders text")
    key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    row = ApiKey(id=key_id, owner_id=owner, name=name, hash=_hash(secret), scopes=wanted)
    return f"cartl_{key_id}_{secret}", row


def verify(session: Session, plain: str) -> Row[Any] | None:
    """The columns of a key that is right and not revoked, else None."""
    prefix, _, rest = plain.partition("_")
    key_id, _, secret = rest.partition("_")
    known = prefix == "cartl" and key_id.isalnum()
    found = session.execute(_BY_ID, {"key_id": key_id}).one_or_none() if known else None
    right = hmac.compare_digest(found.hash if found else _NOBODY, _hash(secret))
    return found if found is not None and right and found.revoked_at is None else None


def revoke(session: Session, key_id: str, owner: str | None = None) -> bool:
    """Let a key count no more; False when there is no such key, or it is revoked already."""
    chosen = update(ApiKey).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
    if owner is not None:
        chosen = chosen.where(ApiKey.owner_id == owner)
    revoked = session.execute(
        chosen.values(revoked_at=Now()).returning(ApiKey.id).execution_options(synchronize_session=False)
    )
    return revoked.one_or_none() is not None


def any_key(session: Session) -> bool:
    """True when there is a key that counts."""
    return bool(session.execute(select(exists().where(ApiKey.revoked_at.is_(None)))).scalar_one())


def keys_of(session: Session, owner: str | None = None) -> Sequence[ApiKey]:
    """Keys that count, oldest first."""
    chosen = select(ApiKey).where(ApiKey.revoked_at.is_(None)).order_by(ApiKey.created_at, ApiKey.id)
    if owner is not None:
        chosen = chosen.where(ApiKey.owner_id == owner)
    return session.execute(chosen).scalars().all()


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
