"""Webhooks: register, list, delete, and the log of what was sent."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from api.deps import AppContext, ContextDep, Reader, ShortBody, Submitter
from api.http.body import parse
from api.http.paging import Cursor, Item, Limit, check_limit, cut, read_place
from api.http.patterns import SWEEP
from api.http.problems import FieldError, Problem, invalid
from api.openapi import json_body, problems
from api.schemas import Page, View
from cartl_core.spec import ARRAY
from cartl_core.strict_json import SMALL
from jobs.errors import WebhookRefused
from jobs.store.rights.audit import note
from jobs.tables import Webhook, WebhookDelivery
from jobs.webhooks.address import parse_hosts
from jobs.webhooks.message import EVENTS, WebhookEvent
from jobs.webhooks.registry import deliveries_of, forget_webhook, register, webhook_of, webhooks_of
from jobs.webhooks.url import ALLOWED, LONGEST_URL, read_target

router = APIRouter(tags=["webhooks"])

WebhookId = Annotated[str, Path(pattern=SWEEP, description="Id of a webhook.")]


class WebhookRequest(BaseModel):
    """Which URL is to be called, and when."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    url: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_URL)] = Field(
        description="Begins with `https://`; of a public host, or of one that the operator has named."
    )
    events: Annotated[tuple[WebhookEvent, ...], ARRAY, Field(min_length=1, max_length=len(EVENTS))] = Field(
        default=EVENTS, description="What happens to a job: each of these is told."
    )


class WebhookView(View):
    """A webhook, without its secret."""

    id: str
    url: str
    events: list[WebhookEvent]
    created_at: datetime

    @classmethod
    def of(cls, webhook: Webhook) -> Self:
        """A row as it is shown."""
        return cls.model_validate(webhook, from_attributes=True)


class WebhookCreated(WebhookView):
    """A new webhook. Its secret is shown this once; receivers check signatures with it."""

    secret: str


class Webhooks(View):
    """All webhooks of the caller, oldest first."""

    data: list[WebhookView]


class DeliveryView(View):
    """One message for a webhook, and what came of it."""

    id: str = Field(description="Sent as `webhook-id`, the same in every attempt.")
    event: WebhookEvent
    job: str
    state: Literal["pending", "delivered", "given_up"]
    attempts: int
    status: int | None = Field(description="HTTP status of the last answer; null where none came.")
    error: str | None = Field(description="Why no answer came.")
    created_at: datetime
    next_attempt_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, row: WebhookDelivery) -> Self:
        """A row as it is shown."""
        named = {name: getattr(row, name) for name in cls.model_fields if name != "job"}
        return cls(job=row.job_id, **named)


WEBHOOK_EXAMPLES = {
    "ends only": {
        "value": {"url": "https://example.com/cartl", "events": ["job.succeeded", "job.failed"]},
    }
}


@router.post(
    "/webhooks",
    status_code=201,
    summary="Register a webhook",
    responses=problems(400, 413, 415),
    openapi_extra=json_body((WebhookRequest,), WEBHOOK_EXAMPLES),
)
def create_webhook(
    caller: Submitter, body: ShortBody, context: ContextDep, response: Response
) -> WebhookCreated:
    """From now on the URL is called for your jobs. The secret is in the answer, and is not shown again."""
    wanted = parse(WebhookRequest, body, SMALL)
    _check(context, wanted.url)
    with context.writing() as session:
        most = context.settings.max_webhooks_per_owner
        events = [event for event in EVENTS if event in wanted.events]
        row = register(session, caller.owner, wanted.url, events, most=most)
        note(session, caller.actor, "webhook.create", row.id)
        created = WebhookCreated(**WebhookView.of(row).model_dump(), secret=row.secret)
    response.headers["Cache-Control"] = "no-store"
    return created


def _check(context: AppContext, url: str) -> None:
    if not context.settings.webhooks:
        raise Problem("switched-off", "The operator allows webhooks with CARTL_WEBHOOKS=true.")
    try:
        read_target(url, parse_hosts(context.settings.webhook_hosts))
    except WebhookRefused as error:
        raise invalid((FieldError(field="url", message=str(error), allowed=ALLOWED),)) from error


@router.get("/webhooks", summary="List webhooks", responses=problems())
def list_webhooks(caller: Reader, context: ContextDep) -> Webhooks:
    """Your webhooks, oldest first, without their secrets."""
    with context.reading() as session:
        return Webhooks(data=[WebhookView.of(row) for row in webhooks_of(session, caller.owner)])


@router.get("/webhooks/{webhook_id}", summary="One webhook", responses=problems(404))
def get_webhook(webhook_id: WebhookId, caller: Reader, context: ContextDep) -> WebhookView:
    """A webhook of yours, without its secret."""
    with context.reading() as session:
        return WebhookView.of(webhook_of(session, caller.owner, webhook_id))


@router.delete("/webhooks/{webhook_id}", status_code=204, summary="Delete a webhook", responses=problems(404))
def delete_webhook(webhook_id: WebhookId, caller: Submitter, context: ContextDep) -> None:
    """Nothing more is sent to it; its log goes too."""
    with context.writing() as session:
        forget_webhook(session, caller.owner, webhook_id)
        note(session, caller.actor, "webhook.delete", webhook_id)


@router.get(
    "/webhooks/{webhook_id}/deliveries", summary="What was sent to a webhook", responses=problems(404)
)
def list_deliveries(
    webhook_id: WebhookId, caller: Reader, context: ContextDep, cursor: Cursor = None, limit: Limit = 50
) -> Page[DeliveryView]:
    """Messages for a webhook, newest first, with what came of each."""
    check_limit(limit, context.settings)
    place = read_place(cursor)
    with context.reading() as session:
        rows = deliveries_of(session, caller.owner, webhook_id, after=place, limit=limit + 1)
        return cut([Item(row.created_at, row.id, DeliveryView.of(row)) for row in rows], limit)
