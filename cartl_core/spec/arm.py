"""One way from a teacher to a student, with nothing left open."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, GetCoreSchemaHandler, GetPydanticSchema

from cartl_core.spec.attack import AttackSpec
from cartl_core.spec.base import ARRAY, SpecModel
from cartl_core.spec.methods import Method as Method
from cartl_core.spec.methods import MethodOrAuto as MethodOrAuto
from cartl_core.spec.training import PretrainSpec, TransferSpec


class Arm(SpecModel):
    """One way from a teacher to a student: the job's own method, a candidate, or a baseline beside it."""

    method: Method
    freeze_depth: int = Field(ge=0, description="Leading blocks frozen.")
    pretrain: PretrainSpec
    transfer: TransferSpec


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
