"""What is owed to webhooks, written in the transaction of the change that it tells of.

So a message is owed if and only if the change was made; sending it is for another process, later.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from jobs.state import Move
from jobs.tables import Job, JobEvent, Webhook, WebhookDelivery
from jobs.webhooks.message import EVENT_OF_MOVE, Message, MessageJob


def announce(session: Session, taken: Move, event: JobEvent) -> None:
    """Owe a message to each webhook of the job's owner that wants it; one indexed read where none does."""
    kind = EVENT_OF_MOVE.get(taken)
    if kind is None:
        return
    # Both times are set by the claim's own statement where it is the first one of a try; a job that was
    # interrupted, or waited for a teacher, has started long ago.
    starts = Job.started_at == Job.heartbeat_at
    of_job = (
        Job.owner_id,
        Job.name,
        Job.tags,
        Job.sweep_id,
        Job.dataset,
        Job.method,
        Job.state,
        Job.reason,
        Job.message,
    )
    wanted = (
        select(Webhook.id.label("webhook_id"), Webhook.events, starts.label("starts"), *of_job)
        .join(Job, Job.owner_id == Webhook.owner_id)
        .where(Job.id == event.job_id)
    )
    rows = session.execute(wanted).all()
    owed = [row for row in rows if kind in row.events and (taken is not Move.CLAIM or row.starts)]
    if not owed:
        return
    body = Message(type=kind, timestamp=event.at, data=_job(event.job_id, owed[0])).model_dump_json()
    session.execute(
        insert(WebhookDelivery),
        [
            {
                "id": f"msg_{row.webhook_id}_{event.job_id}_{event.number}",
                "webhook_id": row.webhook_id,
                "owner_id": row.owner_id,
                "job_id": event.job_id,
                "event": kind,
                "body": body,
                "state": "pending",
                "next_attempt_at": event.at,
            }
            for row in owed
        ],
    )


def _job(job_id: str, row: Any) -> MessageJob:
    return MessageJob(
        id=job_id,
        name=row.name,
        tags=row.tags,
        sweep=row.sweep_id,
        dataset=row.dataset,
        method=row.method,
        state=row.state,
        reason=row.reason,
        message=row.message,
        self=f"/jobs/{job_id}",
        robustness=f"/jobs/{job_id}/robustness",
    )
