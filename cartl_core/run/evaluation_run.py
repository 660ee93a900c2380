"""An evaluation: take an existing network in, and measure it."""

from __future__ import annotations

from pathlib import Path

from cartl_core.data import skipped_files
from cartl_core.planning.make_plan import further_roles, plan_evaluation
from cartl_core.report import Notice
from cartl_core.run.active_run import ActiveRun, diagnose_all, evaluate_all
from cartl_core.run.samples import Loader, of_evaluation
from cartl_core.run.stage_runner import Services
from cartl_core.spec.existing_network import EvaluateJobSpec


def run_evaluation(
    spec: EvaluateJobSpec,
    load: Loader,
    services: Services,
    file: Path | None,
    remarks: tuple[Notice, ...] = (),
) -> ActiveRun:
    """Run an evaluation to its last stage; the report is not published yet.

    Args:
        load: gives the data of a part of the specification.
        file: the network that is measured.
        remarks: notices that are known before the start.
    """
    samples = {"target": of_evaluation(spec.dataset, spec.evaluate, spec.seed, load(spec.dataset))}
    for place, (role, part) in enumerate(zip(further_roles(spec), spec.further, strict=True), start=1):
        data = load(part.dataset, field=f"datasets.{place}")
        samples[role] = of_evaluation(part.dataset, part.evaluate, spec.seed, data)
    target, *further = samples.values()
    plan = plan_evaluation(
        spec,
        target=target.for_plan(),
        further=[sample.for_plan() for sample in further],
        runtime=services.runtime,
    )
    remarks = (*remarks, *skipped_files("target", target.data))
    with ActiveRun(plan, samples, services, file=file, remarks=remarks) as run:
        run.make(plan.network.stage)
        evaluate_all(run)
        diagnose_all(run)
    return run
