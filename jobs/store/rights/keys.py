"""API keys: 256 random bits, shown once, kept as a hash, compared in constant time.

A key reads ``cartl_ID_SECRET``. The id finds the row; only the SHA-256 of the secret is stored,
which is enough for a secret that nobody chose. A key that is rotated keeps its id and gets another secret;
the one before counts a while longer.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Row, and_, bindparam, delete, exists, or_, select, update
from sqlalchemy.orm import Session

from cartl_core.spec.visible_text import first_hidden
from jobs.database.dialect import FromNow, Now
from jobs.errors import KeyNotFound
from jobs.tables import ApiKey, WebSession

Role = Literal["viewer", "submitter", "operator"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each includes those before it."""
SCOPES_OF: dict[Role, list[str]] = {
    "viewer": ["read"],
    "submitter": ["read", "submit"],
    "operator": ["read", "submit", "admin"],
}
"""What the version before roles reads of a key: it may serve beside this one."""
LOCAL_OWNER = "local"
"""Who owns everything where no key is asked for."""
USE_SECONDS = 60.0
"""The last use of a key is written so often at most."""
GRACE_SECONDS = 86_400
"""How long the secret before counts after a rotation, unless said otherwise."""
LONGEST_GRACE_SECONDS = 30 * 86_400

_KEYS = ApiKey.__table__.c


def counts() -> ColumnElement[bool]:
    """The key is neither revoked nor expired."""
    return and_(_KEYS.revoked_at.is_(None), or_(_KEYS.expires_at.is_(None), _KEYS.expires_at > Now()))


def _use_is_due() -> ColumnElement[bool]:
    return or_(_KEYS.last_used_at.is_(None), _KEYS.last_used_at <= FromNow(-USE_SECONDS))


COLUMNS = (
    *_KEYS,
    _use_is_due().label("use_is_due"),
    and_(_KEYS.previous_hash.is_not(None), _KEYS.previous_until > Now()).label("previous_counts"),
)
"""Of a key that is shown: its row, and what the database's clock says of it."""
# Made once, since every request runs it: columns, no object.
_BY_ID = select(*COLUMNS).where(_KEYS.id == bindparam("key_id"), counts())
# Compared against when there is no such key, so that all answers take as long.
_NOBODY = hashlib.sha256(b"nobody").hexdigest()


def make_key(owner: str, name: str, role: Role, lifetime_seconds: float | None = None) -> tuple[str, ApiKey]:
    """A fresh key in plain text, and its row, which does not contain it.

    Args:
        owner: whose jobs the key sees.
        name: for people.
        role: what it may do.
        lifetime_seconds: after which it counts no more; None: it counts until it is revoked.

    Raises:
        ValueError: ``role`` is not one of ``ROLES``; a character that is not visible.
    """
    if role not in ROLES:
        raise ValueError(f"the role {role} must be one of {', '.join(ROLES)}")
    if (found := first_hidden(owner + name)) is not None:
        raise ValueError(f"the character {found} is not visible or reorders text")
    key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    row = ApiKey(
        id=key_id,
        owner_id=owner,
        name=name,
        hash=_hash(secret),
        role=role,
        scopes=SCOPES_OF[role],
        expires_at=None if lifetime_seconds is None else FromNow(lifetime_seconds),
    )
    return _written(key_id, secret), row


def verify(session: Session, plain: str) -> Row[Any] | None:
    """``COLUMNS`` of a key that is right and counts, else None."""
    prefix, _, rest = plain.partition("_")
    key_id, _, secret = rest.partition("_")
    known = prefix == "cartl" and key_id.isalnum()
    found = session.execute(_BY_ID, {"key_id": key_id}).one_or_none() if known else None
    given = _hash(secret)
    right = hmac.compare_digest(found.hash if found else _NOBODY, given)
    before = found.previous_hash if found is not None and found.previous_counts else _NOBODY
    was_right = hmac.compare_digest(before, given)
    return found if found is not None and (right or was_right) else None


def rotate(
    session: Session, key_id: str, grace_seconds: float, owner: str | None = None
) -> tuple[str, ApiKey]:
    """Give a key a new secret: the key in plain text, and its row. Its browser sessions end.

    The secret until now counts for ``grace_seconds`` more, the one before that no longer.

    Raises:
        KeyNotFound: there is no such key of ``owner`` that counts; None stands for all owners.
    """
    secret = secrets.token_urlsafe(32)
    changed = session.execute(
        update(ApiKey)
        .where(*_chosen(key_id, owner), counts())
        .values(
            hash=_hash(secret),
            previous_hash=_KEYS.hash if grace_seconds > 0 else None,
            previous_until=FromNow(grace_seconds) if grace_seconds > 0 else None,
        )
        .returning(ApiKey)
        .execution_options(synchronize_session=False, populate_existing=True)
    ).scalar_one_or_none()
    if changed is None:
        raise KeyNotFound(key_id=key_id)
    session.execute(delete(WebSession).where(WebSession.key_id == key_id))
    return _written(key_id, secret), changed


def revoke(session: Session, key_id: str, owner: str | None = None) -> ApiKey | None:
    """Let a key count no more; None when there is no such key, or it is revoked already."""
    return session.execute(
        update(ApiKey)
        .where(*_chosen(key_id, owner), ApiKey.revoked_at.is_(None))
        .values(revoked_at=Now())
        .returning(ApiKey)
        .execution_options(synchronize_session=False, populate_existing=True)
    ).scalar_one_or_none()


def note_use(session: Session, key_id: str) -> None:
    """The key was used now, unless that was noted within the last minute."""
    session.execute(
        update(ApiKey)
        .where(ApiKey.id == key_id, _use_is_due())
        .values(last_used_at=Now())
        .execution_options(synchronize_session=False)
    )


def any_key(session: Session) -> bool:
    """True when there is a key that counts."""
    return bool(session.execute(select(exists().where(counts()))).scalar_one())


def keys_of(session: Session, owner: str | None = None) -> Sequence[ApiKey]:
    """Keys that count, oldest first."""
    chosen = select(ApiKey).where(counts()).order_by(ApiKey.created_at, ApiKey.id)
    if owner is not None:
        chosen = chosen.where(ApiKey.owner_id == owner)
    return session.execute(chosen).scalars().all()


def _chosen(key_id: str, owner: str | None) -> list[ColumnElement[bool]]:
    mine = [] if owner is None else [ApiKey.owner_id == owner]
    return [ApiKey.id == key_id, *mine]


def _written(key_id: str, secret: str) -> str:
    return f"cartl_{key_id}_{secret}"


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
