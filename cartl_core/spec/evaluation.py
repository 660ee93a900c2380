"""What is measured of a network."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
)

from cartl_core.spec.arm import Arm as Arm
from cartl_core.spec.arm import AutoSpec as AutoSpec
from cartl_core.spec.arm import Method as Method
from cartl_core.spec.arm import MethodOrAuto as MethodOrAuto
from cartl_core.spec.base import ARRAY as ARRAY
from cartl_core.spec.base import OBJECTS
from cartl_core.spec.base import SpecModel as SpecModel
from cartl_core.spec.measures.attack import MOST_ATTACKS, Norm
from cartl_core.spec.measures.attack import AttackSpec as AttackSpec
from cartl_core.spec.measures.certificates import AuditSpec as AuditSpec
from cartl_core.spec.measures.certificates import SmoothingSpec as SmoothingSpec
from cartl_core.spec.measures.corruptions import CorruptionsSpec as CorruptionsSpec
from cartl_core.spec.measures.curve import CurveSpec as CurveSpec
from cartl_core.spec.measures.diagnostics import ChecksSpec as ChecksSpec
from cartl_core.spec.measures.diagnostics import DiagnosticSpec
from cartl_core.spec.measures.diagnostics import GallerySpec as GallerySpec
from cartl_core.spec.threat_model import MOST_THREAT_MODELS, ThreatModel, agreed
from cartl_core.spec.training import Augmentation as Augmentation
from cartl_core.spec.training import DisplacementSpec as DisplacementSpec
from cartl_core.spec.training import FeatureDistance as FeatureDistance
from cartl_core.spec.training import FeatureLayers as FeatureLayers
from cartl_core.spec.training import Objective as Objective
from cartl_core.spec.training import PretrainSpec as PretrainSpec
from cartl_core.spec.training import Selection as Selection
from cartl_core.spec.training import TrainingSpec as TrainingSpec
from cartl_core.spec.training import TransferSpec as TransferSpec

EvaluationPreset = Literal["quick", "pgd20", "pgd100", "autoattack", "ensemble"]


class EvaluateSpec(SpecModel):
    """What is measured on the target's test images, and of the teacher on its source."""

    preset: EvaluationPreset | None = Field(
        default=None,
        description="Attacks and probes by name; null takes those of the job's preset. What is written "
        "beside it replaces its own part.",
    )
    norm: Norm = Field(
        default="linf",
        description="Of attacks and curve that come from a preset. `linf`: at the radius of the data set; "
        "`l2`: at 0.5, `l1`: at 12, of networks that take 3 x 32 x 32.",
    )
    attacks: Annotated[tuple[AttackSpec, ...], OBJECTS, Field(max_length=MOST_ATTACKS)]
    threat_models: Annotated[tuple[ThreatModel, ...], OBJECTS, Field(max_length=MOST_THREAT_MODELS)] = Field(
        default=(),
        validate_default=True,
        description="Whom `attacks` stand for, one a norm: they follow from the attacks. In a request they "
        "may be stated, and are refused where the attacks are those of another adversary.",
    )
    source_attacks: Annotated[tuple[AttackSpec, ...], OBJECTS, Field(max_length=MOST_ATTACKS)] = Field(
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

    @field_validator("threat_models")
    @classmethod
    def _of_the_attacks(cls, stated: tuple[ThreatModel, ...], info: ValidationInfo) -> Any:
        """Those of the attacks, whether somebody stated them or not; nothing where the attacks are faulty."""
        return agreed(stated, info.data["attacks"]) if "attacks" in info.data else stated

    @model_serializer(mode="wrap")
    def _without_what_follows(  # type: ignore[no-untyped-def]  # with a type, the JSON schema would be its
        self, serialise: SerializerFunctionWrapHandler, info: SerializationInfo
    ):
        """Threat models follow from the attacks, so they are left out with the defaults, and of digests."""
        told = serialise(self)
        if info.exclude_defaults:
            told.pop("threat_models", None)
        return told

    @property
    def diagnostics(self) -> dict[str, DiagnosticSpec]:
        """The diagnostics that are asked for, by name, in the order of the fields."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in values.items() if isinstance(value, DiagnosticSpec)}
