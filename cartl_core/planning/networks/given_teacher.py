"""The teacher that a job is given: what it settles, and what nobody else may then settle. Errors name it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from cartl_core.catalog import METHODS, MethodFacts, facts_of
from cartl_core.catalog.candidates import CandidateFacts
from cartl_core.errors import SpecError
from cartl_core.planning.lookup import KnownTeacher, Lookup
from cartl_core.spec import Arm, BaselineRequest, DataSpec, JobRequest, ModelSpec, TeacherRequest, TeacherSpec
from cartl_core.spec.given_teacher import EpsFrom

OWN = "the teacher is given (`teacher`), and this is its own"


@dataclass(frozen=True)
class GivenTeacher:
    """A teacher as a job keeps it, and what its network rules out.

    Attributes:
        blocks: of the network, its head included.
        refused: methods that do not work from it, and why.
    """

    spec: TeacherSpec
    blocks: int
    refused: Mapping[str, str]

    def check_method(self, method: str, field: str) -> None:
        """Refuse what the network's family refuses, in its words; names ``field``."""
        if method in self.refused:
            fitting = ", ".join(name for name in METHODS if name not in self.refused)
            raise SpecError(field, self.refused[method], allowed=fitting)

    def ruled_out(self, row: CandidateFacts) -> Literal["another_teacher", "refused"] | None:
        """Why a candidate of the catalog cannot be tried from it; None where it can."""
        if row.method in self.refused:
            return "refused"
        return "another_teacher" if row.pretrain and METHODS[row.method].objective == "at" else None

    def continues(self, facts: MethodFacts) -> bool:
        """Whether its training is continued for that method."""
        return self.spec.fdm_epochs is not None and facts.objective == "fdm"


def find_teacher(asked: TeacherRequest, lookup: Lookup) -> KnownTeacher:
    """The teacher that a request names.

    Raises:
        SpecError: there is none, or it is another network than the one asked for.
    """
    known = lookup.teacher(asked)
    if asked.digest not in (None, known.digest):
        raise SpecError(
            "teacher.digest",
            f"teacher {known.name} has another: {known.digest}",
            allowed="the one that it has, or leave it out",
        )
    return known


def given_teacher(asked: TeacherRequest, known: KnownTeacher, target: DataSpec) -> GivenTeacher:
    """What the job keeps of it.

    Raises:
        SpecError: its network takes no such images.
    """
    model, facts = known.architecture.model, facts_of(target)
    if facts.channels > model.channels:
        raise SpecError(
            "teacher",
            f"{target.name} has colour images, and the network of {known.name} takes one channel",
            allowed="a teacher of colour images",
        )
    trained_at = known.trained_at or asked.trained_at
    eps, eps_from = facts.eval_eps, _TARGET
    if trained_at is not None and trained_at.norm == "linf" and 0 < trained_at.eps <= 1:
        eps, eps_from = trained_at.eps, _TRAINED_AT
    spec = TeacherSpec(
        id=known.id,
        fdm_epochs=asked.fdm_epochs,
        trained_at=trained_at,
        name=known.name,
        digest=known.digest,
        sha256=known.sha256,
        layout=known.layout,
        architecture=known.architecture,
        normalisation=known.normalisation,
        eps=eps,
        eps_from=eps_from,
        verification=known.verification,
        licence=known.licence,
    )
    return GivenTeacher(spec, known.blocks, known.refused)


_TARGET: EpsFrom = "target"
_TRAINED_AT: EpsFrom = "trained_at"


def check_model(asked: ModelSpec | None, teacher: TeacherSpec) -> ModelSpec:
    """The teacher's own; a request may only repeat it, as a resolved specification does."""
    model = teacher.architecture.model
    if asked is not None and any(
        getattr(asked, name) != getattr(model, name) for name in asked.model_fields_set
    ):
        raise SpecError("model", OWN, allowed="leave it out")
    return model


def refuse_pretraining(written: JobRequest | BaselineRequest, arm: Arm | None, where: str) -> None:
    """Nothing of a given teacher's training is left to set; a request may only repeat it, likewise."""
    made = arm.pretrain.model_dump() if arm is not None and arm.pretrain is not None else None
    if written.pretrain is not None and (made is None or not _repeats(written.pretrain, made)):
        raise SpecError(f"{where}pretrain", OWN, allowed="leave it out")
    eps = getattr(written, "teacher_eps", None)
    if eps is not None and (arm is None or eps != arm.teacher_eps):
        raise SpecError(f"{where}teacher_eps", "the radius is that of `teacher`", allowed="leave it out")


def _repeats(written: BaseModel, made: Mapping[str, Any]) -> bool:
    """Whether all that is written stands in ``made`` as well."""
    return bool(written.model_fields_set) and _is_within(written.model_dump(exclude_unset=True), made)


def _is_within(part: Mapping[str, Any], whole: Mapping[str, Any]) -> bool:
    return all(
        _is_within(value, whole[name])
        if isinstance(value, dict) and isinstance(whole.get(name), dict)
        else value == whole.get(name)
        for name, value in part.items()
    )
