"""What a run consists of, known before it starts: a teacher per distinct setting, a student per arm, and
a measurement per network and attack, each with its digest and its cost.

Where something is `auto` the plan is made twice: first the candidates, each measured on validation images;
then, with the choice among them, what is measured on test images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from cartl_core.catalog.candidates import plain_ones
from cartl_core.planning.costs import measurement_cost, probe_cost, student_cost, teacher_cost
from cartl_core.planning.probe_table import PROBE_FACTS
from cartl_core.planning.stage_digests import (
    StageKey,
    given_key,
    measurement_key,
    probe_key,
    student_key,
    teacher_key,
)
from cartl_core.planning.stages import (
    GivenPlan,
    Measurement,
    Plan,
    Probing,
    StudentPlan,
    TeacherPlan,
    TestData,
)
from cartl_core.spec import (
    Arm,
    AttackSpec,
    AutoSpec,
    JobSpec,
    Runtime,
)
from cartl_core.spec.existing_network import EvaluateJobSpec
from cartl_core.statistics.candidate_selection import Choice


def plan_of(
    spec: JobSpec | EvaluateJobSpec,
    source: TestData | None,
    target: TestData,
    runtime: Runtime,
    choice: Choice | None = None,
) -> Plan:
    """Lay out the stages of a job of either kind; ``source`` is None where nothing is trained."""
    if isinstance(spec, EvaluateJobSpec):
        return plan_evaluation(spec, target=target, runtime=runtime)
    assert source is not None
    return make_plan(spec, source=source, target=target, runtime=runtime, choice=choice)


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


def make_plan(
    spec: JobSpec, *, source: TestData, target: TestData, runtime: Runtime, choice: Choice | None = None
) -> Plan:
    """Lay out the stages of ``spec``; arms with equal teachers share one.

    Args:
        choice: among the candidates, once they were compared.
    """
    layout = _Layout(spec, source, target, runtime)
    if spec.auto is None:
        students = layout.students(spec.arms)
        return Plan(tuple(layout.teachers.values()), students, layout.costs)
    candidates = tuple(
        layout.candidate(number, arm, spec.auto) for number, arm in enumerate(spec.auto.candidates, start=1)
    )
    students = layout.students(_arms_after(spec.auto, choice or _dearest(spec.auto), spec.baselines))
    return Plan(
        tuple(layout.teachers.values()),
        students if choice else (),
        layout.costs,
        candidates=candidates,
    )


def _arms_after(auto: AutoSpec, choice: Choice, baselines: tuple[Arm, ...]) -> tuple[Arm, ...]:
    """What is measured on test images: the chosen arm, the best plain one, then what was asked for."""
    chosen, plain = auto.candidates[choice.chosen], auto.candidates[choice.plain]
    return tuple(dict.fromkeys((chosen, plain, *baselines)))


def _dearest(auto: AutoSpec) -> Choice:
    """A choice that costs as much as any: two different arms, where there are two."""
    plain = plain_ones(auto.candidates)
    return Choice(chosen=plain.index(False) if False in plain else 0, plain=plain.index(True))


class _Layout:
    """A plan of a transfer while it grows."""

    def __init__(self, spec: JobSpec, source: TestData, target: TestData, runtime: Runtime) -> None:
        self.spec, self.source, self.target, self.runtime = spec, source, target, runtime
        self.teachers: dict[str, TeacherPlan] = {}
        self.costs: dict[str, float] = {}

    def students(self, arms: tuple[Arm, ...]) -> tuple[StudentPlan, ...]:
        """A student an arm, the job's own first, each with all that is measured on test images."""
        evaluate = self.spec.evaluate
        made: list[StudentPlan] = []
        for arm in arms:
            twins = sum(other.arm.method == arm.method for other in made[1:])
            rival = f"{arm.method}-{twins + 1}" if twins else arm.method
            student = self._student(arm, f"student ({arm.method})", rival if made else "student")
            found = self._measured(
                arm.method, student.key, evaluate.attacks, self.target, evaluate.test_limit
            )
            made.append(replace(student, measurements=found))
        return tuple(replace(student, probings=self._probed(student, made)) for student in made)

    def candidate(self, number: int, arm: Arm, auto: AutoSpec) -> StudentPlan:
        """One of those among which a run chooses, measured on validation images alone."""
        named = f"candidate {number} ({arm.method}, depth {arm.freeze_depth})"
        student = self._student(arm, named, f"{named}, validation images")
        return replace(
            student,
            measurements=_measurements(
                self.spec,
                f"{named}, validation images",
                student.key,
                (auto.attack,),
                self.target,
                auto.validation_images,
                self.runtime,
                self.costs,
                split="validation",
            ),
        )

    def _student(self, arm: Arm, label: str, subject: str) -> StudentPlan:
        teacher = self._teacher(arm)
        key = student_key(
            arm,
            teacher.key,
            target_fingerprint=self.target.fingerprint,
            seed=self.spec.seed,
            runtime=self.runtime,
            label=label,
        )
        self.costs[key.digest] = student_cost(arm, self.spec.model, self.target.train_images)
        return StudentPlan(key, arm, teacher, subject, ())

    def _teacher(self, arm: Arm) -> TeacherPlan:
        key = teacher_key(
            arm.pretrain,
            arm.freeze_depth,
            model=self.spec.model,
            source_fingerprint=self.source.fingerprint,
            seed=self.spec.seed,
            runtime=self.runtime,
        )
        if key.digest not in self.teachers:
            evaluate = self.spec.evaluate
            self.costs[key.digest] = teacher_cost(arm.pretrain, self.source.train_images)
            self.teachers[key.digest] = TeacherPlan(
                key,
                arm.pretrain,
                None if arm.pretrain.serves_every_depth else arm.freeze_depth,
                self._measured(
                    key.label, key, evaluate.source_attacks, self.source, evaluate.source_test_limit
                ),
            )
        return self.teachers[key.digest]

    def _measured(
        self, subject: str, key: StageKey, attacks: tuple[AttackSpec, ...], data: TestData, limit: int | None
    ) -> tuple[Measurement, ...]:
        return _measurements(self.spec, subject, key, attacks, data, limit, self.runtime, self.costs)

    def _probed(self, student: StudentPlan, students: Sequence[StudentPlan]) -> tuple[Probing, ...]:
        spec, method = self.spec, student.arm.method
        return _probings(spec, method, student, students, self.target, self.runtime, self.costs)


def _measurements(
    spec: JobSpec | EvaluateJobSpec,
    subject: str,
    network: StageKey,
    attacks: tuple[AttackSpec, ...],
    data: TestData,
    limit: int | None,
    runtime: Runtime,
    costs: dict[str, float],
    split: Literal["test", "validation"] = "test",
) -> tuple[Measurement, ...]:
    """No attack, then each attack, on one network; their costs go to ``costs``."""
    images = data.test_images if split == "test" else data.validation_images
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
            split=split,
        )
        costs[key.digest] = measurement_cost(attack, images)
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
