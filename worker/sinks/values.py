"""What a tracker is given: a job, and what is new of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from jobs.state import JobState


@dataclass(frozen=True)
class Point:
    """A number that was measured.

    Attributes:
        series: what it is about, e.g. ``teacher_fdm``; letters, digits, ``_ . -`` and ``/``.
        step: epoch of a training; None of what is measured once.
    """

    series: str
    name: str
    value: float
    step: int | None
    at: datetime

    @property
    def path(self) -> str:
        """Its name among all of a job."""
        return f"{self.series}/{self.name}"


@dataclass(frozen=True)
class JobFile:
    """A file of a job: its key in the store of artifacts, and its bytes."""

    name: str
    key: str
    size: int


@dataclass(frozen=True)
class Batch:
    """What is new of a job, oldest first; a tracker may get the same batch twice.

    Attributes:
        title: for people.
        parameters: the specification, its names joined with dots; of text.
        run: the tracker's own id of the job, once it gave one.
        first: the tracker has taken nothing of this job so far.
        claimed: a worker has begun with the job, maybe again.
        whole: the job has ended, and nothing follows; only now there are ``files``.
    """

    job_id: str
    title: str
    owner: str
    tags: tuple[str, ...]
    parameters: Mapping[str, str]
    started_at: datetime
    run: str | None
    first: bool
    claimed: bool
    points: tuple[Point, ...]
    state: JobState
    whole: bool
    finished_at: datetime | None
    files: tuple[JobFile, ...] = ()


class Tracker(Protocol):
    """A place where jobs are tracked. Whatever it raises is a failure that is tried again later."""

    def take(self, batch: Batch) -> str | None:
        """Keep a batch; returns the tracker's own id of the job, None where it has none."""

    def close(self) -> None:
        """This process ends: write what is held."""
