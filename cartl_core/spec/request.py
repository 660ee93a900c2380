"""What a person writes: everything but ``dataset`` and ``freeze_depth`` may be left out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from cartl_core.spec.acceptance import AcceptSpec
from cartl_core.spec.arm import DEFAULT_LEAD, DEFAULT_MARGIN, LEAD, MOST_CANDIDATES, FreezeDepth, LeftOut
from cartl_core.spec.arm import Arm as Arm
from cartl_core.spec.arm import AutoSpec as AutoSpec
from cartl_core.spec.arm import Method as Method
from cartl_core.spec.arm import MethodOrAuto as MethodOrAuto
from cartl_core.spec.base import ARRAY as ARRAY
from cartl_core.spec.base import OBJECTS, overrides, refusal
from cartl_core.spec.base import SpecModel as SpecModel
from cartl_core.spec.data_and_model import DataRequestOrName, ModelSpecOrName, NewName, Tag
from cartl_core.spec.evaluation import EvaluateSpec
from cartl_core.spec.exports import ALL_EXPORTS, Exports
from cartl_core.spec.given_teacher import TeacherRequestOrId
from cartl_core.spec.job import Preset
from cartl_core.spec.measures.attack import LARGEST_RADIUS
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

AttackOverrides = overrides(
    AttackSpec,
    "Any part of the attack of training; the rest comes from the preset.",
    name=Literal["pgd"],
    norm=Literal["linf"],
    loss=Literal["ce"],
    eps=Annotated[float, Field(ge=0.0, le=LARGEST_RADIUS["linf"])],
    step=Annotated[float, Field(gt=0.0, le=LARGEST_RADIUS["linf"])],
)


PretrainOverrides = overrides(PretrainSpec, "Any part of the pretraining stage.", attack=AttackOverrides)


DisplacementOverrides = overrides(
    DisplacementSpec, "Any part of it; the radius comes from the teacher's training."
)


TransferOverrides = overrides(
    TransferSpec,
    "Any part of the transfer stage.",
    attack=AttackOverrides,
    displacement=DisplacementOverrides,
)


CurveOverrides = overrides(
    CurveSpec, "Any part of the curve; the rest comes from the preset, radii from the data set."
)


CorruptionsOverrides = overrides(CorruptionsSpec, "Any part of it; the rest comes from the preset.")


ChecksOverrides = overrides(
    ChecksSpec, "Any part of the checks; the rest comes from the preset, their attack from the job's."
)


AuditOverrides = overrides(AuditSpec, "Any part of it; the radius comes from the data set.")


SmoothingOverrides = overrides(SmoothingSpec, "Any part of it; sigma must be given.")


GalleryOverrides = overrides(
    GallerySpec, "Any part of it; the rest comes from the preset, norm and radius from the last attack."
)


EvaluateOverrides = overrides(
    EvaluateSpec,
    "Any part of the evaluation stage.",
    curve=CurveOverrides,
    corruptions=CorruptionsOverrides,
    checks=ChecksOverrides,
    audit=AuditOverrides,
    smoothing=SmoothingOverrides,
    gallery=GalleryOverrides,
)


LOWEST_PRIORITY, HIGHEST_PRIORITY = -10, 10
Priority = Annotated[int, Field(ge=LOWEST_PRIORITY, le=HIGHEST_PRIORITY)]
PRIORITY = (
    "Among your own jobs that wait: higher goes first, then the older one. It does not let a job pass those "
    "of others, and it is no part of the specification: equal jobs of unequal priority are equal."
)


TimeLimit = Annotated[float, Field(ge=1.0, le=1e9)]
TIME_LIMIT = (
    "Seconds that one attempt may take; beyond them the job has failed, `timeout`, and a retry goes on from "
    "its last checkpoint. Null: what the deployment allows, which counts in any case. It is no part of the "
    "specification."
)


class BaselineRequest(SpecModel):
    """A baseline with its own settings; what is left out follows the job."""

    method: Method
    freeze_depth: int | None = Field(default=None, ge=0)
    pretrain: PretrainOverrides | None = None  # type: ignore[valid-type]
    transfer: TransferOverrides | None = None  # type: ignore[valid-type]
    teacher_eps: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="Of a resolved specification: the radius of the teacher that was given.",
    )


def _baseline(value: Any) -> Any:
    return {"method": value} if isinstance(value, str) else value


BaselineOrMethod = Annotated[
    BaselineRequest, BeforeValidator(_baseline, json_schema_input_type=Method | BaselineRequest)
]


SelectionAttackOverrides = overrides(
    AttackSpec, "Any part of the attack of the selection; radius and step come from the data set."
)


def _at_least_one(candidates: tuple[BaselineRequest, ...]) -> tuple[BaselineRequest, ...]:
    if not candidates:
        raise refusal("there is no candidate", f"1 to {MOST_CANDIDATES}")
    return candidates


class AutoRequest(SpecModel):
    """How `auto` is to be decided: on validation images alone, never on test images."""

    margin: float = Field(
        default=DEFAULT_MARGIN,
        ge=0.0,
        le=1.0,
        description="Of clean accuracy, as a fraction: the most robust candidate is chosen among those that "
        "come this near to the cleanest one.",
    )
    lead: float = Field(default=DEFAULT_LEAD, ge=0.0, le=10.0, description=LEAD)
    attack: SelectionAttackOverrides | None = None  # type: ignore[valid-type]
    validation_images: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Stratified; of fewer all are used."
    )
    candidates: (
        Annotated[
            tuple[BaselineOrMethod, ...],
            OBJECTS,
            Field(max_length=MOST_CANDIDATES, json_schema_extra={"minItems": 1}),
            AfterValidator(_at_least_one),
        ]
        | None
    ) = Field(
        default=None,
        description="Instead of the catalog's. One without a depth stands for one at every depth that is "
        "tried; plain transfer is added at every depth where it is missing.",
    )
    left_out: Annotated[tuple[LeftOut, ...], ARRAY] = Field(
        default=(),
        max_length=MOST_CANDIDATES,
        description="Of a resolved specification: what `candidates` of the catalog were left out.",
    )


class JobRequest(SpecModel):
    """What a person posts: a target data set and a freeze depth, and whatever else they choose."""

    kind: Literal["transfer"] = "transfer"
    dataset: DataRequestOrName = Field(description="The target: a name, or a name with classes and limits.")
    freeze_depth: FreezeDepth = Field(
        description="Leading blocks frozen, 0 to the model's blocks - 1; `auto` tries several."
    )
    name: NewName | None = None
    tags: Annotated[tuple[Tag, ...], ARRAY] = Field(default=(), max_length=32)
    source: DataRequestOrName | None = Field(default=None, description="What the teacher learns from.")
    model: ModelSpecOrName | None = None
    teacher: TeacherRequestOrId | None = Field(
        default=None,
        description="One that you have brought, instead of one that the job trains: `model` and `pretrain` "
        "are then its own, and a `source` is for its `fdm_epochs` alone.",
    )
    method: MethodOrAuto = Field(default="cartl", description="`auto` tries several.")
    auto: AutoRequest | None = Field(default=None, description="Only beside a method or a depth `auto`.")
    preset: Preset | None = Field(default=None, description="Null takes the deployment's default.")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto", description="Of training; `fp32` also keeps attacks from beginning in bf16."
    )
    pretrain: PretrainOverrides | None = None  # type: ignore[valid-type]
    transfer: TransferOverrides | None = None  # type: ignore[valid-type]
    evaluate: EvaluateOverrides | None = None  # type: ignore[valid-type]
    baselines: Annotated[tuple[BaselineOrMethod, ...], OBJECTS] = Field(
        default=(BaselineRequest(method="vanilla"),),
        max_length=8,
        description="Where something is `auto`, the best plain candidate is there anyway.",
    )
    accept: AcceptSpec | None = Field(
        default=None,
        description="What the job's own student must reach, fixed before the run; the report has a verdict "
        "on each criterion.",
    )
    exports: Exports = ALL_EXPORTS
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    priority: Priority = Field(default=0, description=PRIORITY)
    time_limit: TimeLimit | None = Field(default=None, description=TIME_LIMIT)
