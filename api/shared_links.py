"""Signed links to a report, for somebody without a key: they expire, and end with the key that made them.

A link holds the job, the key's id and when it expires, and their HMAC under the stored hash of the key's
secret. Nothing is kept: a key that ends or is rotated, or a job that is deleted, ends the link.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.store.rights.keys import counts
from jobs.tables import ApiKey

DAYS = 7
LONGEST = 400


class LinkInvalid(Exception):
    """This link has expired, or its key was revoked."""

    def __str__(self) -> str:
        return (type(self).__doc__ or "").strip()


@dataclass(frozen=True)
class Link:
    """``token`` goes into the address."""

    token: str
    expires_at: datetime


def make_link(session: Session, key_id: str, job_id: str, *, now: datetime | None = None) -> Link:
    """A link to the report of a job that the key's owner may see.

    Raises:
        LinkInvalid: the key counts no more.
    """
    expires_at = (now or datetime.now(UTC)) + timedelta(days=DAYS)
    said = f"{job_id} {key_id} {int(expires_at.timestamp())}"
    token = base64.urlsafe_b64encode(f"{said} {_signature(session, key_id, said)[1]}".encode())
    return Link(token.decode().rstrip("="), expires_at)


def read_link(session: Session, token: str, *, now: datetime | None = None) -> tuple[str, str]:
    """The job that a link leads to, and the owner in whose name it is read.

    Raises:
        LinkInvalid: nobody made it, it has expired, or its key counts no more.
    """
    if len(token) > LONGEST:
        raise LinkInvalid
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii")
        job_id, key_id, until, signature = text.split(" ")
        expired = int(until) <= (now or datetime.now(UTC)).timestamp()
    except (binascii.Error, ValueError) as error:
        raise LinkInvalid from error
    owner, right = _signature(session, key_id, f"{job_id} {key_id} {until}")
    if not hmac.compare_digest(signature, right) or expired:
        raise LinkInvalid
    return job_id, owner


def _signature(session: Session, key_id: str, said: str) -> tuple[str, str]:
    """The owner of the key, and what it signs ``said`` with."""
    key = session.execute(
        select(ApiKey.owner_id, ApiKey.hash).where(ApiKey.id == key_id, counts())
    ).one_or_none()
    if key is None:
        raise LinkInvalid
    return key.owner_id, hmac.new(
        key.hash.encode(), f"report link {said}".encode(), hashlib.sha256
    ).hexdigest()
