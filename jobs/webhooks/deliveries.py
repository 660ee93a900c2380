"""Deliveries: claimed for one attempt, which has a lease, and recorded with what came of it.

A sender that dies keeps its delivery until the lease ends; then another one sends it, under the same id. So
every message is sent at least once, and a receiver knows a second one by its id.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, String, and_, delete, exists, literal_column, or_, select, update
from sqlalchemy.orm import Session, aliased

from jobs.database.dialect import FromNow, Now
from jobs.tables import Webhook, WebhookDelivery
from jobs.webhooks.schedule import delay_after

GONE = 410
"""The receiver wants no more of this; trying again is of no use."""
ERROR_LENGTH = 200


@dataclass(frozen=True)
class Sending:
    """The right to make one attempt: good while no later attempt was claimed."""

    delivery_id: str
    url: str
    secret: str
    body: bytes
    attempt: int
    """1 for the first one."""


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt.

    Attributes:
        status: of the answer; None where none came.
        error: why none came, for the owner; it tells nothing of this service's network.
    """

    status: int | None = None
    error: str | None = None

    @property
    def delivered(self) -> bool:
        """The receiver has taken it."""
        return self.status is not None and 200 <= self.status < 300


def a_delivery_is_due(session: Session) -> bool:
    """Whether a claim may find something; asked often, and blocks nobody."""
    due = select(WebhookDelivery.id).where(_due(WebhookDelivery)).limit(1)
    return session.execute(due).one_or_none() is not None


def claim_delivery(session: Session, lease_seconds: float) -> Sending | None:
    """Take the next delivery that is due, or None.

    First attempts go first, and an owner has one attempt under way at a time: a receiver that hangs holds up
    its own owner's messages only.
    """
    candidate, other = aliased(WebhookDelivery), aliased(WebhookDelivery)
    under_way = exists().where(
        other.owner_id == candidate.owner_id, _pending(other), other.lease_expires_at > Now()
    )
    chosen = (
        select(candidate.id)
        .where(_due(candidate), ~under_way)
        .order_by(candidate.attempts, candidate.next_attempt_at, candidate.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=candidate)
        .scalar_subquery()
    )
    taken = session.execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.id == chosen, _due(WebhookDelivery))
        .values(attempts=WebhookDelivery.attempts + 1, lease_expires_at=FromNow(lease_seconds))
        .returning(WebhookDelivery)
        .execution_options(synchronize_session=False, populate_existing=True)
    ).scalar_one_or_none()
    if taken is None:
        return None
    webhook = session.get_one(Webhook, taken.webhook_id)
    return Sending(taken.id, webhook.url, webhook.secret, taken.body.encode(), taken.attempts)


def record_outcome(session: Session, sending: Sending, outcome: Outcome) -> str | None:
    """Write down what came of an attempt: the delivery's state from here on; None where it is gone, or a
    later attempt has it."""
    delay = None if outcome.status == GONE else delay_after(sending.attempt)
    state = "delivered" if outcome.delivered else "given_up" if delay is None else "pending"
    ended = state != "pending"
    recorded = session.execute(
        update(WebhookDelivery)
        .where(
            WebhookDelivery.id == sending.delivery_id,
            WebhookDelivery.attempts == sending.attempt,
            _pending(WebhookDelivery),
        )
        .values(
            state=state,
            status=outcome.status,
            error=None if outcome.error is None else outcome.error[:ERROR_LENGTH],
            lease_expires_at=None,
            next_attempt_at=None if ended else FromNow(delay or 0.0),
            finished_at=Now() if ended else None,
        )
        .returning(WebhookDelivery.state)
        .execution_options(synchronize_session=False)
    )
    return recorded.scalar_one_or_none()


def forget_old_deliveries(session: Session, cutoff: FromNow) -> int:
    """Delete deliveries from before ``cutoff``; how many. One that is still owed then was not sent for as
    long, since webhooks are switched off: it is of no use any more."""
    old = delete(WebhookDelivery).where(WebhookDelivery.created_at <= cutoff).returning(WebhookDelivery.id)
    return len(session.execute(old.execution_options(synchronize_session=False)).all())


def _pending(delivery: type[WebhookDelivery]) -> ColumnElement[bool]:
    """Not ended; written out rather than bound, so that partial indexes serve it."""
    return delivery.state == literal_column("'pending'", String)


def _due(delivery: type[WebhookDelivery]) -> ColumnElement[bool]:
    free = or_(delivery.lease_expires_at.is_(None), delivery.lease_expires_at <= Now())
    return and_(_pending(delivery), delivery.next_attempt_at <= Now(), free)
