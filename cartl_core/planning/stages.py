"""What a plan is made of: the stages of a run as values."""

from __future__ import annotations

from dataclasses import dataclass

from cartl_core.planning.stage_digests import (
    StageKey,
)
from cartl_core.spec import (
    Arm,
    AttackSpec,
    PretrainSpec,
)
from cartl_core.spec.probe import ProbeSpec


@dataclass(frozen=True)
class TestData:
    """What a plan needs to know of one data set.

    Attributes:
        test_images: those that are attacked.
        validation_images: those that candidates are compared on.
    """

    __test__ = False

    fingerprint: str
    train_images: int
    test_images: int
    validation_images: int = 0


@dataclass(frozen=True)
class Measurement:
    """One attack (None: no attack) on one network."""

    key: StageKey
    attack: AttackSpec | None


@dataclass(frozen=True)
class Probing:
    """One probe on one student; ``others`` are the subjects of the students that it uses besides."""

    key: StageKey
    name: str
    asked: ProbeSpec
    others: tuple[str, ...]


@dataclass(frozen=True)
class TeacherPlan:
    """A teacher; ``freeze_depth`` is None when it serves every depth."""

    key: StageKey
    pretrain: PretrainSpec
    freeze_depth: int | None
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True)
class StudentPlan:
    """An arm's student; ``subject`` is what its figures are called in events.

    A candidate's measurements are on validation images, all others on test images.
    """

    key: StageKey
    arm: Arm
    teacher: TeacherPlan
    subject: str
    measurements: tuple[Measurement, ...]
    probings: tuple[Probing, ...] = ()

    @property
    def freeze_depth(self) -> int:
        """Leading blocks that were held fixed."""
        return self.arm.freeze_depth


@dataclass(frozen=True)
class GivenPlan:
    """A network that is measured as it is; nothing is known of its making."""

    key: StageKey
    sha256: str
    measurements: tuple[Measurement, ...]
    probings: tuple[Probing, ...] = ()
    subject: str = "student"
    freeze_depth: int = 0


@dataclass(frozen=True)
class Plan:
    """All stages, in the order in which they run; ``costs`` by digest, see ``progress``.

    While a choice among ``candidates`` is open there are no ``students``; the costs of those that are still
    unknown stand under the digests of others that cost no less.
    """

    teachers: tuple[TeacherPlan, ...]
    students: tuple[StudentPlan, ...]
    costs: dict[str, float]
    given: GivenPlan | None = None
    candidates: tuple[StudentPlan, ...] = ()

    @property
    def trained(self) -> tuple[StudentPlan, ...]:
        """Every student that is trained, each once."""
        return tuple({plan.key.digest: plan for plan in (*self.students, *self.candidates)}.values())

    @property
    def measured(self) -> tuple[StudentPlan | GivenPlan, ...]:
        """The networks that are measured on the target: the job's own first."""
        return (*((self.given,) if self.given else ()), *self.students)
