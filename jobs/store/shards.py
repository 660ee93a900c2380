"""Parts of a measurement, as tasks of the job that waits for them: asked for, claimed by any slot, collected.

The parent is queued meanwhile and holds no slot; it can be claimed again once none of its parts waits or
runs. A part's files lie in the directory of the claim that wrote them, so a late worker spoils nothing: the
claim under which the task has ended is the one that counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.errors import JobNotFound
from jobs.store.claim import Claim, claim_of
from jobs.store.stages import claim_directory
from jobs.store.tasks import TaskClaim, add_task, is_in_state
from jobs.tables import Job, Stage, Task

SHARD = "evaluate_shard"
"""The kind of task."""


@dataclass(frozen=True)
class ShardOrder:
    """The part of a stage that a task computes: the images from ``first`` to before ``last``."""

    digest: str
    first: int
    last: int

    @classmethod
    def of(cls, payload: dict[str, Any]) -> ShardOrder:
        """As a task carries it."""
        return cls(str(payload["digest"]), int(payload["first"]), int(payload["last"]))

    @property
    def payload(self) -> dict[str, Any]:
        """As a task carries it."""
        return {"digest": self.digest, "first": self.first, "last": self.last}


def ask_for_shards(
    session: Session, claim: Claim, digest: str, parts: tuple[tuple[int, int], ...]
) -> tuple[str, ...] | None:
    """Have the parts of a stage computed; None while they are not, and the job is to wait.

    Once all have ended: the directories of the first ones that succeeded, in order, relative to the stages
    directory. What follows a part that failed is for the job itself to compute.
    """
    of_stage = select(Task).where(Task.parent_id == claim.job_id, Task.kind == SHARD)
    tasks = {ShardOrder.of(task.payload): task for task in session.execute(of_stage).scalars()}
    orders = [ShardOrder(digest, first, last) for first, last in parts]
    missing = [order for order in orders if order not in tasks]
    for order in missing:
        add_task(session, SHARD, claim.job_id, claim.owner, order.payload)
    if missing or any(tasks[order].finished_at is None for order in orders):
        return None
    done = []
    for order in orders:
        if tasks[order].state != "succeeded":
            break
        done.append(shard_directory(digest, tasks[order].id, tasks[order].token))
    return tuple(done)


def shard_directory(digest: str, task_id: str, token: int) -> str:
    """Where one claim of a part writes, relative to the stages directory."""
    return f"{digest}/{claim_directory(task_id, token)}"


def run_of(session: Session, claim: TaskClaim, device: str) -> Claim:
    """What the process of a part runs: its job, under the name and the token of the task.

    Raises:
        LostClaim: the task is no longer running under this token.
        JobNotFound: its job is gone.
    """
    task = session.execute(select(Task).where(claim.fence)).scalar_one_or_none()
    if task is None:
        raise claim.lost
    job = session.get(Job, claim.parent_id)
    if job is None:
        raise JobNotFound("the job of this part is gone", job_id=claim.parent_id)
    run = claim_of(session, job, claim.attempt, str(task.worker_id), device)
    return replace(run, job_id=claim.task_id, token=claim.token)


def finished_stage(session: Session, owner: str, digest: str) -> str | None:
    """Where the owner's finished stage lies, relative to the stages directory."""
    found = select(Stage.path).where(
        Stage.owner_id == owner, Stage.digest == digest, Stage.state == "finished"
    )
    return session.execute(found).scalar_one_or_none()


def shard_counts(session: Session) -> tuple[int, int]:
    """How many parts wait, and how many run."""
    counted = select(func.count()).select_from(Task).where(Task.kind == SHARD)
    waiting = session.execute(counted.where(is_in_state("queued"))).scalar_one()
    running = session.execute(counted.where(is_in_state("running"))).scalar_one()
    return waiting, running
