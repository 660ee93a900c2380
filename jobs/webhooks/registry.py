"""The webhooks of an owner: registered, listed, deleted; and the log of what was sent to one."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import String, delete, func, literal, select, tuple_
from sqlalchemy.orm import Session

from jobs.database.advisory_locks import wait_for
from jobs.database.dialect import UtcTime
from jobs.errors import TooManyWebhooks, WebhookNotFound
from jobs.tables import Webhook, WebhookDelivery
from jobs.webhooks.signature import new_secret


def register(session: Session, owner: str, url: str, events: Sequence[str], *, most: int) -> Webhook:
    """A new webhook with a secret of its own. ``url`` was checked before.

    Raises:
        TooManyWebhooks: ``owner`` has ``most`` of them.
    """
    wait_for(session, f"webhooks\n{owner}")
    count = select(func.count()).select_from(Webhook).where(Webhook.owner_id == owner)
    if session.execute(count).scalar_one() >= most:
        raise TooManyWebhooks(f"{most} webhooks are registered, and no more are allowed; delete one")
    row = Webhook(id=secrets.token_hex(8), owner_id=owner, url=url, events=list(events), secret=new_secret())
    session.add(row)
    session.flush()
    return row


def webhooks_of(session: Session, owner: str) -> Sequence[Webhook]:
    """All webhooks of ``owner``, oldest first."""
    chosen = select(Webhook).where(Webhook.owner_id == owner).order_by(Webhook.created_at, Webhook.id)
    return session.execute(chosen).scalars().all()


def webhook_of(session: Session, owner: str, webhook_id: str) -> Webhook:
    """One webhook.

    Raises:
        WebhookNotFound: ``owner`` has no such webhook.
    """
    mine = select(Webhook).where(Webhook.id == webhook_id, Webhook.owner_id == owner)
    found = session.execute(mine).scalar_one_or_none()
    if found is None:
        raise WebhookNotFound
    return found


def forget_webhook(session: Session, owner: str, webhook_id: str) -> None:
    """Delete a webhook, with its log and what is still owed to it.

    Raises:
        WebhookNotFound: ``owner`` has no such webhook.
    """
    gone = delete(Webhook).where(Webhook.id == webhook_id, Webhook.owner_id == owner).returning(Webhook.id)
    if session.execute(gone.execution_options(synchronize_session=False)).one_or_none() is None:
        raise WebhookNotFound


def deliveries_of(
    session: Session, owner: str, webhook_id: str, *, after: tuple[datetime, str] | None, limit: int
) -> Sequence[WebhookDelivery]:
    """At most ``limit`` messages for a webhook, newest first.

    Args:
        after: time and id of the last one of the page before.

    Raises:
        WebhookNotFound: ``owner`` has no such webhook.
    """
    webhook_of(session, owner, webhook_id)
    table = WebhookDelivery
    page = select(table).where(table.webhook_id == webhook_id)
    if after is not None:
        place = tuple_(literal(after[0], UtcTime()), literal(after[1], String()))
        page = page.where(tuple_(table.created_at, table.id) < place)
    newest_first = page.order_by(table.created_at.desc(), table.id.desc()).limit(limit)
    return session.execute(newest_first).scalars().all()
