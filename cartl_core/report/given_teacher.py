"""The teacher that a job uses: what it is, what was measured of it, and how the job used it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cartl_core.report.values import Value
from cartl_core.spec import JobSpec, ModelSpec, TeacherSpec
from cartl_core.spec.existing_network import EvaluateJobSpec
from cartl_core.spec.given_teacher import EpsFrom, TeacherFacts
from cartl_core.spec.resources.teacher import TrainedAt, Verification


class GivenTeacher(Value):
    """A network that a person brought: students of the job started from it, or the job measures it."""

    name: str
    digest: str
    layout: str = Field(description="Of the file that it was brought in.")
    network: str = Field(description="Its family and size.")
    used: Literal["as_it_is", "continued", "measured"] = Field(
        description="`as_it_is`: students started from it. `continued`: methods that want the feature "
        "distance started from it after `fdm_epochs` of that training on the source, and all others from it "
        "as it is. `measured`: it is the network of an evaluation."
    )
    fdm_epochs: int | None
    trained_at: TrainedAt | None = Field(description="As its owner says.")
    eps: float | None = Field(
        description="The radius in linf that it is taken to hold within, in pixel units; null of one that "
        "is measured."
    )
    eps_from: EpsFrom | None = Field(
        description="`target`: the default, the radius of the target's evaluation; null likewise."
    )
    verification: Verification | None = Field(
        description="What was measured when it was brought; null where nothing was: it is unverified."
    )
    licence: str | None = Field(default=None, description="As its owner says; null where nobody said it.")


def teacher_of(spec: JobSpec | EvaluateJobSpec) -> GivenTeacher | None:
    """What a report says of the teacher that a job is given or measures, before it has begun too; None where
    there is none, or nothing is known of it."""
    match spec:
        case JobSpec():
            return given(spec.teacher) if spec.teacher else None
        case EvaluateJobSpec():
            facts = spec.network.facts
            return measured(facts, spec.model) if facts else None


def measured(teacher: TeacherFacts, model: ModelSpec) -> GivenTeacher:
    """What a report says of the teacher that an evaluation measures."""
    return GivenTeacher(
        name=teacher.name,
        digest=teacher.digest,
        layout=teacher.layout,
        network=model.name,
        used="measured",
        fdm_epochs=None,
        trained_at=teacher.trained_at,
        eps=None,
        eps_from=None,
        verification=teacher.verification,
        licence=teacher.licence,
    )


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
        licence=teacher.licence,
    )
