"""The teacher that a job was given: what it is, what was measured of it, and how the job used it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cartl_core.report.values import Value
from cartl_core.spec import TeacherSpec
from cartl_core.spec.given_teacher import EpsFrom
from cartl_core.spec.resources.teacher import TrainedAt, Verification


class GivenTeacher(Value):
    """A network that a person brought, from which the students of the job started."""

    name: str
    digest: str
    layout: str = Field(description="Of the file that it was brought in.")
    network: str = Field(description="Its family and size.")
    used: Literal["as_it_is", "continued"] = Field(
        description="`continued`: methods that want the feature distance started from it after `fdm_epochs` "
        "of that training on the source, and all others from it as it is."
    )
    fdm_epochs: int | None
    trained_at: TrainedAt | None = Field(description="As its owner says.")
    eps: float = Field(description="The radius in linf that it is taken to hold within, in pixel units.")
    eps_from: EpsFrom = Field(description="`target`: the default, the radius of the target's evaluation.")
    verification: Verification | None = Field(description="Null where nothing was measured of it.")


def given(teacher: TeacherSpec) -> GivenTeacher:
    """What a report says of the teacher of a specification."""
    return GivenTeacher(
        name=teacher.name,
        digest=teacher.digest,
        layout=teacher.layout,
        network=teacher.architecture.model.name,
        used="as_it_is" if teacher.fdm_epochs is None else "continued",
        fdm_epochs=teacher.fdm_epochs,
        trained_at=teacher.trained_at,
        eps=teacher.eps,
        eps_from=teacher.eps_from,
        verification=teacher.verification,
    )
