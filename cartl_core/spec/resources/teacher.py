"""Teachers that people bring: how one is announced, verified, and what was found of it.

A file of any known layout is taken in once, by a task of the worker (``TeacherCheckOrder`` to
``TeacherCheckResult``). What is kept is a network file of our own format, which jobs read.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, ValidationInfo, field_validator, model_validator

from cartl_core.spec.architecture import MOST_CLASSES, Architecture
from cartl_core.spec.base import ARRAY, SpecModel, refusal
from cartl_core.spec.data_and_model import Name
from cartl_core.spec.measures.attack import LARGEST_RADIUS, LARGEST_SIDE, SMALLEST_SIDE
from cartl_core.spec.resources.common import Licence, Norm, ResourceName

TeacherState = Literal["receiving", "checking", "verified", "unverified", "rejected"]
TeacherRejection = Literal[
    "not_safetensors",
    "layout_unknown",
    "layout_ambiguous",
    "tensor_missing",
    "tensor_unknown",
    "shape_differs",
    "not_finite",
    "normalisation_needed",
    "collapsed",
    "published_not_reproduced",
]


LAYOUT = r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$"
Mean = Annotated[float, Field(ge=-1000.0, le=1000.0)]
Std = Annotated[float, Field(ge=1e-6, le=1000.0)]


class Normalisation(SpecModel):
    """What is subtracted from each channel of an image in [0, 1], and what it is divided by."""

    mean: Annotated[tuple[Mean, ...], ARRAY, Field(min_length=1, max_length=3)]
    std: Annotated[tuple[Std, ...], ARRAY, Field(min_length=1, max_length=3)]

    @model_validator(mode="after")
    def _of_the_same_channels(self) -> Self:
        if len(self.mean) != len(self.std) or len(self.mean) == 2:
            raise refusal("mean and std are of other channels", "a number each of 1 or 3 channels")
        return self


class TrainedAt(SpecModel):
    """The attack that a teacher was trained against, as its publisher says."""

    norm: Norm
    eps: float = Field(ge=0.0, le=1000.0, description="In pixel units on [0, 1]; at most 1 in linf.")

    @field_validator("eps")
    @classmethod
    def _within_the_images(cls, value: float, info: ValidationInfo) -> float:
        if info.data.get("norm") == "linf" and value > LARGEST_RADIUS["linf"]:
            raise refusal(f"{value:g} is more than an image has room for", "0 to 1 in linf")
        return value


class Published(SpecModel):
    """Figures of the publisher, which the verification must reproduce."""

    clean: float = Field(ge=0.0, le=1.0, description="Clean accuracy on the data set of `verify`.")


class Verify(SpecModel):
    """What a teacher is verified on: a data set whose classes are the teacher's outputs, in their order."""

    dataset: ResourceName = Field(description="Name or id of a data set.")
    images: int = Field(default=1000, ge=50, le=100_000, description="Of its test images, stratified.")


class ToldArchitecture(SpecModel):
    """What a person says of a network; null: as the file tells it, or its layout has it."""

    name: Name = Field(description="A network of the catalog, or its own library's name of it.")
    image_size: int | None = Field(
        default=None, ge=SMALLEST_SIDE, le=LARGEST_SIDE, description="Height and width of the input, pixels."
    )
    channels: Literal[1, 3] | None = None
    stem_stride: Literal[1, 2, 4] | None = Field(
        default=None, description="Of a CIFAR ResNet whose first convolution has another stride than 1."
    )


class NewTeacher(SpecModel):
    """What a person posts before the bytes of a teacher."""

    name: ResourceName
    size: int = Field(ge=1, description="Bytes of the content.")
    layout: Annotated[str, StringConstraints(pattern=LAYOUT)] = Field(
        default="auto", description="`auto`, or a layout of the table."
    )
    architecture: ToldArchitecture | None = Field(
        default=None, description="Where the file does not tell it: name, input size, stem."
    )
    normalisation: Normalisation | Literal["none"] | None = Field(
        default=None, description="`none`: the network takes images in [0, 1] as they are."
    )
    classes: int | None = Field(default=None, ge=1, le=MOST_CLASSES)
    trained_at: TrainedAt | None = None
    published: Published | None = None
    verify: Verify | None = None
    licence: Licence | None = None


class TeacherCheckOrder(SpecModel):
    """What the task that verifies a teacher is to do; ``new`` is the request."""

    new: NewTeacher
    sha256: str = Field(description="Of the content, 64 hexadecimal digits.")
    seed: int = Field(default=0, ge=0, le=2**31 - 1)


class BlockSize(SpecModel):
    """One block of a network, in order; the last one is the head."""

    name: str
    parameters: int = Field(ge=0)
    macs: int = Field(ge=0, description="Multiply-adds of one image.")


class MeasuredShare(SpecModel):
    """A share of images with its 95 % interval (Wilson)."""

    value: float
    low: float
    high: float


class Verification(SpecModel):
    """What was measured of a teacher; ``attack`` is in words, e.g. `pgd20 linf 8/255`."""

    dataset: str
    n: int
    clean: MeasuredShare
    robust: MeasuredShare
    attack: str


class FoundTeacher(SpecModel):
    """All that is known of a teacher that was taken in."""

    digest: str = Field(description="`teacher_digest` of it: two with equal digests are one network.")
    layout: str
    architecture: Architecture
    normalisation: Literal["none"] | Normalisation
    blocks: Annotated[tuple[BlockSize, ...], ARRAY]
    methods: Annotated[tuple[str, ...], ARRAY] = Field(description="That work from it.")
    refused: dict[str, str] = Field(default={}, description="Other methods: why they do not.")
    prefix: str = Field(default="", description="What stood before the names of all tensors, e.g. `module.`.")
    normalisation_tensors: Annotated[tuple[str, ...], ARRAY] = Field(
        default=(), description="Names of a mean and a deviation that the file held, prefix and all."
    )
    verification: Verification | None = None


class TeacherCheckResult(SpecModel):
    """How a verification ended; ``found`` is null where it was rejected."""

    state: Literal["verified", "unverified", "rejected"]
    reason: TeacherRejection | None = None
    message: str | None = Field(default=None, description="Names the tensor or the field, for people.")
    found: FoundTeacher | None = None


def teacher_digest(
    sha256: str, layout: str, architecture: Architecture, normalisation: Literal["none"] | Normalisation
) -> str:
    """SHA-256 of the file's digest, its layout, architecture and normalisation, 64 hexadecimal digits."""
    named: dict[str, Any] = {
        "sha256": sha256,
        "layout": layout,
        "architecture": architecture.model_dump(mode="json"),
        "normalisation": normalisation
        if isinstance(normalisation, str)
        else normalisation.model_dump(mode="json"),
    }
    return hashlib.sha256(json.dumps(named, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
