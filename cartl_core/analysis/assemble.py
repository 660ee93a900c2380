"""The report while it grows: what is known so far of teachers and students, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cartl_core.analysis.checks import Seen, judge
from cartl_core.analysis.comparisons import compare
from cartl_core.analysis.descriptions import differing_students, frozen_in_words, learned_in_words
from cartl_core.analysis.evidence import evidence
from cartl_core.analysis.headline import headline
from cartl_core.analysis.metrics import (
    Fallen,
    Held,
    TestSet,
    figures,
    history_of,
    validation,
    worst_case,
)
from cartl_core.analysis.retention import kept
from cartl_core.analysis.selection import OnValidation, decide, promise, selection
from cartl_core.analysis.warnings import broken_promise, warnings
from cartl_core.catalog import METHODS, model_facts
from cartl_core.planning.stage_digests import StageKey, spec_digest
from cartl_core.planning.stages import (
    GivenPlan,
    Measurement,
    Plan,
    Probing,
    StudentPlan,
    TeacherPlan,
)
from cartl_core.render import phrases
from cartl_core.render.phrases import failed_checks
from cartl_core.report import ArmReport, Figures, PairedComparison, Report, Teacher
from cartl_core.report.checks import Check
from cartl_core.report.comparisons import Kept
from cartl_core.report.selection import Promise, Selection
from cartl_core.report.values import Value
from cartl_core.spec import JobSpec, Runtime
from cartl_core.spec.existing_network import EvaluateJobSpec
from cartl_core.statistics.candidate_selection import Choice


@dataclass(frozen=True)
class Outcome:
    """Which images held in one measurement, and the seconds it took."""

    held: tuple[bool, ...]
    seconds: float


@dataclass
class Book:
    """Filled in by the pipeline stage by stage; ``report`` reads it at any time.

    Attributes:
        plan: it grows once, when a candidate is chosen.
        remarks: warnings that come from the machine rather than from the figures.
        facts: result of each finished training, by digest.
        reused: digests of stages that were found finished.
        measured: by the digest of the measurement.
        probed: what each finished probe found, by its digest.
        fallen: where each test image fell on each finished curve, or in the checks, likewise.
        seen: what each finished run of the checks took down, likewise.
        seconds: wall time by stage label, of this attempt.
    """

    spec: JobSpec | EvaluateJobSpec
    runtime: Runtime
    plan: Plan
    source: TestSet | None
    target: TestSet
    remarks: tuple[str, ...] = ()
    facts: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    reused: set[str] = field(default_factory=set)
    measured: dict[str, Outcome] = field(default_factory=dict)
    probed: dict[str, Value] = field(default_factory=dict)
    fallen: dict[str, Fallen] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def took(self, key: StageKey, seconds: float, *, reused: bool) -> None:
        """A stage is done, in so many seconds of wall time."""
        self.seconds[key.label] = self.seconds.get(key.label, 0.0) + seconds
        if reused:
            self.reused.add(key.digest)

    def clean(self, measurements: tuple[Measurement, ...]) -> tuple[bool, ...] | None:
        """Which images are right without an attack; None before that was measured."""
        found = self.measured.get(measurements[0].key.digest)
        return found.held if found else None

    def attacks(self, measurements: tuple[Measurement, ...]) -> list[Held]:
        """The outcomes of the attacks that are done."""
        return [
            Held(measurement.attack, outcome.held, outcome.seconds)
            for measurement in measurements
            if measurement.attack is not None and (outcome := self.measured.get(measurement.key.digest))
        ]

    def places(self, probings: tuple[Probing, ...]) -> dict[str, Fallen]:
        """Where the test images fell, by the name of each probe that is done and tells."""
        return {own.name: self.fallen[own.key.digest] for own in probings if own.key.digest in self.fallen}

    def choice(self) -> Choice:
        """Which candidate to take, once all of them are measured on validation images."""
        assert isinstance(self.spec, JobSpec)
        assert self.spec.auto is not None
        plans = self.plan.candidates
        found = [outcome for plan in plans if (outcome := self._on_validation(plan))]
        return decide(self.spec.auto, plans, found, self.spec.model.name)

    def report(self, *, complete: bool) -> Report:
        """The report as known now."""
        arms = [self._of(plan) for plan in self.plan.measured]
        student, baselines = next(iter(arms), None), tuple(arm for arm in arms[1:] if arm is not None)
        chosen = self._selection()
        found = [arm for arm in (student, *baselines) if arm]
        teachers = tuple(
            self._teacher(teacher) for teacher in self.plan.teachers if teacher.key.digest in self.facts
        )
        known = Report(
            complete=complete,
            spec=self.spec,
            spec_digest=spec_digest(self.spec),
            runtime=self.runtime,
            headline=headline(student, baselines, chosen) if student else None,
            warnings=(
                *broken_promise(chosen),
                *failed_checks(found),
                *self.remarks,
                *warnings(self.spec, teachers, found, self._parts()),
            ),
            teachers=teachers,
            selection=chosen,
            student=student,
            baselines=baselines,
            seconds=dict(self.seconds),
        )
        return known.model_copy(update={"evidence": evidence(known)}) if complete else known

    def _selection(self) -> Selection | None:
        if not isinstance(self.spec, JobSpec) or self.spec.auto is None:
            return None
        return selection(
            self.spec.auto,
            self.plan.candidates,
            model=self.spec.model.name,
            seed=self.spec.seed,
            facts=self.facts,
            found=self._on_validation,
            promised=self._promise,
        )

    def _on_validation(self, candidate: StudentPlan) -> OnValidation | None:
        clean, attacks = self.clean(candidate.measurements), self.attacks(candidate.measurements)
        return OnValidation(clean, worst_case(clean, attacks)) if clean and attacks else None

    def _promise(self, choice: Choice) -> Promise | None:
        """The first baseline of a choice is the best plain candidate, unless that was chosen itself."""
        assert isinstance(self.spec, JobSpec)
        assert self.spec.auto is not None
        rivals = self.plan.students[1:2]
        compared = self._comparisons(rivals[0]) if rivals else ()
        attacked = bool(self.spec.evaluate.attacks)
        return promise(choice, self.spec.auto.margin, compared, attacked=attacked)

    def _parts(self) -> dict[str, int]:
        """Into how many parts batches had to be cut, by the training's label; old results do not tell."""
        keys = [teacher.key for teacher in self.plan.teachers]
        keys += [student.key for student in self.plan.trained]
        found: dict[str, int] = {}
        for key in keys:
            parts = self.facts.get(key.digest, {}).get("parts", 1)
            found[key.label] = max(parts, found.get(key.label, 1))
        return found

    def _teacher(self, plan: TeacherPlan) -> Teacher:
        facts = self.facts[plan.key.digest]
        return Teacher(
            objective=plan.pretrain.objective,
            digest=plan.key.digest,
            freeze_depth=plan.freeze_depth,
            epochs=plan.pretrain.epochs,
            selected_epoch=facts["selected_epoch"],
            reused=plan.key.digest in self.reused,
            train_eps=plan.pretrain.attack.eps * max(plan.pretrain.radii),
            history=history_of(facts, plan.pretrain),
            figures=self._figures(plan.measurements, self.source) if self.source else None,
        )

    def _of(self, plan: StudentPlan | GivenPlan) -> ArmReport | None:
        if plan.key.digest not in self.facts:
            return None
        return self._given(plan) if isinstance(plan, GivenPlan) else self._arm(plan)

    def _given(self, plan: GivenPlan) -> ArmReport:
        """A network of which only its figures are known."""
        return ArmReport(
            blocks=model_facts(self.spec.model.name).blocks,
            student_digest=plan.sha256,
            reused=plan.key.digest in self.reused,
            figures=self._figures(plan.measurements, self.target, plan.probings),
            checks=self._checks(plan),
        )

    def _arm(self, plan: StudentPlan) -> ArmReport:
        facts = self.facts[plan.key.digest]
        arm, blocks = plan.arm, model_facts(self.spec.model.name).blocks
        return ArmReport(
            method=arm.method,
            settings=self._settings(plan),
            freeze_depth=arm.freeze_depth,
            k=blocks - arm.freeze_depth,
            blocks=blocks,
            frozen=frozen_in_words(blocks, arm.freeze_depth, arm.transfer),
            learned=learned_in_words(arm.transfer),
            objective=METHODS[arm.method].objective,
            teacher_digest=plan.teacher.key.digest,
            student_digest=plan.key.digest,
            selected_epoch=facts["selected_epoch"],
            validation=validation(facts),
            history=history_of(facts, arm.transfer),
            reused=plan.key.digest in self.reused,
            tuned_layer_norms=facts["norms"],
            figures=self._figures(plan.measurements, self.target, plan.probings),
            kept=self._kept(plan),
            checks=self._checks(plan),
            comparisons=self._comparisons(plan),
        )

    def _settings(self, plan: StudentPlan) -> str | None:
        """What tells it from other students of its method on test images."""
        return differing_students([student.arm for student in self.plan.students])[plan.arm]

    def _figures(
        self, measurements: tuple[Measurement, ...], test: TestSet, probings: tuple[Probing, ...] = ()
    ) -> Figures | None:
        clean = self.clean(measurements)
        if clean is None:
            return None
        counted = figures(
            test,
            clean,
            self.attacks(measurements),
            self.spec.seed,
            fallen=tuple(self.places(probings).values()),
        )
        found = {probing.name: self.probed.get(probing.key.digest) for probing in probings}
        return counted.model_copy(update={name: value for name, value in found.items() if value is not None})

    def _kept(self, plan: StudentPlan) -> Kept | None:
        """The student's robustness over its own teacher's, once both are measured."""
        student, teacher = plan.measurements, plan.teacher.measurements
        right, source_right = self.clean(student), self.clean(teacher)
        if right is None or source_right is None:
            return None
        return kept((right, self.attacks(student)), (source_right, self.attacks(teacher)))

    def _checks(self, plan: StudentPlan | GivenPlan) -> tuple[Check, ...]:
        """What to think of the figures, once all of them are there."""
        attacks = self.attacks(plan.measurements)
        asked = [own.key.digest for own in plan.probings if own.name == "checks"]
        if len(attacks) < len(plan.measurements) - 1 or not self.seen.keys() >= set(asked):
            return ()
        return judge(next((self.seen[digest] for digest in asked), None), attacks)

    def _comparisons(self, baseline: StudentPlan) -> tuple[PairedComparison, ...]:
        """The job's own student against ``baseline``, over the attacks and curves that both have."""
        own = self.plan.students[0]
        clean, rival_clean = self.clean(own.measurements), self.clean(baseline.measurements)
        if baseline is own or clean is None or rival_clean is None:
            return ()
        mine, theirs = self.attacks(own.measurements), self.attacks(baseline.measurements)
        names = [phrases.named(plan.arm.method, self._settings(plan)) for plan in (own, baseline)]
        plain = compare("clean", (names[0], clean), (names[1], rival_clean))
        if not mine or [held.attack for held in mine] != [held.attack for held in theirs]:
            return (plain,)
        fallen, rival_fallen = self.places(own.probings), self.places(baseline.probings)
        both = fallen.keys() & rival_fallen.keys()
        robust = compare(
            "worst_case",
            (names[0], worst_case(clean, mine, [fallen[name] for name in both])),
            (names[1], worst_case(rival_clean, theirs, [rival_fallen[name] for name in both])),
        )
        return (robust, plain)
