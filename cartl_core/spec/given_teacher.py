"""The teacher that a job starts from instead of training one: as a request names it, and as it was found."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from cartl_core.spec.architecture import Architecture
from cartl_core.spec.base import SpecModel
from cartl_core.spec.data_and_model import DataName, Sha256
from cartl_core.spec.resources.common import Licence
from cartl_core.spec.resources.teacher import Normalisation, TrainedAt, Verification

EpsFrom = Literal["trained_at", "target"]


class TeacherRequest(SpecModel):
    """Which teacher. A bare string stands for the teacher of that id or name, as it is.

    All but ``id``, ``fdm_epochs`` and ``trained_at`` is what a specification keeps; it is looked up anew at
    each request.
    """

    id: DataName = Field(description="Id or name of a teacher of yours, or id of one shared with you.")
    fdm_epochs: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Epochs of feature distance minimisation that continue its training, on the source, "
        "before `cartl` uses it; null: it is used as it is.",
    )
    trained_at: TrainedAt | None = Field(
        default=None, description="The attack that it was trained against, where the teacher does not say it."
    )
    name: DataName | None = None
    digest: Sha256 | None = Field(
        default=None, description="Which network; where it is given, the teacher must have it."
    )
    sha256: Sha256 | None = Field(default=None, description="Of its network file.")
    layout: str | None = Field(default=None, max_length=64, description="That it was brought in.")
    architecture: Architecture | None = None
    normalisation: Literal["none"] | Normalisation | None = None
    eps: float | None = Field(
        default=None, ge=0.0, le=1.0, description="The radius in linf that it is taken to hold within."
    )
    eps_from: EpsFrom | None = Field(
        default=None,
        description="Where `eps` is from: its own training, or by default the evaluation of the target.",
    )
    verification: Verification | None = Field(default=None, description="What was measured of it, if it was.")
    licence: Licence | None = Field(
        default=None,
        exclude_if=lambda licence: licence is None,
        description="As its owner says. Left out where nobody said it.",
    )


class TeacherSpec(TeacherRequest):
    """The teacher of a resolved job: all is known but what its publisher and its verification did not say."""

    name: DataName
    digest: Sha256
    sha256: Sha256
    layout: str = Field(max_length=64)
    architecture: Architecture
    normalisation: Literal["none"] | Normalisation
    eps: float = Field(ge=0.0, le=1.0)
    eps_from: EpsFrom


class TeacherFacts(SpecModel):
    """What the specification of an evaluation keeps of the teacher that it measures."""

    name: DataName
    digest: Sha256
    layout: str = Field(max_length=64)
    trained_at: TrainedAt | None = None
    verification: Verification | None = None
    licence: Licence | None = None


def _named(value: Any) -> Any:
    return {"id": value} if isinstance(value, str) else value


TeacherRequestOrId = Annotated[
    TeacherRequest, BeforeValidator(_named, json_schema_input_type=DataName | TeacherRequest)
]
