"""From a specification to its plan: every stage laid out before the first one runs.

Where something is ``auto`` the plan is made twice: first the candidates, each measured on validation images;
then, with the choice among them, what is measured on test images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cartl_core.catalog.candidates import plain_ones
from cartl_core.planning.diagnostic_table import DIAGNOSTIC_FACTS
from cartl_core.planning.plan import (
    DataCounts,
    EvaluationPlan,
    ExistingNetworkPlan,
    StudentPlan,
    TeacherPlan,
    TransferPlan,
)
from cartl_core.planning.stage_digests import RunSetting, StageKey
from cartl_core.planning.stages import (
    Attacking,
    Continuing,
    DataRef,
    Diagnosing,
    Importing,
    Pretraining,
    StageSpec,
    Work,
    attacking,
    continuing,
    diagnosing,
    importing,
    pretraining,
    transferring,
)
from cartl_core.spec import Arm, AttackSpec, AutoSpec, EvaluateSpec, JobSpec, PretrainSpec, Runtime
from cartl_core.spec.existing_network import EvaluateJobSpec
from cartl_core.statistics.candidate_selection import ModelSelection


def plan_evaluation(
    spec: EvaluateJobSpec, *, target: DataCounts, runtime: Runtime, further: Sequence[DataCounts] = ()
) -> EvaluationPlan:
    """The existing network taken in, then every measurement and diagnostic of it.

    Args:
        target: the first data set.
        further: the others, as ``spec.further`` has them.
    """
    setting = RunSetting(spec.seed, runtime, spec.evaluate.batch_size)
    stage = importing(spec.network.file_digest, setting=setting)
    network = _measured_on(_test_images(spec.evaluate, target), spec.evaluate, stage, setting)
    others = tuple(
        replace(
            _measured_on(
                _test_images(part.evaluate, counts, role), part.evaluate, stage, setting, part.dataset.name
            ),
            subject=role.replace("target", "student"),
            role=role,
        )
        for role, part, counts in zip(further_roles(spec), spec.further, further, strict=True)
    )
    stages: list[StageSpec[Work]] = [stage]
    for plan in (network, *others):
        stages += [*plan.measurements, *plan.diagnostics]
    return EvaluationPlan(spec, network, {stage.digest: stage.cost for stage in stages}, others)


def further_roles(spec: EvaluateJobSpec) -> tuple[str, ...]:
    """What the data sets of ``spec.further`` are called in its plan: ``target-2``, ``target-3``."""
    return tuple(f"target-{number}" for number in range(2, 2 + len(spec.further)))


def _measured_on(
    tests: DataRef,
    evaluate: EvaluateSpec,
    stage: StageSpec[Importing],
    setting: RunSetting,
    named: str | None = None,
) -> ExistingNetworkPlan:
    """The existing network on one data set, which labels of its stages name where there are several."""
    subject = f"{stage.key.label}, {named}" if named else stage.key.label
    return ExistingNetworkPlan(
        stage,
        measurements=_measurements(evaluate.attacks, subject, stage.key, tests, setting),
        diagnostics=_diagnostics(evaluate, subject, stage.key, tests, setting),
    )


def plan_transfer(
    spec: JobSpec,
    *,
    source: DataCounts | None,
    target: DataCounts,
    runtime: Runtime,
    choice: ModelSelection | None = None,
) -> TransferPlan:
    """Teachers, students and what is measured of each; arms with equal teachers share one.

    Args:
        source: None where no teacher is trained.
        choice: among the candidates, once they were compared.
    """
    layout = _Layout(spec, source, target, runtime)
    if spec.auto is None:
        return layout.plan(layout.students(spec.arms))
    candidates = tuple(
        layout.candidate(number, arm, spec.auto) for number, arm in enumerate(spec.auto.candidates, start=1)
    )
    students = layout.students(_arms_after(spec.auto, choice or _dearest(spec.auto), spec.baselines))
    plan = layout.plan(students, candidates)
    return plan if choice else replace(plan, students=())


def _arms_after(auto: AutoSpec, choice: ModelSelection, baselines: tuple[Arm, ...]) -> tuple[Arm, ...]:
    """What is measured on test images: the chosen arm, the best plain one, then what was asked for."""
    chosen, plain = auto.candidates[choice.chosen], auto.candidates[choice.baseline]
    return tuple(dict.fromkeys((chosen, plain, *baselines)))


def _dearest(auto: AutoSpec) -> ModelSelection:
    """A choice that costs as much as any: two different arms, where there are two."""
    plain = plain_ones(auto.candidates)
    return ModelSelection(chosen=plain.index(False) if False in plain else 0, baseline=plain.index(True))


class _Layout:
    """A plan of a transfer while it grows: each teacher once."""

    def __init__(
        self, spec: JobSpec, source: DataCounts | None, target: DataCounts, runtime: Runtime
    ) -> None:
        self.spec, self.source, self.target = spec, source, target
        self.setting = RunSetting(spec.seed, runtime, spec.evaluate.batch_size)
        self.teachers: dict[str, TeacherPlan] = {}

    def plan(
        self, students: tuple[StudentPlan, ...], candidates: tuple[StudentPlan, ...] = ()
    ) -> TransferPlan:
        """All of it, with what each stage costs."""
        teachers = tuple(self.teachers.values())
        stages: list[StageSpec[Work]] = []
        for teacher in teachers:
            stages += [*teacher.stages, *teacher.measurements]
        for student in (*students, *candidates):
            stages += [student.stage, *student.measurements, *student.diagnostics]
        costs = {stage.digest: stage.cost for stage in stages}
        return TransferPlan(self.spec, teachers, students, costs, candidates)

    def students(self, arms: tuple[Arm, ...]) -> tuple[StudentPlan, ...]:
        """A student an arm, the job's own first, each with all that is measured on test images."""
        evaluate, tests = self.spec.evaluate, _test_images(self.spec.evaluate, self.target)
        made: list[StudentPlan] = []
        for arm in arms:
            twins = sum(other.arm.method == arm.method for other in made[1:])
            numbered = f"{arm.method}-{twins + 1}" if twins else arm.method
            student = self._student(arm, f"student ({arm.method})", numbered if made else "student")
            found = _measurements(evaluate.attacks, arm.method, student.stage.key, tests, self.setting)
            made.append(replace(student, measurements=found))
        return tuple(
            replace(student, diagnostics=self._diagnostics(student, made, tests)) for student in made
        )

    def candidate(self, number: int, arm: Arm, auto: AutoSpec) -> StudentPlan:
        """One of those among which a run chooses, measured on validation images alone."""
        named = f"candidate {number} ({arm.method}, depth {arm.freeze_depth})"
        subject = f"{named}, validation images"
        student = self._student(arm, named, subject)
        target = self.target
        compared = DataRef(
            "target", "validation", target.fingerprint, auto.validation_images, target.validation_images
        )
        found = _measurements((auto.attack,), subject, student.stage.key, compared, self.setting)
        return replace(student, measurements=found)

    def _student(self, arm: Arm, label: str, subject: str) -> StudentPlan:
        teacher = self._teacher(arm)
        stage = transferring(
            arm,
            teacher.stage.key,
            model=self.spec.model,
            fingerprint=self.target.fingerprint,
            images=self.target.train_images,
            validation=self.target.held_out_images,
            setting=self.setting,
            label=label,
        )
        return StudentPlan(stage, teacher, subject)

    def _teacher(self, arm: Arm) -> TeacherPlan:
        made = self._imported() if arm.pretrain is None else self._trained(arm.pretrain, arm.freeze_depth)
        return self.teachers.setdefault(made.stage.digest, made)

    def _imported(self) -> TeacherPlan:
        return TeacherPlan(self._given_teacher())

    def _given_teacher(self) -> StageSpec[Importing]:
        assert self.spec.teacher is not None
        return importing(self.spec.teacher.sha256, setting=self.setting, label="the given teacher")

    def _trained(self, pretrain: PretrainSpec, freeze_depth: int) -> TeacherPlan:
        """A teacher that is trained on the source, from scratch or from the one that was given."""
        source, evaluate = self.source, self.spec.evaluate
        assert source is not None
        start = self._given_teacher() if self.spec.teacher else None
        stage: StageSpec[Pretraining] | StageSpec[Continuing]
        if start is None:
            stage = pretraining(
                pretrain,
                freeze_depth,
                model=self.spec.model,
                fingerprint=source.fingerprint,
                images=source.train_images,
                validation=source.held_out_images,
                setting=self.setting,
            )
        else:
            stage = continuing(
                pretrain,
                freeze_depth,
                start.key,
                fingerprint=source.fingerprint,
                images=source.train_images,
                validation=source.held_out_images,
                setting=self.setting,
            )
        tests = DataRef("source", "test", source.fingerprint, evaluate.source_test_limit, source.test_images)
        found = _measurements(evaluate.source_attacks, stage.key.label, stage.key, tests, self.setting)
        return TeacherPlan(stage, found, start)

    def _diagnostics(
        self, student: StudentPlan, students: Sequence[StudentPlan], tests: DataRef
    ) -> tuple[StageSpec[Diagnosing], ...]:
        others = tuple((other.subject, other.stage.key) for other in students if other is not student)
        return _diagnostics(
            self.spec.evaluate,
            student.arm.method,
            student.stage.key,
            tests,
            self.setting,
            freeze_depth=student.arm.freeze_depth,
            others=others,
            own=student is students[0],
        )


def _test_images(evaluate: EvaluateSpec, target: DataCounts, role: str = "target") -> DataRef:
    return DataRef(role, "test", target.fingerprint, evaluate.test_limit, target.test_images)


def _measurements(
    attacks: tuple[AttackSpec, ...], subject: str, network: StageKey, data: DataRef, setting: RunSetting
) -> tuple[StageSpec[Attacking], ...]:
    """No attack, then each attack, on one network."""
    return tuple(attacking(attack, subject, network, data, setting=setting) for attack in (None, *attacks))


def _diagnostics(
    evaluate: EvaluateSpec,
    subject: str,
    network: StageKey,
    data: DataRef,
    setting: RunSetting,
    *,
    freeze_depth: int = 0,
    others: tuple[tuple[str, StageKey], ...] = (),
    own: bool = True,
) -> tuple[StageSpec[Diagnosing], ...]:
    """Every diagnostic that is asked for, on one network; ``own``: it is the job's own student."""
    return tuple(
        diagnosing(
            name,
            asked,
            subject,
            network,
            data,
            freeze_depth=freeze_depth,
            others=others if DIAGNOSTIC_FACTS[name].uses_others else (),
            setting=setting,
        )
        for name, asked in evaluate.diagnostics.items()
        if own or not DIAGNOSTIC_FACTS[name].own_only
    )
