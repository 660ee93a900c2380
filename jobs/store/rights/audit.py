"""The audit log: a row for each change, in the transaction of the change. It is never changed or pruned.

A row holds ids, roles and numbers: no secret, no name, no URL, no specification.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from jobs.tables import AuditEntry

Outcome = Literal["done", "refused"]
CONSOLE = "console"
"""Stands for the address of the administrator's command."""
MOST_ADDRESS, MOST_OBJECT = 64, 200
LOCK_SECONDS = 5
"""How long an export waits for those who are writing."""

ACTIONS = {
    "key.create": "a key was made",
    "key.rotate": "a key got a new secret",
    "key.revoke": "a key was revoked",
    "session.open": "somebody signed in with a browser",
    "session.close": "somebody signed out",
    "job.submit": "a job was posted",
    "job.cancel": "its end was asked for",
    "job.retry": "it was queued again",
    "job.priority": "its place among its owner's was changed",
    "job.delete": "it was deleted",
    "job.share": "it was shown to another owner",
    "job.unshare": "that was taken back",
    "job.link": "a link to its report was made",
    "sweep.submit": "a sweep was posted, with its jobs",
    "sweep.cancel": "the end of its jobs was asked for",
    "dataset.create": "a data set was announced",
    "dataset.content": "its bytes came",
    "dataset.delete": "it was deleted",
    "dataset.share": "it was shown to another owner",
    "dataset.unshare": "that was taken back",
    "teacher.create": "a teacher was announced",
    "teacher.content": "its bytes came",
    "teacher.delete": "it was deleted",
    "teacher.share": "it was shown to another owner",
    "teacher.unshare": "that was taken back",
    "upload.create": "a network was uploaded",
    "upload.delete": "it was deleted",
    "webhook.create": "a webhook was registered",
    "webhook.delete": "it was deleted",
    "quota.set": "limits of an owner were set",
    "quota.clear": "the limits of the settings count for an owner again",
    "request": "a request that was refused, for lack of a right or for a wrong key; the object is its route",
}
"""Every action that a row may name, in words."""

_NEW = insert(AuditEntry.metadata.tables["audit_log"])


@dataclass(frozen=True)
class Actor:
    """Who acts: the owner and id of a key, and from where. The console has no owner."""

    owner: str | None
    key_id: str | None = None
    address: str | None = None


AT_THE_CONSOLE = Actor(owner=None, address=CONSOLE)


def note(
    session: Session,
    actor: Actor,
    action: str,
    thing: str,
    *,
    of: str | None = None,
    outcome: Outcome = "done",
    **detail: Any,
) -> None:
    """Add a row, in the transaction of the change: one statement.

    Args:
        session: of the change.
        actor: who asked.
        action: one of ``ACTIONS``.
        thing: id of the object.
        of: the object's owner; None: the actor's own.
        outcome: ``refused`` where nothing was changed.
        detail: plain values that say more, none of them secret.
    """
    if action not in ACTIONS:
        raise ValueError(f"{action} is no action of the audit log")
    row = {
        "owner_id": actor.owner,
        "key_id": actor.key_id,
        "address": None if actor.address is None else actor.address[:MOST_ADDRESS],
        "action": action,
        "object": thing[:MOST_OBJECT],
        "object_owner": actor.owner if of is None else of,
        "outcome": outcome,
        "detail": detail or None,
    }
    session.execute(_NEW, row)


def newest_number(session: Session) -> int:
    """The number up to which the log is complete: rows of transactions under way are waited for.

    A number is given before its transaction commits, so without this a smaller one could come later. Call it
    in a transaction that may write and ends at once: on PostgreSQL no row is added until then.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
        session.execute(text("LOCK TABLE audit_log IN SHARE MODE"))
    return session.execute(select(func.coalesce(func.max(AuditEntry.number), 0))).scalar_one()


def entries(session: Session, *, after: int, upto: int, limit: int) -> Sequence[AuditEntry]:
    """Rows after number ``after``, up to ``upto``, oldest first, ``limit`` at most."""
    chosen = select(AuditEntry).where(AuditEntry.number > after, AuditEntry.number <= upto)
    return session.execute(chosen.order_by(AuditEntry.number).limit(limit)).scalars().all()


def told(entry: AuditEntry) -> dict[str, Any]:
    """A row as it is exported."""
    return {
        "number": entry.number,
        "at": entry.at.isoformat(),
        "owner": entry.owner_id,
        "key": entry.key_id,
        "address": entry.address,
        "action": entry.action,
        "object": entry.object,
        "object_owner": entry.object_owner,
        "outcome": entry.outcome,
        "detail": entry.detail or {},
    }
