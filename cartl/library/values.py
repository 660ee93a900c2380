"""What the service answers, as typed values.

A field that a newer service adds does not break an older client: values of jobs, events, files and sweeps
keep it (`model_extra`). States are plain text for the same reason.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cartl.client import TERMINAL
from cartl_core.statistics.sweep_summary import SweepTable


class Value(BaseModel):
    """A frozen answer, or a part of one; further fields are kept."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)


class SecondsRange(Value):
    """Where the wall time of a run lies: one in ten takes less than `low`, one more than `high`."""

    low: float
    likely: float
    high: float


class Estimate(Value):
    """What a job is expected to cost."""

    seconds: float | None = Field(default=None, description="Likely wall time of the whole run.")
    seconds_range: SecondsRange | None = None
    basis: str | None = Field(default=None, description="`measured on 12 stages`, or `first guess`.")
    disk_bytes: int | None = None


class NeededData(Value):
    """A data set that a job needs, and whether its files are there."""

    field: str = ""
    name: str = ""
    state: str = Field(default="", description="`present`, `download`, `missing` or `unknown`.")
    size: int | None = Field(default=None, description="Bytes to be downloaded, where that is known.")
    host: str | None = Field(default=None, description="From which they come.")
    command: str | None = Field(default=None, description="What fetches the files by hand.")


class Job(Value):
    """Where a job is, and what it runs."""

    id: str
    state: str = Field(description="`queued`, `running`, `succeeded`, `failed` or `cancelled`.")
    name: str | None = None
    reason: str | None = Field(default=None, description="Stable code of why it ended so.")
    message: str | None = Field(default=None, description="What went wrong, for people.")
    stage: str | None = None
    priority: int = Field(default=0, description="Among your own jobs that wait, higher goes first.")
    stage_label: str | None = None
    fraction: float | None = Field(default=None, description="Done, of the whole run, 0 to 1.")
    seconds_left: float | None = None
    images_per_second: float | None = None
    queue_position: int | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    spec: dict[str, Any] = Field(default_factory=dict, description="The whole resolved specification.")
    spec_digest: str = ""
    estimate: Estimate | None = None
    data: tuple[NeededData, ...] | None = Field(
        default=None, description="What it needs, while it is queued."
    )

    @property
    def ended(self) -> bool:
        """Whether it has succeeded, failed or been cancelled."""
        return self.state in TERMINAL


class JobPage(Value):
    """A page of a list of jobs."""

    data: tuple[Job, ...]
    next_cursor: str | None = None


class Event(Value):
    """One thing that happened to a job. Numbers run 1, 2, 3 ... without gaps."""

    number: int = Field(ge=1)
    type: str
    at: datetime | None = None
    body: dict[str, Any] = Field(default_factory=dict)


class EventPage(Value):
    """Events after the one that was named."""

    data: tuple[Event, ...]
    finished: bool = Field(default=False, description="The job has ended, and no event is left.")


class File(Value):
    """A file of a job."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$", description="It becomes a file's here.")
    size: int = Field(ge=0, description="Bytes.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    media_type: str = "application/octet-stream"


class Files(Value):
    """The files of a job."""

    data: tuple[File, ...]


class Upload(Value):
    """A network's file that the service has."""

    id: str


class DryRun(Value):
    """What a request would become; nothing was stored."""

    spec: dict[str, Any] = Field(default_factory=dict, description="The whole resolved specification.")
    estimate: Estimate
    data: tuple[NeededData, ...] = Field(default=(), description="Of a job: what it needs.")


class Key(Value):
    """An API key, without its secret."""

    id: str
    owner: str = ""
    name: str = ""
    role: str = ""
    created_at: datetime | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = Field(default=None, description="To the minute.")
    in_use: bool = Field(default=False, description="It is the one of this client.")


class Keys(Value):
    """API keys, oldest first."""

    data: tuple[Key, ...]


class Webhook(Value):
    """An address that is called when a job starts or ends, without its secret."""

    id: str
    url: str = ""
    events: tuple[str, ...] = Field(default=(), description="What of a job it is told of.")
    created_at: datetime | None = None


class NewWebhook(Webhook):
    """A new one. Its secret, with which messages are signed, is in this answer alone."""

    secret: str = Field(repr=False)


class Webhooks(Value):
    """Webhooks, oldest first."""

    data: tuple[Webhook, ...]


class Delivery(Value):
    """A message for a webhook, and what came of it."""

    id: str
    event: str = ""
    job: str = ""
    state: str = Field(default="", description="`pending`, `delivered` or `given_up`.")
    attempts: int = 0
    status: int | None = Field(default=None, description="HTTP status of the last answer.")
    error: str | None = Field(default=None, description="Why no answer came.")
    created_at: datetime | None = None
    next_attempt_at: datetime | None = None
    finished_at: datetime | None = None


class DeliveryPage(Value):
    """A page of messages, newest first."""

    data: tuple[Delivery, ...]
    next_cursor: str | None = None


class Sweep(Value):
    """Where the jobs of a sweep are, and what they have found so far."""

    id: str
    name: str | None = None
    jobs: int = 0
    states: dict[str, int] = Field(default_factory=dict, description="How many of its jobs are where.")
    fraction: float | None = Field(default=None, description="Done, of all jobs, 0 to 1.")
    table: SweepTable

    @property
    def ended(self) -> bool:
        """Whether no job of it is left to run."""
        return not any(count for state, count in self.states.items() if state not in TERMINAL)
