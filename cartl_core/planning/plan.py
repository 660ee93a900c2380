"""What a run consists of, known before it starts: networks, and the stages that make and measure each.

A plan of a transfer has a teacher per distinct setting and a student per arm; one of an evaluation has the
existing network. Either carries its specification, so that who reads a plan need not ask for the kind twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cartl_core.planning.estimates.costs import Cost
from cartl_core.planning.stages import (
    Attacking,
    Continuing,
    Diagnosing,
    Importing,
    Pretraining,
    StageSpec,
    Transferring,
    Work,
)
from cartl_core.spec import Arm, JobSpec, PretrainSpec
from cartl_core.spec.existing_network import EvaluateJobSpec


@dataclass(frozen=True)
class DataCounts:
    """What a plan needs to know of one data set.

    Attributes:
        test_images: those that are attacked.
        validation_images: those that candidates are compared on.
        held_out_images: those of the training split by which an epoch is chosen.
    """

    fingerprint: str
    train_images: int
    test_images: int
    validation_images: int = 0
    held_out_images: int = 0


@dataclass(frozen=True)
class TeacherPlan:
    """A teacher, and what is measured of it on the source's test images.

    One that was given is imported, and nothing is measured of it. One whose training goes on here has its
    import as ``start``.
    """

    stage: StageSpec[Pretraining] | StageSpec[Continuing] | StageSpec[Importing]
    measurements: tuple[StageSpec[Attacking], ...] = ()
    start: StageSpec[Importing] | None = None

    @property
    def pretrain(self) -> PretrainSpec | None:
        """The settings of its training; None where it is used as it was given."""
        work = self.stage.work
        return None if isinstance(work, Importing) else work.pretrain

    @property
    def freeze_depth(self) -> int | None:
        """The depth that it was made for; None when it serves every depth."""
        work = self.stage.work
        return None if isinstance(work, Importing) else work.freeze_depth

    @property
    def stages(self) -> tuple[StageSpec[Work], ...]:
        """What makes it, in order."""
        return (self.start, self.stage) if self.start else (self.stage,)


@dataclass(frozen=True)
class StudentPlan:
    """An arm's student; ``subject`` is what its figures are called in events.

    A candidate's measurements are on validation images, all others on test images. The first of them is
    without an attack.
    """

    stage: StageSpec[Transferring]
    teacher: TeacherPlan
    subject: str
    measurements: tuple[StageSpec[Attacking], ...] = ()
    diagnostics: tuple[StageSpec[Diagnosing], ...] = ()

    @property
    def arm(self) -> Arm:
        """Its method and settings."""
        return self.stage.work.arm


@dataclass(frozen=True)
class ExistingNetworkPlan:
    """A network that is measured as it is; nothing is known of its making."""

    stage: StageSpec[Importing]
    measurements: tuple[StageSpec[Attacking], ...] = ()
    diagnostics: tuple[StageSpec[Diagnosing], ...] = ()
    subject: str = "student"
    role: str = "target"
    """Of the data set that it is measured on."""


@dataclass(frozen=True)
class TransferPlan:
    """All stages of a transfer, in the order in which they run; ``costs`` by digest.

    While a choice among ``candidates`` is open there are no ``students``; the costs of those that are still
    unknown stand under the digests of others that cost no less.
    """

    spec: JobSpec
    teachers: tuple[TeacherPlan, ...]
    students: tuple[StudentPlan, ...]
    costs: dict[str, Cost]
    candidates: tuple[StudentPlan, ...] = ()

    @property
    def trained(self) -> tuple[StudentPlan, ...]:
        """Every student that is trained, each once."""
        return tuple({plan.stage.digest: plan for plan in (*self.students, *self.candidates)}.values())

    @property
    def measured(self) -> tuple[StudentPlan, ...]:
        """The networks that are measured on the target: the job's own first."""
        return self.students

    @property
    def stages(self) -> tuple[StageSpec[Work], ...]:
        """All of them, each once, in the order in which a run comes to them."""
        return _each_once(
            *(teacher.stages for teacher in self.teachers),
            (student.stage for student in self.trained),
            *(candidate.measurements for candidate in self.candidates),
            *(student.measurements for student in self.students),
            *(teacher.measurements for teacher in self.teachers),
            *(student.diagnostics for student in self.students),
        )


@dataclass(frozen=True)
class EvaluationPlan:
    """All stages of an evaluation; ``costs`` by digest.

    Attributes:
        network: on the first data set.
        further: the same network on the others, in the order of the specification.
    """

    spec: EvaluateJobSpec
    network: ExistingNetworkPlan
    costs: dict[str, Cost]
    further: tuple[ExistingNetworkPlan, ...] = ()

    @property
    def measured(self) -> tuple[ExistingNetworkPlan, ...]:
        """The one network, once for each data set that it is measured on."""
        return (self.network, *self.further)

    @property
    def stages(self) -> tuple[StageSpec[Work], ...]:
        """All of them, each once, in the order in which a run comes to them."""
        return _each_once(
            (self.network.stage,),
            *(network.measurements for network in self.measured),
            *(network.diagnostics for network in self.measured),
        )


def _each_once(*groups: Iterable[StageSpec[Work]]) -> tuple[StageSpec[Work], ...]:
    return tuple({stage.digest: stage for group in groups for stage in group}.values())


NetworkPlan = StudentPlan | ExistingNetworkPlan
Plan = TransferPlan | EvaluationPlan
