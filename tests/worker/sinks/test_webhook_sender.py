"""The sender of webhooks on a real record and to real receivers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker
from standardwebhooks.webhooks import Webhook as Verifier

from jobs import store
from jobs.database.dialect import FromNow
from jobs.database.engine import reading, transaction
from jobs.tables import WebhookDelivery
from jobs.webhooks.message import EVENTS
from jobs.webhooks.registry import register
from tests.factories import claim_job
from tests.worker.sinks.receiver import Receiver, receiving, status
from worker.sinks.webhook_sender import WebhookSender

Fixture = Any  # fixtures of conftest.py
LONG = 60.0


@pytest.fixture
def send(make_context: Fixture) -> Iterator[Callable[..., None]]:
    """Start a sender; it ends with the test."""
    threads: list[threading.Thread] = []
    context = make_context(webhook_hosts="127.0.0.1", webhook_seconds=LONG)

    def start() -> None:
        threads.append(threading.Thread(target=WebhookSender(context).run, daemon=True))
        threads[-1].start()

    yield start


@pytest.fixture
def hook(factory: sessionmaker[Session]) -> Callable[..., str]:
    """Register a receiver; the secret."""

    def make(receiver: Receiver, owner: str = "ada", *events: str) -> str:
        with transaction(factory) as session:
            return register(session, owner, receiver.url(), events or EVENTS, most=10).secret

    return make


@pytest.fixture
def cancelled(factory: sessionmaker[Session], record: Fixture) -> Callable[..., str]:
    """A job of which a cancellation is owed."""

    def make(owner: str = "ada") -> str:
        job_id: str = record.submit(owner)
        record.cancel(job_id)
        return job_id

    return make


def owed(factory: sessionmaker[Session]) -> dict[str, WebhookDelivery]:
    """Deliveries by event; of one job."""
    with reading(factory) as session:
        return {row.event: row for row in session.scalars(select(WebhookDelivery)).all()}


def test_a_job_is_told_from_start_to_end_and_the_receivers_library_takes_it(
    record: Fixture, factory: sessionmaker[Session], receiver: Receiver, hook: Any, send: Any, until: Fixture
) -> None:
    secret = hook(receiver)
    job_id = record.submit("ada", name="my job")
    claim = claim_job(factory)
    with transaction(factory) as session:
        store.complete(session, claim)
    send()
    until(lambda: {row.state for row in owed(factory).values()} == {"delivered"})
    told = {}
    for call in receiver.calls:
        message = Verifier(secret).verify(call.body, call.headers)
        told[message["type"]] = message["data"]
        assert call.headers["Content-Type"] == "application/json"
    assert set(told) == {"job.started", "job.succeeded"}
    assert told["job.succeeded"]["id"] == job_id and told["job.succeeded"]["name"] == "my job"
    assert told["job.started"]["state"] == "running"


def test_a_receiver_that_fails_gets_the_same_message_again(
    factory: sessionmaker[Session], receiver: Receiver, hook: Any, send: Any, cancelled: Any, until: Fixture
) -> None:
    secret = hook(receiver)
    cancelled()
    receiver.answer = lambda handler: status(handler, 503)
    send()
    until(lambda: owed(factory)["job.cancelled"].status == 503)
    row = owed(factory)["job.cancelled"]
    assert (row.state, row.attempts) == ("pending", 1)
    assert row.next_attempt_at is not None and row.next_attempt_at > row.created_at
    receiver.answer = lambda handler: status(handler, 200)
    with transaction(factory) as session:
        session.execute(update(WebhookDelivery).values(next_attempt_at=FromNow(-1)))
    until(lambda: owed(factory)["job.cancelled"].state == "delivered")
    first, second = receiver.calls
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == row.id
    assert first.body == second.body
    for call in (first, second):
        Verifier(secret).verify(call.body, call.headers)


def test_a_receiver_that_hangs_holds_up_nobody_elses_messages(
    factory: sessionmaker[Session], receiver: Receiver, hook: Any, send: Any, cancelled: Any, until: Fixture
) -> None:
    receiver.answer = lambda handler: receiver.gone.wait(LONG)
    hook(receiver, "ada")
    for _ in range(10):
        cancelled("ada")
    send()
    until(lambda: len(receiver.calls) == 1)
    with receiving() as other:
        hook(other, "bob")
        cancelled("bob")
        until(lambda: len(other.calls) == 1)
    assert len(receiver.calls) == 1, "of one owner there is one call at a time"


def test_what_may_not_be_called_is_noted_for_its_owner(
    factory: sessionmaker[Session], receiver: Receiver, send: Any, cancelled: Any, until: Fixture
) -> None:
    """The operator has taken a host off the list since it was registered."""
    with transaction(factory) as session:
        register(session, "ada", "http://localhost:9/hook", EVENTS, most=1)
    cancelled()
    send()
    until(lambda: owed(factory)["job.cancelled"].error is not None)
    row = owed(factory)["job.cancelled"]
    assert row.state == "pending" and "only https://" in (row.error or "") and row.status is None
