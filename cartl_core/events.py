"""What a run tells while it works: typed events, one reporter.

A library user passes a function; the command line prints JSON lines; the service turns them into
rows. Adding a listener never edits the library. Every event is one JSON object with a ``type``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from cartl_core.report import AttackResult
from cartl_core.report.exports import WithheldReason
from cartl_core.spec import Method, Runtime
from cartl_core.spec.exports import ExportFormat

StageKind = Literal["pretrain", "transfer", "evaluate"]


class EventBase(BaseModel):
    """A frozen value with a ``type`` that names it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RuntimeResolved(EventBase):
    """The machine has decided what it runs on; kept for every later attempt."""

    type: Literal["runtime_resolved"] = "runtime_resolved"
    runtime: Runtime


class StageStarted(EventBase):
    """A stage begins or goes on from a checkpoint."""

    type: Literal["stage_started"] = "stage_started"
    stage: StageKind
    label: str = Field(description="For people: `teacher (fdm)`, `student (cartl)`, `attack pgd20 on cartl`.")
    digest: str
    resumed_at: float | None = Field(default=None, description="Fraction done when it was resumed.")


class StageComputedAnew(EventBase):
    """A stage that was finished once is not found as it was asked for, and is computed again."""

    type: Literal["stage_computed_anew"] = "stage_computed_anew"
    stage: StageKind
    label: str
    digest: str
    why: Literal["damaged", "recipe", "machine", "digests"] = Field(
        description="`damaged`: a file is gone, or not as it was written. The finished result is of another "
        "`recipe`, or of another `machine` or version of torch. `digests`: what an earlier version of this "
        "program has finished stands under digests that are no longer used."
    )
    words: str = Field(description="For people: what is wrong with the earlier result.")


class StageFinished(EventBase):
    """A stage's result is complete on disk."""

    type: Literal["stage_finished"] = "stage_finished"
    stage: StageKind
    label: str
    digest: str
    reused: bool = Field(description="True when a finished result was found and nothing was computed.")
    seconds: float = Field(ge=0)


class EpochFinished(EventBase):
    """An epoch of training is over. Metrics are plain numbers, named as in the field."""

    type: Literal["epoch_finished"] = "epoch_finished"
    stage: StageKind
    label: str
    digest: str
    epoch: int = Field(ge=1)
    epochs: int = Field(ge=1)
    metrics: dict[str, float]


class Progress(EventBase):
    """How far the whole run is. Sent at most about once a second."""

    type: Literal["progress"] = "progress"
    stage: StageKind
    label: str
    fraction: float = Field(ge=0, le=1, description="Of the whole run, by predicted seconds.")
    seconds_left: float | None = Field(default=None, ge=0)
    images_per_second: float | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="Through the stage at work, lately."
    )


class StageMeasured(EventBase):
    """How long a computed part of a run took, for the estimates of later runs; no event of a job."""

    type: Literal["stage_measured"] = "stage_measured"
    kind: str = Field(
        pattern=r"^[a-z][a-z0-9_-]{0,63}$",
        description="Of work: `teacher`, `student`, `attack-pgd`; `start` and `publish` are of every run.",
    )
    size_class: int = Field(
        ge=0, le=64, description="Of the network: the power of two of its multiply-adds a pass."
    )
    macs: float = Field(
        ge=0, allow_inf_nan=False, description="Multiply-adds that were computed, as counted."
    )
    batches: float = Field(ge=0, allow_inf_nan=False, description="Passes of a batch, as counted.")
    seconds: float = Field(
        gt=0,
        allow_inf_nan=False,
        description="Wall time, divided by the number of stages that the run computes at a time.",
    )


class AttackFinished(EventBase):
    """One attack on one network is complete."""

    type: Literal["attack_finished"] = "attack_finished"
    subject: str = Field(
        description="`student`, `teacher`, the baseline's method, or a candidate on validation images."
    )
    result: AttackResult


class CandidateChosen(EventBase):
    """What was left to choose is chosen, by validation images; the test images come after it."""

    type: Literal["candidate_chosen"] = "candidate_chosen"
    number: int = Field(ge=1, description="Place among the candidates of the specification.")
    method: Method
    freeze_depth: int = Field(ge=0)
    candidates: int = Field(ge=1, description="How many there were.")
    words: str


class ReportUpdated(EventBase):
    """More of the report is known. A run's first one has every section, later ones those that changed."""

    type: Literal["report_updated"] = "report_updated"
    complete: bool = Field(description="Nothing follows: the report is what it will be.")
    sections: dict[str, JsonValue] = Field(description="Top-level fields of `Report`, by name.")


class Warned(EventBase):
    """Something a person should know that does not stop the run."""

    type: Literal["warned"] = "warned"
    message: str


class StageRequested(EventBase):
    """A supervised run asks its supervisor for a stage; it waits for a ``StageReply``."""

    type: Literal["stage_requested"] = "stage_requested"
    stage: StageKind
    label: str
    digest: str
    shared: bool = Field(description="True for teachers: only one run at a time may compute it.")
    damaged: str | None = Field(
        default=None, description="The finished result that the run was given before, and found damaged."
    )
    identity: str = Field(
        default="", description="Digest of what was asked for, whatever recipe and machine compute it."
    )
    basis: dict[str, str] = Field(default={}, description="Recipe and machine that are in the digest.")
    parts: tuple[tuple[int, int], ...] = Field(
        default=(),
        description="Ranges of images, whole batches each, that other slots may compute before; in order.",
    )


class CheckpointWritten(EventBase):
    """A checkpoint is complete on disk (relative to the stages directory) and may be counted."""

    type: Literal["checkpoint_written"] = "checkpoint_written"
    stage: StageKind
    digest: str
    path: str
    fraction: float = Field(ge=0, le=1)


class StageStored(EventBase):
    """A stage's result directory is complete on disk (relative to the stages directory)."""

    type: Literal["stage_stored"] = "stage_stored"
    stage: StageKind
    digest: str
    path: str


class ArtifactWritten(EventBase):
    """A file for the person is complete (relative to the output directory)."""

    type: Literal["artifact_written"] = "artifact_written"
    name: str
    path: str
    media_type: str


class ExportWithheld(EventBase):
    """The student could not be given back in this form, or came out as another network; the job goes on."""

    type: Literal["export_withheld"] = "export_withheld"
    name: str = Field(description="The artifact that there is not.")
    format: ExportFormat
    reason: WithheldReason
    message: str = Field(description="For people.")


class Finished(EventBase):
    """The run has succeeded; nothing follows."""

    type: Literal["finished"] = "finished"
    seconds: float = Field(ge=0)


class Failed(EventBase):
    """The run has failed in a way that would repeat; nothing follows."""

    type: Literal["failed"] = "failed"
    reason: str
    message: str


class Stopped(EventBase):
    """The run stopped without a result and can go on later; nothing follows."""

    type: Literal["stopped"] = "stopped"
    why: Literal["cancelled", "interrupted", "waiting"]
    waiting_for: str | None = None


Event = Annotated[
    RuntimeResolved
    | StageStarted
    | StageComputedAnew
    | StageFinished
    | EpochFinished
    | Progress
    | StageMeasured
    | AttackFinished
    | CandidateChosen
    | ReportUpdated
    | Warned
    | StageRequested
    | CheckpointWritten
    | StageStored
    | ArtifactWritten
    | ExportWithheld
    | Finished
    | Failed
    | Stopped,
    Field(discriminator="type"),
]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)
Reporter = Callable[[Event], None]


class Ping(EventBase):
    """The supervisor is alive. A child that hears nothing for a lease length ends itself."""

    type: Literal["ping"] = "ping"


class Stop(EventBase):
    """The supervisor asks the child to checkpoint and stop."""

    type: Literal["stop"] = "stop"
    why: Literal["cancelled", "interrupted"]


class StageReply(EventBase):
    """Answer to ``StageRequested``: use a finished result, compute it, or wait for another run."""

    type: Literal["stage_reply"] = "stage_reply"
    digest: str
    verdict: Literal["finished", "compute", "wait"]
    path: str | None = Field(
        default=None, description="`finished`: the result directory; `compute`: the directory to write."
    )
    checkpoints: tuple[str, ...] = Field(default=(), description="Newest first; for `compute`.")
    parts: tuple[str, ...] = Field(
        default=(), description="Directories of the first parts, computed elsewhere, in order; for `compute`."
    )


Order = Annotated[Ping | Stop | StageReply, Field(discriminator="type")]
ORDER: TypeAdapter[Order] = TypeAdapter(Order)
