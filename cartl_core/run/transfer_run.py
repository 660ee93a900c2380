"""A transfer: train teachers and students, choose where a choice was asked for, measure."""

from __future__ import annotations

from functools import partial

from cartl_core.analysis.build_report import choice_of
from cartl_core.data import keep_apart, left_out, skipped_files
from cartl_core.events import CandidateChosen
from cartl_core.planning.make_plan import plan_transfer
from cartl_core.planning.plan import TransferPlan
from cartl_core.planning.scratch import check_scratch
from cartl_core.render import sentences
from cartl_core.report import Notice
from cartl_core.run.active_run import ActiveRun, diagnose_all, evaluate_all
from cartl_core.run.samples import Loader, of_source, of_target
from cartl_core.run.stage_runner import Services
from cartl_core.spec import AutoSpec, JobSpec
from cartl_core.statistics.candidate_selection import ModelSelection


def run_transfer(
    spec: JobSpec, load: Loader, services: Services, remarks: tuple[Notice, ...] = ()
) -> ActiveRun:
    """Run a transfer to its last stage; the report is not published yet.

    Args:
        load: gives the data of a part of the specification.
        remarks: notices that are known before the start.

    Raises:
        SpecError: a student needs more scratch space than there may be.
    """
    source, target = load(spec.source, field="source"), load(spec.dataset)
    source, count = keep_apart(source, target)
    if count:
        remarks = (*remarks, left_out(source, target, count))
    remarks = (*remarks, *skipped_files("source", source), *skipped_files("target", target))
    samples = {"source": of_source(spec, source), "target": of_target(spec, target)}
    plan_after = partial(
        plan_transfer,
        spec,
        source=samples["source"].for_plan(),
        target=samples["target"].for_plan(),
        runtime=services.runtime,
    )
    plan = plan_after()
    check_scratch(
        (student.arm for student in plan.trained),
        spec.model,
        images=len(target.train),
        limit_bytes=services.scratch_bytes,
    )
    run = ActiveRun(plan, samples, services, remarks=remarks)
    train(run, plan)
    if spec.auto is not None:
        choice = choose(run, plan, spec.auto)
        plan = plan_after(choice=choice)
        run.replan(plan)
        announce_selection(run, plan, choice)
        train(run, plan)
    evaluate_all(run)
    for teacher in plan.teachers:
        run.measure("teacher", teacher.measurements)
    diagnose_all(run)
    return run


def train(run: ActiveRun, plan: TransferPlan) -> None:
    """Every teacher and student of the plan that is not there yet."""
    for teacher in plan.teachers:
        run.make(teacher.stage)
    for student in plan.trained:
        run.make(student.stage)


def choose(run: ActiveRun, plan: TransferPlan, auto: AutoSpec) -> ModelSelection:
    """One of the candidates, by what is measured on validation images."""
    for candidate in plan.candidates:
        run.measure(candidate.subject, candidate.measurements)
    return choice_of(plan, auto, run.state)


def announce_selection(run: ActiveRun, plan: TransferPlan, choice: ModelSelection) -> None:
    """Say what was chosen, and why; from here on the plan is whole."""
    arm, known = plan.students[0].arm, run.known()
    run.report(
        CandidateChosen(
            number=choice.chosen + 1,
            method=arm.method,
            freeze_depth=arm.freeze_depth,
            candidates=len(plan.candidates),
            words=sentences.selection_outcome(known) or "",
        )
    )
    run.tell(known)
