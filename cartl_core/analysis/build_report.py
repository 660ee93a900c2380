"""The report of a run as far as it is known: a pure function of its plan and of what its stages found."""

from __future__ import annotations

from cartl_core.analysis.acceptance.judge import Outcomes, a_check_failed, judge_acceptance, plain_comparison
from cartl_core.analysis.comparisons import compare
from cartl_core.analysis.descriptions import settings_of
from cartl_core.analysis.evidence import evidence
from cartl_core.analysis.further_data import further_data
from cartl_core.analysis.measured import checks_of, figures_of, measured_figures
from cartl_core.analysis.metrics import TestSet, worst_case
from cartl_core.analysis.outputs import existing_network, transfer_networks
from cartl_core.analysis.over_classes import few_test_images
from cartl_core.analysis.results import StudentResult, TeacherResult
from cartl_core.analysis.retention import retention
from cartl_core.analysis.run_state import RunState
from cartl_core.analysis.selection import decide, promise, selection
from cartl_core.analysis.training_history import history_of, validation
from cartl_core.analysis.warnings import evaluation_warnings, transfer_warnings
from cartl_core.catalog import METHODS, model_facts
from cartl_core.planning.plan import (
    EvaluationPlan,
    NetworkPlan,
    Plan,
    StudentPlan,
    TeacherPlan,
    TransferPlan,
)
from cartl_core.planning.stage_digests import spec_digest
from cartl_core.report import ArmReport, CriterionVerdict, Notice, PairedComparison, Report, Teacher
from cartl_core.report.comparisons import Retention
from cartl_core.report.given_teacher import teacher_of
from cartl_core.report.making import frozen_parts, learned_from
from cartl_core.report.notices import DataRole
from cartl_core.report.selection import Promise, Selection
from cartl_core.spec import AutoSpec, PretrainSpec
from cartl_core.statistics.candidate_selection import ModelSelection


def build_report(plan: Plan, state: RunState, *, complete: bool) -> Report:
    """The report as known now; a complete one has its evidence too."""
    match plan:
        case TransferPlan():
            known = _of_transfer(plan, state, complete=complete)
        case EvaluationPlan():
            known = _of_evaluation(plan, state, complete=complete)
    if not complete:
        return known
    verdicts = _acceptance(plan, known, state)
    return known.model_copy(
        update={
            "evidence": evidence(known),
            "acceptance": verdicts,
            "threat_models": plan.spec.evaluate.threat_models,
        }
    )


def _acceptance(plan: Plan, known: Report, state: RunState) -> tuple[CriterionVerdict, ...]:
    """Of a complete report: what its criteria say of the job's own network."""
    accept = plan.spec.accept
    networks: tuple[NetworkPlan, ...] = plan.measured
    measured = next(iter(networks), None)
    if accept is None or measured is None:
        return ()
    found = Outcomes(
        clean=state.clean(measured.measurements) or (),
        attacks=state.attacks(measured.measurements),
        minimal_radii=tuple(state.minimal_radii(measured).values()),
        against_plain=plain_comparison(known),
        check_failed=a_check_failed(known),
    )
    return judge_acceptance(accept, found)


def choice_of(plan: TransferPlan, auto: AutoSpec, state: RunState) -> ModelSelection:
    """Which candidate to take, once all of them are measured on validation images."""
    found = [outcome for candidate in plan.candidates if (outcome := state.on_validation(candidate))]
    return decide(auto, plan.candidates, found, plan.spec.model.name)


def _of_transfer(plan: TransferPlan, state: RunState, *, complete: bool) -> Report:
    arms = [_student(student, plan, state) for student in plan.students]
    own, baselines = next(iter(arms), None), tuple(arm for arm in arms[1:] if arm is not None)
    teachers = tuple(
        _teacher(teacher, teacher.pretrain, trained, plan, state)
        for teacher in plan.teachers
        if teacher.pretrain and (trained := state.teacher(teacher))
    )
    chosen = _selection(plan, plan.spec.auto, state) if plan.spec.auto else None
    known = [arm for arm in (own, *baselines) if arm]
    return Report(
        complete=complete,
        spec=plan.spec,
        spec_digest=spec_digest(plan.spec),
        runtime=state.runtime,
        warnings=(
            *transfer_networks(plan, state),
            *state.remarks,
            *transfer_warnings(
                plan.spec, teachers, known, _accumulation_steps(plan, state), _available(state)
            ),
            *_few_test_images(state),
        ),
        teachers=teachers,
        given_teacher=teacher_of(plan.spec),
        selection=chosen,
        student=own,
        baselines=baselines,
        seconds=dict(state.seconds),
    )


def _few_test_images(state: RunState) -> tuple[Notice, ...]:
    """Of each data set that networks are measured on, classes with few test images."""
    tests: tuple[tuple[DataRole, TestSet | None], ...] = (("source", state.source), ("target", state.target))
    return tuple(
        found
        for role, test in tests
        if test
        for found in few_test_images(role, test.labels, test.class_names)
    )


def _available(state: RunState) -> dict[DataRole, int | None]:
    """Training images that there are, by role."""
    source = state.source.available if state.source else None
    return {"source": source, "target": state.target.available}


def _of_evaluation(plan: EvaluationPlan, state: RunState, *, complete: bool) -> Report:
    own = _existing_network(plan, state) if state.knows(plan.network.stage) else None
    return Report(
        complete=complete,
        spec=plan.spec,
        spec_digest=spec_digest(plan.spec),
        runtime=state.runtime,
        warnings=(
            *existing_network(plan, state),
            *state.remarks,
            *evaluation_warnings(plan.spec),
            *_few_test_images(state),
        ),
        given_teacher=teacher_of(plan.spec),
        student=own,
        further=further_data(plan, state),
        seconds=dict(state.seconds),
    )


def _selection(plan: TransferPlan, auto: AutoSpec, state: RunState) -> Selection:
    def promised(choice: ModelSelection) -> Promise | None:
        """The first baseline of a choice is the best plain candidate, unless that was chosen itself."""
        compared = _comparisons(plan.students[1], plan, state) if len(plan.students) > 1 else ()
        return promise(choice, auto.margin, compared, attacked=bool(plan.spec.evaluate.attacks))

    return selection(
        auto,
        plan.candidates,
        model=plan.spec.model.name,
        seed=plan.spec.seed,
        trained=state.student,
        found=state.on_validation,
        promised=promised,
    )


def _accumulation_steps(plan: TransferPlan, state: RunState) -> dict[str, int]:
    """Into how many steps batches had to be cut for want of memory, by the training's label."""
    steps = [(teacher.stage.key.label, state.teacher(teacher)) for teacher in plan.teachers]
    steps += [(student.stage.key.label, state.student(student)) for student in plan.trained]
    found: dict[str, int] = {}
    for label, result in steps:
        found[label] = max(result.parts if result else 1, found.get(label, 1))
    return found


def _teacher(
    teacher: TeacherPlan, pretrain: PretrainSpec, trained: TeacherResult, plan: TransferPlan, state: RunState
) -> Teacher:
    test = state.source
    return Teacher(
        objective=pretrain.objective,
        digest=teacher.stage.digest,
        freeze_depth=teacher.freeze_depth,
        epochs=pretrain.epochs,
        selected_epoch=trained.selected_epoch,
        reused=state.origins[teacher.stage.digest].reused,
        origin=state.origins[teacher.stage.digest],
        train_eps=pretrain.attack.eps * max(pretrain.radii),
        history=history_of(trained, pretrain),
        figures=measured_figures(teacher.measurements, test, plan.spec.seed, state) if test else None,
    )


def _existing_network(plan: EvaluationPlan, state: RunState) -> ArmReport:
    """A network of which only its figures are known."""
    network = plan.network
    return ArmReport(
        blocks=model_facts(plan.spec.model.name).blocks,
        student_digest=network.stage.work.sha256,
        validation=None,
        history=None,
        reused=state.origins[network.stage.digest].reused,
        origin=state.origins[network.stage.digest],
        figures=figures_of(network, state.target, plan.spec.seed, state),
        checks=checks_of(network, state),
    )


def _student(student: StudentPlan, plan: TransferPlan, state: RunState) -> ArmReport | None:
    trained = state.student(student)
    return _tuned(student, trained, plan, state) if trained else None


def _tuned(student: StudentPlan, trained: StudentResult, plan: TransferPlan, state: RunState) -> ArmReport:
    arm, blocks = student.arm, model_facts(plan.spec.model.name).blocks
    return ArmReport(
        method=arm.method,
        settings=settings_of(student, plan),
        freeze_depth=arm.freeze_depth,
        k=blocks - arm.freeze_depth,
        blocks=blocks,
        frozen=frozen_parts(arm.freeze_depth, arm.transfer),
        learned=learned_from(arm.transfer),
        objective=METHODS[arm.method].objective,
        teacher_digest=student.teacher.stage.digest,
        student_digest=student.stage.digest,
        selected_epoch=trained.selected_epoch,
        validation=validation(trained),
        history=history_of(trained, arm.transfer),
        reused=state.origins[student.stage.digest].reused,
        origin=state.origins[student.stage.digest],
        tuned_layer_norms=trained.norms,
        figures=figures_of(student, state.target, plan.spec.seed, state),
        kept=_retention(student, state),
        checks=checks_of(student, state),
        comparisons=_comparisons(student, plan, state),
    )


def _retention(student: StudentPlan, state: RunState) -> Retention | None:
    """The student's robustness over its own teacher's, once both are measured."""
    own, teacher = student.measurements, student.teacher.measurements
    right, source_right = state.clean(own), state.clean(teacher)
    if right is None or source_right is None:
        return None
    return retention((right, state.attacks(own)), (source_right, state.attacks(teacher)))


def _comparisons(baseline: StudentPlan, plan: TransferPlan, state: RunState) -> tuple[PairedComparison, ...]:
    """The job's own student against ``baseline``, over the attacks and curves that both have."""
    own = plan.students[0]
    clean, rival_clean = state.clean(own.measurements), state.clean(baseline.measurements)
    if baseline is own or clean is None or rival_clean is None:
        return ()
    mine, theirs = state.attacks(own.measurements), state.attacks(baseline.measurements)
    plain = compare("clean", clean, rival_clean)
    if not mine or [record.attack for record in mine] != [record.attack for record in theirs]:
        return (plain,)
    minimal_radii, baseline_radii = state.minimal_radii(own), state.minimal_radii(baseline)
    both = minimal_radii.keys() & baseline_radii.keys()
    robust = compare(
        "worst_case",
        worst_case(clean, mine, [minimal_radii[name] for name in both]),
        worst_case(rival_clean, theirs, [baseline_radii[name] for name in both]),
    )
    return (robust, plain)
