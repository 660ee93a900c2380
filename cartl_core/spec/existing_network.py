"""Jobs of ``kind: evaluate``: a network that exists already, measured on a data set; nothing is trained.

``EvaluateJobRequest`` is what a person writes, ``EvaluateJobSpec`` what it resolves to once the network's
file was seen. ``request_class`` and ``spec_of`` tell the kinds of jobs apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationInfo, field_validator, model_validator

from cartl_core.errors import SpecError
from cartl_core.spec.acceptance import EvaluationAcceptSpec
from cartl_core.spec.base import ARRAY, OBJECTS, SpecModel, refusal
from cartl_core.spec.data_and_model import (
    DataName,
    DataRequest,
    DataRequestOrName,
    DataSpecOrName,
    ModelSpec,
    Name,
    NewName,
    Sha256,
    Tag,
)
from cartl_core.spec.evaluation import EvaluateSpec
from cartl_core.spec.given_teacher import TeacherFacts
from cartl_core.spec.job import JobSpec, Preset
from cartl_core.spec.request import PRIORITY, TIME_LIMIT, EvaluateOverrides, JobRequest, Priority, TimeLimit

MOST_DATASETS = 8
ID = r"^[0-9a-f-]{1,64}$"
Id = Annotated[str, StringConstraints(pattern=ID)]


class NetworkRef(SpecModel):
    """An upload, the student of an earlier job, or a teacher; the digest says which bytes."""

    upload: Id | None = Field(default=None, description="Id of an upload of yours.")
    job: Id | None = Field(default=None, description="Id of a job of yours that has succeeded.")
    teacher: DataName | None = Field(default=None, description="Id or name of a teacher of yours.")
    arm: Literal["student"] = Field(default="student", description="Which network of that job.")
    sha256: Sha256 | None = Field(
        default=None, description="Of the network's file; where it is given, the file must have it."
    )
    facts: TeacherFacts | None = Field(
        default=None,
        exclude_if=lambda facts: facts is None,
        description="Of a teacher, as a specification keeps them; looked up anew at each request. Left out "
        "of other networks.",
    )

    @model_validator(mode="after")
    def _one_place(self) -> NetworkRef:
        places = ("upload", "job", "teacher")
        named = [name for name in places if getattr(self, name) is not None]
        if len(named) > 1:
            raise refusal(f"it names {' and '.join(named)}", f"one of {', '.join(places)}")
        if self.facts is not None and self.teacher is None:
            raise refusal("it has the `facts` of a teacher, and names none", "`facts` beside `teacher`")
        return self

    @property
    def file_digest(self) -> str:
        """SHA-256 of the network's file, which a resolved specification always has.

        Raises:
            SpecError: it is not known yet.
        """
        if self.sha256 is None:
            raise SpecError(
                "network.sha256", "the network's file was not looked at yet", allowed="its SHA-256"
            )
        return self.sha256


class EvaluateJobRequest(SpecModel):
    """What a person posts to have a network measured: which network, on which data set."""

    kind: Literal["evaluate"]
    datasets: Annotated[tuple[DataRequestOrName, ...], OBJECTS] = Field(
        default=(),
        max_length=MOST_DATASETS,
        description="In place of `dataset`: several, each measured by itself; the first is the headline's.",
    )
    dataset: DataRequestOrName | None = Field(
        default=None,
        validate_default=True,
        description="What it is measured on; as many classes as it has outputs.",
    )
    network: NetworkRef
    name: NewName | None = None
    tags: Annotated[tuple[Tag, ...], ARRAY] = Field(default=(), max_length=32)
    preset: Preset | None = Field(default=None, description="Null takes the deployment's default.")
    evaluate: EvaluateOverrides | None = None  # type: ignore[valid-type]
    accept: EvaluationAcceptSpec | None = Field(
        default=None,
        description="What the network must reach on the first data set, fixed before the run; the report has "
        "a verdict on each criterion.",
    )
    model: ModelSpec | None = Field(
        default=None, description="The network's own; where it is given, the file must have it."
    )
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto", description="Of training; `fp32` also keeps attacks from beginning in bf16."
    )
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    priority: Priority = Field(default=0, description=PRIORITY)
    time_limit: TimeLimit | None = Field(default=None, description=TIME_LIMIT)

    @field_validator("dataset")
    @classmethod
    def _one_or_several(cls, dataset: DataRequest | None, info: ValidationInfo) -> DataRequest | None:
        if "datasets" in info.data and (dataset is None) != bool(info.data["datasets"]):
            told = "no data set is named" if dataset is None else "`datasets` names some as well"
            raise refusal(told, f"dataset, or datasets with 1 to {MOST_DATASETS} of them, not both")
        return dataset


class FurtherTest(SpecModel):
    """A further data set that the network is measured on, with radii and limits of its own."""

    dataset: DataSpecOrName
    evaluate: EvaluateSpec


class EvaluateJobSpec(SpecModel):
    """A fully resolved evaluation; ``network.sha256`` is never null."""

    kind: Literal["evaluate"] = "evaluate"
    name: Name | None = None
    tags: Annotated[tuple[Tag, ...], ARRAY] = Field(default=(), max_length=32)
    preset: Preset
    dataset: DataSpecOrName
    network: NetworkRef
    model: ModelSpec
    evaluate: EvaluateSpec
    accept: EvaluationAcceptSpec | None = Field(
        default=None, description="What the network must reach on `dataset`."
    )
    further: Annotated[tuple[FurtherTest, ...], OBJECTS] = Field(
        default=(),
        max_length=MOST_DATASETS - 1,
        exclude_if=lambda further: not further,
        description="Of a request with several data sets: all but the first. Left out where there is none.",
    )
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: int = Field(default=0, ge=0, le=2**31 - 1)

    def on_each(self) -> Iterator[EvaluateJobSpec]:
        """The same on each data set alone, the first one first."""
        alone = self.model_copy(update={"further": (), "accept": None})
        yield self.model_copy(update={"further": ()})
        for part in self.further:
            yield alone.model_copy(update={"dataset": part.dataset, "evaluate": part.evaluate})


AnyRequest = JobRequest | EvaluateJobRequest
AnySpec = Annotated[JobSpec | EvaluateJobSpec, Field(discriminator="kind")]

REQUESTS: dict[str, type[JobRequest] | type[EvaluateJobRequest]] = {
    "transfer": JobRequest,
    "evaluate": EvaluateJobRequest,
}
SPECS: dict[str, type[JobSpec] | type[EvaluateJobSpec]] = {"transfer": JobSpec, "evaluate": EvaluateJobSpec}


def request_class(value: object) -> type[JobRequest] | type[EvaluateJobRequest]:
    """The class of a parsed request; what names no kind is a transfer.

    Raises:
        SpecError: there is no such kind of job.
    """
    kind = value.get("kind", "transfer") if isinstance(value, Mapping) else "transfer"
    if not isinstance(kind, str) or kind not in REQUESTS:
        raise SpecError("kind", "there is no such kind of job", allowed=", ".join(REQUESTS))
    return REQUESTS[kind]


def spec_of(stored: Mapping[str, Any]) -> JobSpec | EvaluateJobSpec:
    """A resolved specification, as JSON had it."""
    return SPECS[stored.get("kind", "transfer")].model_validate(stored)
