"""One's webhooks: which addresses are called, what was sent to each, and how one is added."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import APIRouter, Response

from api.http.paging import Cursor, Item, cut, read_place
from api.routes.ui.visit import VisitDep
from api.routes.webhooks import DeliveryView, WebhookId
from jobs.webhooks.message import EVENTS
from jobs.webhooks.registry import deliveries_of, webhook_of, webhooks_of

router = APIRouter(include_in_schema=False)

HERE = "/ui/webhooks"
PAGE = 50


@router.get("/ui/webhooks")
def list_webhooks(visit: VisitDep) -> Response:
    """Oldest first, and a form for one more where the operator allows them."""
    with visit.reading() as session:
        webhooks = webhooks_of(session, visit.caller.owner)
    return visit.page(
        "webhooks.html",
        title="Webhooks",
        here=HERE,
        webhooks=webhooks,
        events=EVENTS,
        allowed=visit.context.settings.webhooks,
        may_add=visit.caller.has("submitter"),
        live=visit.live,
    )


@router.get("/ui/webhooks/{webhook_id}")
def show_webhook(webhook_id: WebhookId, visit: VisitDep, cursor: Cursor = None) -> Response:
    """What it is told of, and its messages, newest first."""
    place = read_place(cursor)
    with visit.reading() as session:
        webhook = webhook_of(session, visit.caller.owner, webhook_id)
        rows = deliveries_of(session, visit.caller.owner, webhook_id, after=place, limit=PAGE + 1)
        page = cut([Item(row.created_at, row.id, DeliveryView.of(row)) for row in rows], PAGE)
    older = urlencode({"cursor": page.next_cursor}) if page.next_cursor else None
    return visit.page(
        "webhook.html",
        title="Webhook",
        here=HERE,
        webhook=webhook,
        deliveries=page.data,
        mine=visit.caller.has("submitter"),
        older=f"{HERE}/{webhook_id}?{older}" if older else None,
        live=visit.live,
    )
