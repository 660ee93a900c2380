"""What a webhook is told: which changes of a job, and the message about one."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from jobs.state import JobState, Move

WebhookEvent = Literal["job.started", "job.succeeded", "job.failed", "job.cancelled"]
EVENTS: tuple[WebhookEvent, ...] = get_args(WebhookEvent)

EVENT_OF_MOVE: dict[Move, WebhookEvent] = {
    Move.CLAIM: "job.started",
    Move.COMPLETE: "job.succeeded",
    Move.FAIL: "job.failed",
    Move.GIVE_UP: "job.failed",
    Move.ACKNOWLEDGE: "job.cancelled",
    Move.CANCEL: "job.cancelled",
}
"""Moves that are not here are no news to others: the job goes back to the queue by itself."""


class MessageJob(BaseModel):
    """A job as a message shows it. Paths are relative: the service does not know its public address."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str | None
    tags: list[str]
    sweep: str | None
    dataset: str
    method: str
    state: JobState
    reason: str | None
    message: str | None
    self: str
    robustness: str


class Message(BaseModel):
    """The body of a call, in the form that the Standard Webhooks specification recommends."""

    model_config = ConfigDict(frozen=True)

    type: WebhookEvent
    timestamp: datetime
    data: MessageJob
