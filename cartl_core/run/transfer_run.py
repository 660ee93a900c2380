"""A transfer: train teachers and students, choose where a choice was asked for, measure."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from cartl_core.analysis.build_report import choice_of
from cartl_core.analysis.warnings import takes_default_source
from cartl_core.data import Loaded, keep_apart, left_out, skipped_files
from cartl_core.errors import DatasetMissing
from cartl_core.events import CandidateChosen
from cartl_core.planning.estimates.scratch import check_scratch
from cartl_core.planning.make_plan import plan_transfer
from cartl_core.planning.plan import TransferPlan
from cartl_core.render import sentences
from cartl_core.report import Notice
from cartl_core.run.active_run import ActiveRun, diagnose_all, evaluate_all
from cartl_core.run.samples import Loader, Sample, of_source, of_target
from cartl_core.run.stage_runner import Services
from cartl_core.spec import AutoSpec, DataSpec, JobSpec
from cartl_core.statistics.candidate_selection import ModelSelection


def run_transfer(
    spec: JobSpec,
    load: Loader,
    services: Services,
    file: Path | None = None,
    remarks: tuple[Notice, ...] = (),
) -> ActiveRun:
    """Run a transfer to its last stage; the report is not published yet.

    Args:
        load: gives the data of a part of the specification.
        file: of the teacher, where one is given.
        remarks: notices that are known before the start.

    Raises:
        SpecError: a student needs more scratch space than there may be.
    """
    samples, found = images_of(spec, load)
    source = samples.get("source")
    plan_after = partial(
        plan_transfer,
        spec,
        source=source.for_plan() if source else None,
        target=samples["target"].for_plan(),
        runtime=services.runtime,
    )
    plan = plan_after()
    check_scratch(
        (student.arm for student in plan.trained),
        spec.model,
        images=len(samples["target"].data.train),
        limit_bytes=services.scratch_bytes,
    )
    with ActiveRun(plan, samples, services, file=file, remarks=(*remarks, *found)) as run:
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


def images_of(spec: JobSpec, load: Loader) -> tuple[dict[str, Sample], tuple[Notice, ...]]:
    """The images by role, no image in both, and what must be said of them."""
    if spec.source is None:
        target = load(spec.dataset)
        return {"target": of_target(spec, target)}, skipped_files("target", target)
    source, target = load_source(spec, spec.source, load), load(spec.dataset)
    source, count = keep_apart(source, target)
    said = (left_out(source, target, count),) if count else ()
    samples = {"source": of_source(spec.source, spec, source), "target": of_target(spec, target)}
    return samples, (*said, *skipped_files("source", source), *skipped_files("target", target))


def load_source(spec: JobSpec, source: DataSpec, load: Loader) -> Loaded:
    """The images that a teacher learns from.

    Raises:
        DatasetMissing: they are not there; where nobody chose that source, it says what else there is.
    """
    try:
        return load(source, field="source")
    except DatasetMissing as error:
        if not takes_default_source(spec):
            raise
        raise DatasetMissing(
            f"{source.name} stands in as the source of images of your own, and its files are missing. Start "
            "from a robust teacher that somebody has published (`teacher` of the job), which needs no source "
            f"and serves better, or fetch its files: {error}",
            **error.values,
        ) from error


def train(run: ActiveRun, plan: TransferPlan) -> None:
    """Every teacher and student of the plan that is not there yet."""
    for teacher in plan.teachers:
        for stage in teacher.stages:
            run.make(stage)
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
