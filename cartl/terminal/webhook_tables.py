"""Webhooks on a terminal: a list, and one with what was sent to it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from cartl.client import Json
from cartl.http.catalog_answers import Delivery, Webhook
from cartl.terminal.tables import show_facts, show_rows


def show_webhooks(rows: Sequence[Json], console: Console) -> None:
    """A row each."""
    cells = [
        (found.id, found.url, ", ".join(found.events), found.created_at or "")
        for found in map(Webhook.model_validate, rows)
    ]
    show_rows(console, ("id", "address", "told of", "made at"), cells, "no webhooks")


def show_webhook(webhook: Json, sent: Sequence[Json], console: Console) -> None:
    """What it is, then its messages, newest first."""
    found = Webhook.model_validate(webhook)
    facts = (
        ("id", found.id),
        ("address", found.url),
        ("told of", ", ".join(found.events)),
        ("made at", found.created_at or ""),
    )
    show_facts(console, facts)
    cells = [
        (one.created_at or "", one.event, one.job, one.state, str(one.attempts), _answer(one), _next(one))
        for one in map(Delivery.model_validate, sent)
    ]
    headings = ("made at", "event", "job", "state", "attempts", "last answer", "tried again at")
    show_rows(console, headings, cells, "nothing was sent to it yet")


def _answer(delivery: Delivery) -> str:
    """Its status, or why none came."""
    return str(delivery.status) if delivery.status is not None else delivery.error or ""


def _next(delivery: Delivery) -> str:
    return delivery.next_attempt_at or ""
