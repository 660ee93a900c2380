"""The specification of a run: one frozen value in HTTP, SQL and library.

``JobRequest`` is what a person writes: everything but ``dataset`` and ``freeze_depth`` may be left
out. ``cartl_core.resolve.resolve`` turns it into a ``JobSpec``, in which nothing is left open. The
JSON of a ``JobSpec`` is a valid ``JobRequest`` that resolves to itself.

Types are strict (``true``, ``"3"`` and ``1.5`` are no integers), unknown fields are refused, and
every float is finite. All radii and steps are in pixel units on [0, 1].
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints

from cartl_core.arm_spec import Arm as Arm
from cartl_core.arm_spec import Method as Method
from cartl_core.attack_facts import LARGEST_RADIUS
from cartl_core.attack_spec import AttackSpec as AttackSpec
from cartl_core.auto_spec import DEFAULT_LEAD, DEFAULT_MARGIN, LEAD, MOST_CANDIDATES, FreezeDepth
from cartl_core.auto_spec import AutoSpec as AutoSpec
from cartl_core.auto_spec import MethodOrAuto as MethodOrAuto
from cartl_core.certificate_spec import AuditSpec as AuditSpec
from cartl_core.certificate_spec import SmoothingSpec as SmoothingSpec
from cartl_core.checks_spec import ChecksSpec as ChecksSpec
from cartl_core.corruption_facts import CorruptionsSpec as CorruptionsSpec
from cartl_core.curve_spec import CurveSpec as CurveSpec
from cartl_core.gallery_spec import GallerySpec as GallerySpec
from cartl_core.overrides import overrides
from cartl_core.part import ARRAY as ARRAY
from cartl_core.part import Part as Part
from cartl_core.probe_spec import ProbeSpec
from cartl_core.training_spec import Augmentation as Augmentation
from cartl_core.training_spec import DisplacementSpec as DisplacementSpec
from cartl_core.training_spec import FeatureDistance as FeatureDistance
from cartl_core.training_spec import FeatureLayers as FeatureLayers
from cartl_core.training_spec import Objective as Objective
from cartl_core.training_spec import PretrainSpec as PretrainSpec
from cartl_core.training_spec import Selection as Selection
from cartl_core.training_spec import TrainingSpec as TrainingSpec
from cartl_core.training_spec import TransferSpec as TransferSpec

Preset = Literal["smoke", "quick", "paper"]
EvaluationPreset = Literal["quick", "pgd20", "pgd100", "autoattack", "ensemble"]
DatasetName = Literal["digits", "fashion_mnist", "mnist", "cifar10", "cifar100", "svhn", "gtsrb"]

Label = Annotated[int, Field(ge=0, le=999)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Tag = Annotated[
    str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:=-]*$")
]


class DataSpec(Part):
    """Which images of which data set. A bare string stands for the whole data set."""

    name: DatasetName
    classes: Annotated[tuple[Label, ...], ARRAY, Field(min_length=2, max_length=1000)] | None = Field(
        default=None,
        description="Labels kept, distinct; class i of the task is classes[i]. Null keeps all.",
    )
    train_limit: int | None = Field(
        default=None,
        ge=10,
        le=10_000_000,
        description="Images kept of the training split (stratified, drawn with the job's seed), "
        "before the validation part is taken out. Null keeps all.",
    )
    validation_fraction: float = Field(
        default=0.1, ge=0.01, le=0.5, description="Part of the training images kept for selection."
    )


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


DataSpecOrName = Annotated[DataSpec, BeforeValidator(_named, json_schema_input_type=DatasetName | DataSpec)]


class ModelSpec(Part):
    """A network: its family and size, and the shape of its input."""

    name: Name = Field(
        description="wrn-D-W (depth D = 6n + 4, width W), resnet18, resnet34, resnet50, or tiny."
    )
    stem_stride: Literal[1, 2, 4] = Field(
        default=1, description="Stride of the first convolution; 2 or 4 for small machines."
    )
    image_size: int = Field(default=32, ge=8, le=256, description="Height and width of the input, pixels.")
    channels: Literal[1, 3] = 3


ModelSpecOrName = Annotated[ModelSpec, BeforeValidator(_named, json_schema_input_type=str | ModelSpec)]


class EvaluateSpec(Part):
    """What is measured on the target's test images, and of the teacher on its source."""

    preset: EvaluationPreset | None = Field(
        default=None,
        description="Attacks and probes by name; null takes those of the job's preset. What is written "
        "beside it replaces its own part.",
    )
    attacks: Annotated[tuple[AttackSpec, ...], ARRAY, Field(max_length=32)]
    source_attacks: Annotated[tuple[AttackSpec, ...], ARRAY, Field(max_length=32)] = Field(
        description="Attacks on the teacher, on the source's test images."
    )
    test_limit: int | None = Field(
        default=None, ge=10, le=10_000_000, description="Test images used, stratified; null uses all."
    )
    source_test_limit: int | None = Field(default=None, ge=10, le=10_000_000)
    batch_size: int = Field(default=256, ge=1, le=65_536)
    curve: CurveSpec | None = Field(
        default=None, description="Robust accuracy over eps, of the student and every baseline; null: none."
    )
    corruptions: CorruptionsSpec | None = Field(
        default=None, description="Accuracy under common corruptions, of the same; null: none."
    )
    checks: ChecksSpec | None = Field(
        default=None,
        description="Checks against self-deception, of the same; null: only what needs no probe.",
    )
    audit: AuditSpec | None = Field(
        default=None, description="Proven norms of the layers, what they certify, measured displacement."
    )
    smoothing: SmoothingSpec | None = Field(
        default=None,
        description="Randomised smoothing: a certificate of the smoothed classifier; null: none.",
    )
    gallery: GallerySpec | None = Field(
        default=None, description="Pictures of what fools the student most; null: none."
    )

    @property
    def probes(self) -> dict[str, ProbeSpec]:
        """The probes that are asked for, by name, in the order of the fields."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in values.items() if isinstance(value, ProbeSpec)}


class JobSpec(Part):
    """A fully resolved job: nothing left open but what the machine decides (see ``Runtime``)."""

    kind: Literal["transfer"] = "transfer"
    name: Name | None = None
    tags: Annotated[tuple[Tag, ...], ARRAY] = Field(default=(), max_length=32)
    preset: Preset
    dataset: DataSpecOrName
    source: DataSpecOrName
    model: ModelSpecOrName
    method: MethodOrAuto
    freeze_depth: FreezeDepth
    pretrain: PretrainSpec | None = Field(description="Null where the candidates of `auto` have their own.")
    transfer: TransferSpec | None = Field(description="Null where the candidates of `auto` have their own.")
    auto: AutoSpec | None = Field(
        default=None, description="How `auto` is decided; null where nothing is left to choose."
    )
    evaluate: EvaluateSpec
    baselines: Annotated[tuple[Arm, ...], ARRAY] = Field(default=(), max_length=8)
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
        if self.method == "auto" or self.freeze_depth == "auto" or not (self.pretrain and self.transfer):
            raise ValueError("method or freeze_depth is auto: a run chooses among the candidates")
        return Arm(
            method=self.method,
            freeze_depth=self.freeze_depth,
            pretrain=self.pretrain,
            transfer=self.transfer,
        )

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The job's own arm or its candidates first, then its baselines."""
        return (*self.own, *self.baselines)


class Runtime(Part):
    """What the machine decided: fixed at the first claim, reused by every retry and resume."""

    device: Literal["cpu", "cuda"]
    device_name: str
    threads: int = Field(ge=1)
    precision: Literal["fp32", "bf16"] = Field(description="Of training; evaluation is always fp32.")
    python: str
    torch: str
    torchvision: str
    cartl: str
    machine: str = Field(description="Processor architecture, e.g. x86_64.")


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


class BaselineRequest(Part):
    """A baseline with its own settings; what is left out follows the job."""

    method: Method
    freeze_depth: int | None = Field(default=None, ge=0)
    pretrain: PretrainOverrides | None = None  # type: ignore[valid-type]
    transfer: TransferOverrides | None = None  # type: ignore[valid-type]


def _baseline(value: Any) -> Any:
    return {"method": value} if isinstance(value, str) else value


BaselineOrMethod = Annotated[
    BaselineRequest, BeforeValidator(_baseline, json_schema_input_type=Method | BaselineRequest)
]


SelectionAttackOverrides = overrides(
    AttackSpec, "Any part of the attack of the selection; radius and step come from the data set."
)


class AutoRequest(Part):
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
    candidates: Annotated[tuple[BaselineOrMethod, ...], ARRAY] | None = Field(
        default=None,
        min_length=1,
        max_length=MOST_CANDIDATES,
        description="Instead of the catalog's. One without a depth stands for one at every depth that is "
        "tried; plain transfer is added at every depth where it is missing.",
    )


class JobRequest(Part):
    """What a person posts: a target data set and a freeze depth, and whatever else they choose."""

    kind: Literal["transfer"] = "transfer"
    dataset: DataSpecOrName = Field(description="The target: a name, or a name with classes and limits.")
    freeze_depth: FreezeDepth = Field(
        description="Leading blocks frozen, 0 to the model's blocks - 1; `auto` tries several."
    )
    name: Name | None = None
    tags: Annotated[tuple[Tag, ...], ARRAY] = Field(default=(), max_length=32)
    source: DataSpecOrName | None = Field(default=None, description="What the teacher learns from.")
    model: ModelSpecOrName | None = None
    method: MethodOrAuto = Field(default="cartl", description="`auto` tries several.")
    auto: AutoRequest | None = Field(default=None, description="Only beside a method or a depth `auto`.")
    preset: Preset | None = Field(default=None, description="Null takes the deployment's default.")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    pretrain: PretrainOverrides | None = None  # type: ignore[valid-type]
    transfer: TransferOverrides | None = None  # type: ignore[valid-type]
    evaluate: EvaluateOverrides | None = None  # type: ignore[valid-type]
    baselines: Annotated[tuple[BaselineOrMethod, ...], ARRAY] = Field(
        default=(BaselineRequest(method="vanilla"),),
        max_length=8,
        description="Where something is `auto`, the best plain candidate is there anyway.",
    )
    seed: int = Field(default=0, ge=0, le=2**31 - 1)


def canonical_json(value: BaseModel | dict[str, Any] | list[Any]) -> str:
    """JSON with sorted keys and no blanks: equal values give equal text."""
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def digest(value: BaseModel | dict[str, Any] | list[Any]) -> str:
    """SHA-256 of ``canonical_json``, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
