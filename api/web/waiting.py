"""Why a job waits, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from jobs.state import JobState
from jobs.tables import Job

FARTHEST = 100


@dataclass(frozen=True)
class Capacity:
    """What the workers that are heard of can do: slots in all, and jobs that run."""

    slots: int
    running: int


def why_waiting(job: Job, place: int | None, capacity: Capacity, now: datetime) -> str | None:
    """One sentence; None of a job that does not wait.

    Args:
        place: in the queue, 1 goes next; None where it is not known.
    """
    if job.state != JobState.QUEUED:
        return None
    if job.cancel_requested_at is not None:
        return "It is being cancelled."
    if job.waiting_for is not None:
        return "Waits for what others compute: a teacher, or parts of its evaluation."
    if job.not_before is not None and job.not_before > now:
        return "Waits a little before its next attempt."
    if capacity.slots == 0:
        return "Waits for a worker: none is running."
    if capacity.running >= capacity.slots:
        taken = "the only slot is" if capacity.slots == 1 else f"all {capacity.slots} slots are"
        return f"{_place(place)}: {taken} taken."
    return f"{_place(place)}: starts in a moment."


def _place(place: int | None) -> str:
    if place is None:
        return "In the queue"
    return f"Number {place} in the queue" if place <= FARTHEST else f"Behind {FARTHEST} others in the queue"
