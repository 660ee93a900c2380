"""One way from a teacher to a student, with nothing left open."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, GetCoreSchemaHandler, GetPydanticSchema

from cartl_core.spec.base import ARRAY, SpecModel
from cartl_core.spec.measures.attack import AttackSpec
from cartl_core.spec.methods import Method as Method
from cartl_core.spec.methods import MethodOrAuto as MethodOrAuto
from cartl_core.spec.training import PretrainSpec, TransferSpec


class Arm(SpecModel):
    """One way from a teacher to a student: the job's own method, a candidate, or a baseline beside it."""

    method: Method
    freeze_depth: int = Field(ge=0, description="Leading blocks frozen.")
    pretrain: PretrainSpec | None = Field(
        description="Of its teacher, or of the teacher's further training; null: a teacher that was given, "
        "as it is."
    )
    transfer: TransferSpec
    teacher_eps: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="Where `pretrain` is null: the radius in linf that its teacher is taken to hold within.",
    )

    @property
    def inner_eps(self) -> float:
        """The radius of its teacher's training in linf, pixel units.

        Raises:
            ValueError: nobody has said it.
        """
        if self.pretrain is not None:
            return self.pretrain.attack.eps
        if self.teacher_eps is None:
            raise ValueError("an arm without a pretraining needs the radius of its teacher")
        return self.teacher_eps

    @property
    def farthest(self) -> float:
        """The largest radius of its teacher's training, as a share of ``inner_eps``."""
        return max(self.pretrain.radii) if self.pretrain is not None else 1.0


AUTO: Literal["auto"] = "auto"
MOST_CANDIDATES = 24
DEFAULT_MARGIN = 0.01
DEFAULT_LEAD = 2.0
"""About what the reports' 95 % intervals ask for."""
LEAD = (
    "Another candidate than plain transfer must hold more validation images than the best plain one by more "
    "than so many standard errors of the paired difference, or be cleaner by more than the margin and as "
    "robust; 0: by any."
)


def _one_fault(source: Any, handler: GetCoreSchemaHandler) -> Any:
    """A union whose error is one fault, not one for each of its branches."""
    return {
        **handler(source),
        "custom_error_type": "freeze_depth",
        "custom_error_message": "a whole number of at least 0, or auto, is expected",
    }


FreezeDepth = Annotated[Annotated[int, Field(ge=0)] | Literal["auto"], GetPydanticSchema(_one_fault)]


class LeftOut(SpecModel):
    """A candidate of the catalog that the teacher which was given rules out."""

    method: Method
    why: Literal["another_teacher", "refused"] = Field(
        description="It needs a teacher that is trained otherwise, or the network's family refuses it."
    )


class AutoSpec(SpecModel):
    """The candidates, and how one of them is chosen (see ``cartl_core.statistics.candidate_selection``)."""

    margin: float = Field(
        ge=0.0,
        le=1.0,
        description="Of clean accuracy, as a fraction: the most robust candidate is chosen among those that "
        "come this near to the cleanest one.",
    )
    lead: float = Field(default=DEFAULT_LEAD, ge=0.0, le=10.0, description=LEAD)
    attack: AttackSpec = Field(description="On the validation images; the choice goes by it.")
    validation_images: int = Field(ge=1, le=1_000_000, description="Stratified; of fewer all are used.")
    candidates: Annotated[tuple[Arm, ...], ARRAY] = Field(
        min_length=1,
        max_length=MOST_CANDIDATES,
        description="Plain transfer (`vanilla`) at every depth that occurs is among them.",
    )
    left_out: Annotated[tuple[LeftOut, ...], ARRAY] = Field(
        default=(),
        max_length=MOST_CANDIDATES,
        description="Candidates of the catalog that the given teacher rules out.",
    )
