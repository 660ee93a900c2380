"""What is owed to webhooks, and its claims, on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from jobs import store
from jobs.database.dialect import FromNow
from jobs.database.engine import reading, transaction
from jobs.errors import TooManyWebhooks, WebhookNotFound
from jobs.tables import WebhookDelivery
from jobs.webhooks.deliveries import (
    Outcome,
    a_delivery_is_due,
    claim_delivery,
    forget_old_deliveries,
    record_outcome,
)
from jobs.webhooks.message import EVENTS
from jobs.webhooks.registry import deliveries_of, forget_webhook, register, webhooks_of
from jobs.webhooks.schedule import MOST_ATTEMPTS

Do = Callable[..., Any]
URL = "https://example.com/hook"
LEASE = 60.0


@pytest.fixture
def hook(do: Do) -> Callable[..., str]:
    """Register a webhook; its id."""

    def make(owner: str = "ann", *events: str) -> str:
        return str(do(register, owner, URL, events or EVENTS, most=3).id)

    return make


@pytest.fixture
def owed(factory: sessionmaker[Session]) -> Callable[[], list[WebhookDelivery]]:
    def read() -> list[WebhookDelivery]:
        with reading(factory) as session:
            oldest_first = select(WebhookDelivery).order_by(WebhookDelivery.created_at, WebhookDelivery.id)
            return list(session.scalars(oldest_first).all())

    return read


@pytest.fixture
def hurry(do: Do) -> Callable[[], None]:
    """What is due later is due now, and leases lapse."""

    def now(session: Session) -> None:
        past = {"next_attempt_at": FromNow(-1)}
        session.execute(update(WebhookDelivery).where(WebhookDelivery.state == "pending").values(past))
        leased = WebhookDelivery.lease_expires_at.is_not(None)
        session.execute(update(WebhookDelivery).where(leased).values(lease_expires_at=FromNow(-1)))

    return lambda: do(now)


def test_start_and_end_of_a_job_are_owed_to_its_owners_webhooks_alone(
    do: Do, submit: Any, claim: Any, hook: Any, owed: Any
) -> None:
    hook("ann"), hook("ann", "job.failed"), hook("bob")
    job_id = submit("ann")
    assert owed() == []
    do(store.complete, claim())
    assert [(row.event, row.job_id, row.owner_id) for row in owed()] == [
        ("job.started", job_id, "ann"),
        ("job.succeeded", job_id, "ann"),
    ]
    told = json.loads(owed()[1].body)
    assert told["type"] == "job.succeeded" and told["timestamp"].endswith("Z")
    assert told["data"]["id"] == job_id and told["data"]["state"] == "succeeded"
    assert told["data"]["robustness"] == f"/jobs/{job_id}/robustness"
    assert len({row.id for row in owed()}) == 2


def test_every_way_to_an_end_is_owed_and_a_job_that_goes_back_is_no_news(
    do: Do, submit: Any, claim: Any, hook: Any, owed: Any
) -> None:
    hook("ann")
    submit("ann", max_attempts=2)
    do(store.release, claim())
    do(store.requeue_after_crash, claim())
    do(store.requeue_after_crash, claim())
    do(store.request_cancel, submit("ann"))
    job_id = submit("ann")
    held = claim()
    do(store.request_cancel, job_id)
    do(store.acknowledge_cancel, held)
    do(store.retry, job_id)
    do(store.fail, claim(), "out_of_memory", "too large")
    assert [row.event for row in owed()] == [
        "job.started",
        "job.failed",
        "job.cancelled",
        "job.started",
        "job.cancelled",
        "job.started",
        "job.failed",
    ]
    last = json.loads(owed()[-1].body)["data"]
    assert (last["reason"], last["message"]) == ("out_of_memory", "too large")


def test_what_is_undone_is_not_owed(
    factory: sessionmaker[Session], submit: Any, hook: Any, owed: Any
) -> None:
    hook("ann")
    job_id = submit("ann")
    with factory() as session:
        store.request_cancel(session, job_id)
        session.rollback()
    assert owed() == []


def test_an_attempt_is_one_senders_and_comes_back_when_that_one_dies(
    do: Do, submit: Any, hook: Any, owed: Any, hurry: Any
) -> None:
    hook("ann")
    do(store.request_cancel, submit("ann"))
    first = do(claim_delivery, LEASE)
    assert first.url == URL and first.attempt == 1 and first.body == owed()[0].body.encode()
    assert not do(a_delivery_is_due) and do(claim_delivery, LEASE) is None
    hurry()
    second = do(claim_delivery, LEASE)
    assert (second.delivery_id, second.attempt) == (first.delivery_id, 2)
    assert do(record_outcome, first, Outcome(status=200)) is None, "a late one"
    assert do(record_outcome, second, Outcome(status=204)) == "delivered"
    assert do(claim_delivery, LEASE) is None
    (row,) = owed()
    assert (row.state, row.status, row.attempts, row.next_attempt_at) == ("delivered", 204, 2, None)
    assert row.finished_at is not None


@pytest.mark.parametrize("backend", ["postgresql"])
def test_two_senders_at_once_do_not_get_the_same(
    factory: sessionmaker[Session], do: Do, submit: Any, hook: Any
) -> None:
    """SQLite's writers are alone anyway."""
    hook("ann")
    do(store.request_cancel, submit("ann"))
    with factory() as one, factory() as other:
        assert claim_delivery(one, LEASE) is not None
        assert claim_delivery(other, LEASE) is None
        one.commit()
        assert claim_delivery(other, LEASE) is None


def test_failures_are_tried_again_later_and_given_up_in_the_end(
    do: Do, submit: Any, hook: Any, owed: Any, hurry: Any
) -> None:
    hook("ann")
    do(store.request_cancel, submit("ann"))
    states = []
    for _ in range(MOST_ATTEMPTS):
        states.append(do(record_outcome, do(claim_delivery, LEASE), Outcome(error="no answer in time")))
        assert do(claim_delivery, LEASE) is None, "not before its time"
        hurry()
    assert states == ["pending"] * (MOST_ATTEMPTS - 1) + ["given_up"]
    (row,) = owed()
    assert (row.state, row.error, row.status) == ("given_up", "no answer in time", None)


@pytest.mark.parametrize(
    ("status", "state"), [(200, "delivered"), (302, "pending"), (410, "given_up"), (500, "pending")]
)
def test_only_success_is_success_and_gone_is_the_end(
    do: Do, submit: Any, hook: Any, status: int, state: str
) -> None:
    hook("ann")
    do(store.request_cancel, submit("ann"))
    assert do(record_outcome, do(claim_delivery, LEASE), Outcome(status=status)) == state


def test_an_owner_has_one_attempt_under_way_and_holds_up_nobody_else(do: Do, submit: Any, hook: Any) -> None:
    hook("ann"), hook("ann"), hook("bob")
    for owner in ("ann", "ann", "bob"):
        do(store.request_cancel, submit(owner))
    taken = [do(claim_delivery, LEASE) for _ in range(3)]
    assert taken[2] is None
    assert len({sending.delivery_id for sending in taken[:2]}) == 2
    assert do(record_outcome, taken[0], Outcome(status=500)) == "pending"
    following = do(claim_delivery, LEASE)
    assert following.attempt == 1, "a first attempt goes before a second one"


def test_the_log_is_the_owners_newest_first_and_goes_with_its_webhook(
    do: Do, submit: Any, hook: Any, owed: Any
) -> None:
    webhook = hook("ann")
    jobs = [submit("ann") for _ in range(3)]
    for job_id in jobs:
        do(store.request_cancel, job_id)
    first = do(deliveries_of, "ann", webhook, after=None, limit=2)
    rest = do(deliveries_of, "ann", webhook, after=(first[-1].created_at, first[-1].id), limit=2)
    assert [row.job_id for row in [*first, *rest]] == jobs[::-1]
    with pytest.raises(WebhookNotFound):
        do(deliveries_of, "bob", webhook, after=None, limit=2)
    with pytest.raises(WebhookNotFound):
        do(forget_webhook, "bob", webhook)
    do(forget_webhook, "ann", webhook)
    assert owed() == [] and do(webhooks_of, "ann") == []


def test_old_deliveries_are_forgotten(do: Do, submit: Any, hook: Any, owed: Any) -> None:
    hook("ann")
    do(store.request_cancel, submit("ann"))
    assert do(forget_old_deliveries, FromNow(-60)) == 0
    assert do(forget_old_deliveries, FromNow(60)) == 1 and owed() == []


def test_an_owner_has_so_many_webhooks(factory: sessionmaker[Session], hook: Any) -> None:
    for _ in range(3):
        hook("ann")
    hook("bob")
    with pytest.raises(TooManyWebhooks, match="3 webhooks"), transaction(factory) as session:
        register(session, "ann", URL, EVENTS, most=3)
