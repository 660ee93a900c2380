"""The specification of a run: one frozen value in HTTP, SQL and library.

``JobRequest`` is what a person writes: everything but ``dataset`` and ``freeze_depth`` may be left
out. ``cartl_core.planning.resolve.resolve`` turns it into a ``JobSpec``, in which nothing is left open. The
JSON of a ``JobSpec`` is a valid ``JobRequest`` that resolves to itself.

Types are strict (``true``, ``"3"`` and ``1.5`` are no integers), unknown fields are refused, and
every float is finite. All radii and steps are in pixel units on [0, 1].
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from cartl_core.spec.acceptance import AcceptSpec
from cartl_core.spec.arm import Arm as Arm
from cartl_core.spec.arm import AutoSpec as AutoSpec
from cartl_core.spec.arm import FreezeDepth
from cartl_core.spec.arm import Method as Method
from cartl_core.spec.arm import MethodOrAuto as MethodOrAuto
from cartl_core.spec.base import ARRAY as ARRAY
from cartl_core.spec.base import OBJECTS
from cartl_core.spec.base import SpecModel as SpecModel
from cartl_core.spec.data_and_model import Commit, DataSpecOrName, ModelSpecOrName, Name, Sha256, Tag
from cartl_core.spec.evaluation import EvaluateSpec
from cartl_core.spec.exports import ALL_EXPORTS, Exports
from cartl_core.spec.given_teacher import TeacherSpec
from cartl_core.spec.measures.attack import AttackSpec as AttackSpec
from cartl_core.spec.measures.certificates import AuditSpec as AuditSpec
from cartl_core.spec.measures.certificates import SmoothingSpec as SmoothingSpec
from cartl_core.spec.measures.corruptions import CorruptionsSpec as CorruptionsSpec
from cartl_core.spec.measures.curve import CurveSpec as CurveSpec
from cartl_core.spec.measures.diagnostics import ChecksSpec as ChecksSpec
from cartl_core.spec.measures.diagnostics import GallerySpec as GallerySpec
from cartl_core.spec.training import Augmentation as Augmentation
from cartl_core.spec.training import DisplacementSpec as DisplacementSpec
from cartl_core.spec.training import FeatureDistance as FeatureDistance
from cartl_core.spec.training import FeatureLayers as FeatureLayers
from cartl_core.spec.training import Objective as Objective
from cartl_core.spec.training import PretrainSpec as PretrainSpec
from cartl_core.spec.training import Selection as Selection
from cartl_core.spec.training import TrainingSpec as TrainingSpec
from cartl_core.spec.training import TransferSpec as TransferSpec

Preset = Literal["smoke", "quick", "paper"]


class JobSpec(SpecModel):
    """A fully resolved job: nothing left open but what the machine decides (see ``Runtime``)."""

    kind: Literal["transfer"] = "transfer"
    name: Name | None = None
    tags: Annotated[tuple[Tag, ...], ARRAY] = Field(default=(), max_length=32)
    preset: Preset
    dataset: DataSpecOrName
    source: DataSpecOrName | None = Field(
        description="What the teacher learns from; null where it was given and learns no further."
    )
    model: ModelSpecOrName
    teacher: TeacherSpec | None = Field(
        default=None, description="Given, instead of trained; `model` is then its own."
    )
    method: MethodOrAuto
    freeze_depth: FreezeDepth
    pretrain: PretrainSpec | None = Field(
        description="Null where the candidates of `auto` have their own, and of a teacher that is used as it "
        "is."
    )
    transfer: TransferSpec | None = Field(description="Null where the candidates of `auto` have their own.")
    auto: AutoSpec | None = Field(
        default=None, description="How `auto` is decided; null where nothing is left to choose."
    )
    evaluate: EvaluateSpec
    baselines: Annotated[tuple[Arm, ...], OBJECTS] = Field(default=(), max_length=8)
    accept: AcceptSpec | None = Field(
        default=None, description="What the job's own student must reach; the report has the verdicts."
    )
    exports: Exports = ALL_EXPORTS
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: int = Field(default=0, ge=0, le=2**31 - 1)

    @property
    def own(self) -> tuple[Arm, ...]:
        """What the job is about: its own arm, or the candidates of which a run chooses one."""
        return self.auto.candidates if self.auto else (self.arm,)

    @property
    def arm(self) -> Arm:
        """The job's own arm.

        Raises:
            ValueError: a run has to choose it first.
        """
        if self.method == "auto" or self.freeze_depth == "auto" or self.transfer is None:
            raise ValueError("method or freeze_depth is auto: a run chooses among the candidates")
        return Arm(
            method=self.method,
            freeze_depth=self.freeze_depth,
            pretrain=self.pretrain,
            transfer=self.transfer,
            teacher_eps=self.teacher.eps if self.teacher and self.pretrain is None else None,
        )

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The job's own arm or its candidates first, then its baselines."""
        return (*self.own, *self.baselines)


AttackPrecision = Literal["fp32", "bf16"]


class Runtime(SpecModel):
    """What the machine decided: fixed at the first claim, reused by every retry and resume."""

    device: Literal["cpu", "cuda"]
    device_name: str
    threads: int = Field(ge=1, description="Of each stage.")
    precision: Literal["fp32", "bf16"] = Field(description="Of training; measurements are judged in fp32.")
    python: str
    torch: str
    torchvision: str
    cartl: str
    machine: str = Field(description="Processor architecture, e.g. x86_64.")
    stages_at_once: int = Field(
        default=1, ge=1, description="Stages that are computed at a time. It changes no number."
    )
    attack_precision: AttackPrecision = Field(
        default="fp32",
        description="In which long attacks begin (PGD with 100 steps or more, in linf or l2). What fell is "
        "confirmed and what stands is finished in fp32.",
    )
    commit: Commit | None = Field(
        default=None, description="Of the code, by git; null where it is not known. It changes no digest."
    )
    tree_changed: bool | None = Field(
        default=None,
        description="Whether tracked files were others than the commit's; null where that is not known.",
    )
    image: Sha256 | None = Field(
        default=None, description="SHA-256 of the container image, where the deployment names it."
    )

    @property
    def code(self) -> str | None:
        """The commit, with ``-changed`` behind it where the tree was another one; None: not known."""
        return self.commit and f"{self.commit}{'-changed' if self.tree_changed else ''}"


def without_defaults(value: BaseModel) -> dict[str, Any]:
    """A value as JSON types, without the fields that have their defaults.

    So a field that is added later, with the default that stands for what was done before, is not there until
    somebody sets it. What the default of a field is must never change: another one would be taken for it.
    """
    return value.model_dump(mode="json", exclude_defaults=True)


def canonical_json(value: BaseModel | dict[str, Any] | list[Any]) -> str:
    """JSON with sorted keys and no blanks, without fields at their default: equal values give equal text."""
    plain = without_defaults(value) if isinstance(value, BaseModel) else value
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def digest(value: BaseModel | dict[str, Any] | list[Any]) -> str:
    """SHA-256 of ``canonical_json``, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
