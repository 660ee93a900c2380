"""What a run consists of, known before it starts: a teacher per distinct setting, a student per arm, and
a measurement per network and attack, each with its digest and its cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cartl_core.evaluate_spec import EvaluateJobSpec
from cartl_core.probe_facts import PROBE_FACTS
from cartl_core.probe_spec import ProbeSpec
from cartl_core.progress import measurement_cost, probe_cost, student_cost, teacher_cost
from cartl_core.spec import Arm, AttackSpec, JobSpec, PretrainSpec, Runtime
from cartl_core.stage_keys import StageKey, given_key, measurement_key, probe_key, student_key, teacher_key


@dataclass(frozen=True)
class TestData:
    """What a plan needs to know of one data set: ``test_images`` are those that are attacked."""

    __test__ = False

    fingerprint: str
    train_images: int
    test_images: int


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
    """An arm's student; ``subject`` is what its figures are called in events."""

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
    """All stages, in the order in which they run; ``costs`` by digest, see ``progress``."""

    teachers: tuple[TeacherPlan, ...]
    students: tuple[StudentPlan, ...]
    costs: dict[str, float]
    given: GivenPlan | None = None

    @property
    def measured(self) -> tuple[StudentPlan | GivenPlan, ...]:
        """The networks that are measured on the target: the job's own first."""
        return (*((self.given,) if self.given else ()), *self.students)


def plan_of(
    spec: JobSpec | EvaluateJobSpec, source: TestData | None, target: TestData, runtime: Runtime
) -> Plan:
    """Lay out the stages of a job of either kind; ``source`` is None where nothing is trained."""
    if isinstance(spec, EvaluateJobSpec):
        return plan_evaluation(spec, target=target, runtime=runtime)
    assert source is not None
    return make_plan(spec, source=source, target=target, runtime=runtime)


def plan_evaluation(spec: EvaluateJobSpec, *, target: TestData, runtime: Runtime) -> Plan:
    """Lay out the stages of an evaluation: the network taken in, then every measurement and probe."""
    costs: dict[str, float] = {}
    assert spec.network.sha256 is not None
    key = given_key(spec.network.sha256, seed=spec.seed, runtime=runtime)
    costs[key.digest] = measurement_cost(None, target.test_images)
    limit = spec.evaluate.test_limit
    measured = _measurements(spec, key.label, key, spec.evaluate.attacks, target, limit, runtime, costs)
    given = GivenPlan(key, spec.network.sha256, measured)
    given = replace(given, probings=_probings(spec, key.label, given, (), target, runtime, costs))
    return Plan((), (), costs, given)


def make_plan(spec: JobSpec, *, source: TestData, target: TestData, runtime: Runtime) -> Plan:
    """Lay out the stages of ``spec``; arms with equal teachers share one."""
    teachers: dict[str, TeacherPlan] = {}
    students: list[StudentPlan] = []
    costs: dict[str, float] = {}

    def measurements(
        subject: str, key: StageKey, attacks: tuple[AttackSpec, ...], data: TestData, limit: int | None
    ) -> tuple[Measurement, ...]:
        return _measurements(spec, subject, key, attacks, data, limit, runtime, costs)

    for arm in spec.arms:
        key = teacher_key(
            arm.pretrain,
            arm.freeze_depth,
            model=spec.model,
            source_fingerprint=source.fingerprint,
            seed=spec.seed,
            runtime=runtime,
        )
        if key.digest not in teachers:
            costs[key.digest] = teacher_cost(arm.pretrain, source.train_images)
            teachers[key.digest] = TeacherPlan(
                key,
                arm.pretrain,
                None if arm.pretrain.serves_every_depth else arm.freeze_depth,
                measurements(
                    key.label, key, spec.evaluate.source_attacks, source, spec.evaluate.source_test_limit
                ),
            )
        student = student_key(
            arm, key, target_fingerprint=target.fingerprint, seed=spec.seed, runtime=runtime
        )
        costs[student.digest] = student_cost(arm, spec.model, target.train_images)
        students.append(
            StudentPlan(
                student,
                arm,
                teachers[key.digest],
                arm.method if students else "student",
                measurements(arm.method, student, spec.evaluate.attacks, target, spec.evaluate.test_limit),
            )
        )
    students = [
        replace(
            student,
            probings=_probings(spec, student.arm.method, student, students, target, runtime, costs),
        )
        for student in students
    ]
    return Plan(tuple(teachers.values()), tuple(students), costs)


def _measurements(
    spec: JobSpec | EvaluateJobSpec,
    subject: str,
    network: StageKey,
    attacks: tuple[AttackSpec, ...],
    data: TestData,
    limit: int | None,
    runtime: Runtime,
    costs: dict[str, float],
) -> tuple[Measurement, ...]:
    """No attack, then each attack, on one network; their costs go to ``costs``."""
    found = []
    for attack in (None, *attacks):
        key = measurement_key(
            subject,
            network,
            attack,
            data_fingerprint=data.fingerprint,
            test_limit=limit,
            batch_size=spec.evaluate.batch_size,
            seed=spec.seed,
            runtime=runtime,
        )
        costs[key.digest] = measurement_cost(attack, data.test_images)
        found.append(Measurement(key, attack))
    return tuple(found)


def _probings(
    spec: JobSpec | EvaluateJobSpec,
    subject: str,
    network: StudentPlan | GivenPlan,
    students: Sequence[StudentPlan],
    target: TestData,
    runtime: Runtime,
    costs: dict[str, float],
) -> tuple[Probing, ...]:
    """Every probe that is asked for, on one of the networks; their costs go to ``costs``."""
    found = []
    for name, asked in spec.evaluate.probes.items():
        if PROBE_FACTS[name].own_only and students and network is not students[0]:
            continue
        others = [other for other in students if other is not network]
        if not PROBE_FACTS[name].uses_others:
            others = []
        key = probe_key(
            subject,
            network.key,
            name,
            asked,
            others=tuple(other.key for other in others),
            data_fingerprint=target.fingerprint,
            test_limit=spec.evaluate.test_limit,
            batch_size=spec.evaluate.batch_size,
            seed=spec.seed,
            runtime=runtime,
        )
        costs[key.digest] = probe_cost(name, asked, target.test_images)
        found.append(Probing(key, name, asked, tuple(other.subject for other in others)))
    return tuple(found)
