"""The rows that both services start with, and a report as large as a real one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from cartl_core.planning.resolve import resolve
from cartl_core.report import ArmReport, AttackResult, ClassResult, Figures, Report
from cartl_core.spec import AttackSpec, JobRequest, JobSpec, digest
from cartl_core.statistics.proportions import wilson
from jobs import store
from jobs.admission.estimate import estimate
from jobs.tables import Job

REQUEST = JobRequest.model_validate(
    {"dataset": "cifar10", "freeze_depth": 6, "preset": "paper", "baselines": ["vanilla", "adversarial"]}
)
COST = estimate(resolve(REQUEST))
IMAGES = 10_000
CLASSES = 10
LOCAL = "local"


def prepare(session: Session, jobs: int) -> list[str]:
    """So many queued jobs, each with a complete report; their ids."""
    spec = resolve(REQUEST)
    report = made_up_report(spec).model_dump(mode="json")
    made = [
        store.submit(session, request=REQUEST, spec=spec, estimate=COST, owner=LOCAL).id for _ in range(jobs)
    ]
    session.execute(update(Job).values(report=report))
    return made


def made_up_report(spec: JobSpec) -> Report:
    """A report of the usual size; its figures are made up, and only their size matters."""
    figures = _figures(spec)
    arms = [_arm(arm.method, arm.freeze_depth, figures) for arm in spec.arms]
    return Report(
        complete=True,
        spec=spec,
        spec_digest=digest(spec),
        student=arms[0],
        baselines=tuple(arms[1:]),
    )


def _arm(method: str, freeze_depth: int, figures: Figures) -> ArmReport:
    fields: dict[str, Any] = {
        "method": method,
        "freeze_depth": freeze_depth,
        "k": 6,
        "blocks": 12,
        "frozen": ["trunk_weights", "trunk_statistics_of_teacher"],
        "objective": "fdm",
        "teacher_digest": "a" * 64,
        "student_digest": "b" * 64,
        "validation": None,
        "history": None,
        "reused": False,
        "origin": {"made_by": "this_attempt", "seconds": 1.0},
        "tuned_layer_norms": {f"blocks.{index}.conv": 1.0 for index in range(12)},
        "figures": figures.model_dump(),
    }
    return ArmReport.model_validate(fields)


def _figures(spec: JobSpec) -> Figures:
    right, held = wilson(9_000, IMAGES), wilson(5_000, IMAGES)
    return Figures(
        not_finite=0,
        data="cifar10",
        data_fingerprint="c" * 64,
        n=IMAGES,
        clean=right,
        attacks=tuple(_attack(attack) for attack in spec.evaluate.attacks),
        worst_case=held,
        per_class=tuple(
            ClassResult(label=label, name=f"class {label}", clean=right, worst_case=held)
            for label in range(CLASSES)
        ),
    )


def _attack(attack: AttackSpec) -> AttackResult:
    return AttackResult(
        label=attack.label,
        name=attack.name,
        norm=attack.norm,
        loss=attack.loss,
        eps=attack.eps,
        step=attack.step,
        steps=attack.steps,
        restarts=attack.restarts,
        random_start=attack.random_start,
        seed=0,
        n=IMAGES,
        robust=wilson(5_000, IMAGES),
        seconds=1.0,
    )
