"""What a job will cost, before it runs: its stages as they are planned, at the rates that are known.

How long a stage takes is said by ``cartl_core.planning.estimates.rates``: by what finished stages
have shown, else by a first guess. What a job really takes is in its progress.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from cartl_core.catalog import facts_of, share_of_classes
from cartl_core.catalog.candidates import plain_ones
from cartl_core.planning.diagnostic_table import DIAGNOSTIC_FACTS
from cartl_core.planning.estimates.costs import Cost, Images, macs_of_a_pass, size_class
from cartl_core.planning.estimates.rates import MACS_PER_SECOND, OUTSIDE, MeasuredRate, Rates, Span, rates_for
from cartl_core.planning.estimates.side_by_side import share_threads
from cartl_core.planning.estimates.work import (
    IMPORT,
    of_attack,
    of_diagnostic,
    of_import,
    of_student,
    of_teacher,
    outside_stages,
)
from cartl_core.spec import Arm, AttackSpec, DataSpec, EvaluateSpec, JobSpec, ModelSpec, PretrainSpec
from cartl_core.spec.existing_network import EvaluateJobSpec
from jobs.admission.network_size import Size, network_size

BYTES_PER_NUMBER = 4
# A stage keeps its result and two checkpoints; each of those has weights, momentum and, as a rule, up to
# three epochs that may still be chosen.
COPIES_PER_STAGE = 1 + 2 * 5
REPORT_BYTES = 1_000_000
FIRST_GUESS = "first guess"
CARRIED_OVER = "measured on other networks"
GIGA = 1e9


@dataclass(frozen=True)
class Estimate:
    """What is expected of a job, or of several.

    Attributes:
        span: wall time of the whole run, in seconds; never 0.
        disk_bytes: stages and artifacts.
        basis: `measured on 12 stages`, `measured on other networks`, or `first guess`.
        measured_stages: how many stages of earlier jobs the time stands on.
        assumes: what it takes for granted, for people.
        teachers: distinct ones that are trained.
        forward_passes: of one image through the whole network; all passes together, in this unit.
        macs: multiply-adds of these passes.
    """

    span: Span
    disk_bytes: int
    basis: str
    measured_stages: int
    assumes: str
    teachers: int
    forward_passes: float
    macs: float


def estimate(spec: JobSpec | EvaluateJobSpec, measured: Sequence[MeasuredRate] = ()) -> dict[str, Any]:
    """The cost of ``spec`` as JSON.

    Args:
        measured: what finished stages have shown, the machine that measured last first.
    """
    found = estimated(spec, measured) if isinstance(spec, JobSpec) else estimated_evaluation(spec, measured)
    return _plain(found)


def estimate_together(specs: Sequence[JobSpec], measured: Sequence[MeasuredRate] = ()) -> dict[str, Any]:
    """The cost of several jobs of one owner, as ``estimate`` has it: what they share is computed once."""
    return _plain(estimated_together(specs, measured))


def _plain(whole: Estimate) -> dict[str, Any]:
    low, likely, high = (round(seconds, 1) for seconds in whole.span)
    return {
        "seconds": likely,
        "seconds_range": {"low": low, "likely": likely, "high": high},
        "basis": whole.basis,
        "measured_stages": whole.measured_stages,
        "disk_bytes": whole.disk_bytes,
        "assumes": whole.assumes,
        "teachers": whole.teachers,
        "forward_passes": round(whole.forward_passes),
        "macs": round(whole.macs),
    }


OUTSIDE_LEVEL, TEACHERS, STUDENTS, MEASUREMENTS = range(4)
"""Of a stage: it needs one of the level before."""


@dataclass(frozen=True)
class _Work:
    """A stage, the network that goes through it, and its level: what it waits for."""

    cost: Cost
    model: ModelSpec
    level: int


def estimated(spec: JobSpec, measured: Sequence[MeasuredRate] = ()) -> Estimate:
    """The cost of ``spec``, arms with equal teachers sharing one."""
    return estimated_together([spec], measured)


def estimated_together(specs: Sequence[JobSpec], measured: Sequence[MeasuredRate] = ()) -> Estimate:
    """The cost of all of ``specs``, arms with equal teachers sharing one, within a job and across jobs."""
    teachers = {
        (_teacher_key(arm, arm.pretrain), spec.source, spec.model, spec.teacher, spec.seed): (
            arm.pretrain,
            spec.source,
            spec,
        )
        for spec in specs
        for arm in spec.arms
        if arm.pretrain is not None and spec.source is not None
    }
    work: list[_Work] = []
    disk = len(specs) * REPORT_BYTES
    for pretrain, source, spec in teachers.values():
        trained, *measured_too = _teacher_costs(pretrain, source, spec.evaluate)
        work.append(_Work(trained, spec.model, TEACHERS))
        work += [_Work(cost, spec.model, STUDENTS) for cost in measured_too]
        disk += _disk(1, network_size(spec.model, classes_of(source)))
    for spec in specs:
        arms = dict.fromkeys(spec.arms)
        images = images_of(spec.dataset)
        work += [_Work(of_student(arm, spec.model, images), spec.model, STUDENTS) for arm in arms]
        work += [_Work(cost, spec.model, MEASUREMENTS) for cost in _target_costs(spec)]
        work += _outside(spec)
        disk += _disk(len(arms), network_size(spec.model, classes_of(spec.dataset)))
    return _summed(work, disk, len(teachers), rates_for(specs[0].device, measured))


def estimated_evaluation(spec: EvaluateJobSpec, measured: Sequence[MeasuredRate] = ()) -> Estimate:
    """The cost of measuring a network that exists, on every data set."""
    costs = [
        cost for alone in spec.on_each() for cost in _measurements(alone.evaluate, alone.dataset, own=True)
    ]
    work = [_Work(cost, spec.model, MEASUREMENTS) for cost in (of_import(), *costs)] + _outside(spec)
    student = network_size(spec.model, classes_of(spec.dataset))
    disk = student.parameters * BYTES_PER_NUMBER + REPORT_BYTES
    return _summed(work, disk, 0, rates_for(spec.device, measured))


def _outside(spec: JobSpec | EvaluateJobSpec) -> list[_Work]:
    """Before the first stage and after the last one."""
    exports = isinstance(spec, JobSpec) and bool(spec.exports)
    return [_Work(cost, spec.model, OUTSIDE_LEVEL) for cost in outside_stages(exports=exports)]


def _summed(work: Sequence[_Work], disk: int, teachers: int, rates: Rates) -> Estimate:
    macs = 0.0
    spans: list[Span] = []
    found: dict[tuple[str, int], MeasuredRate | None] = {}
    for one in work:
        of_a_pass = macs_of_a_pass(one.model)
        spans.append(rates.seconds(one.cost, of_a_pass))
        macs += one.cost.passes * of_a_pass
        size = size_class(of_a_pass)
        found[one.cost.kind, size] = rates.rate_of(one.cost.kind, size)
    stages = sum(rate.stages for rate in found.values() if rate is not None)
    return Estimate(
        span=_together(work, spans, rates),
        disk_bytes=disk,
        basis=_basis(stages, rates),
        measured_stages=stages,
        assumes=_assumes(rates, [kind for (kind, _), rate in found.items() if rate is None]),
        teachers=teachers,
        forward_passes=sum(one.cost.passes for one in work),
        macs=macs,
    )


def _together(work: Sequence[_Work], spans: Sequence[Span], rates: Rates) -> Span:
    """Of all stages: their sum, or the longest chain of those that wait for each other, where that is longer.

    A stage's seconds are those by which it makes a run longer while all stages that are computed at a time
    have work; one that has no other beside it takes as many times longer.
    """
    inside, chain = 0.0, dict.fromkeys((TEACHERS, STUDENTS, MEASUREMENTS), 0.0)
    for one, span in zip(work, spans, strict=True):
        if one.level != OUTSIDE_LEVEL:
            at_once = share_threads(rates.device, one.model, rates.threads).at_once
            inside += span.likely
            chain[one.level] = max(chain[one.level], at_once * span.likely)
    low, likely, high = (sum(ends) for ends in zip(*spans, strict=True))
    longer = 1 + max(0.0, sum(chain.values()) - inside) / likely
    return Span(low * longer, likely * longer, high * longer)


def _basis(stages: int, rates: Rates) -> str:
    if stages:
        return f"measured on {stages} {'stage' if stages == 1 else 'stages'}"
    return CARRIED_OVER if rates.measured else FIRST_GUESS


def _assumes(rates: Rates, unknown: Iterable[str]) -> str:
    """What the time takes for granted."""
    never = sorted(set(unknown) - {*OUTSIDE, IMPORT})
    rate = MACS_PER_SECOND[rates.device] / GIGA
    if not rates.measured:
        known = f"a first guess for {rates.device}, about {rate:.0f} billion multiply-adds a second"
    elif never:
        known = f"what finished stages have shown here, carried over to others ({', '.join(never)})"
    else:
        known = "what finished stages of this kind and size have shown here"
    return f"{known}; every stage computed here, none found finished; data sets already on disk"


def classes_of(data: DataSpec) -> int:
    """How many classes the task has."""
    return len(data.classes or facts_of(data).classes)


def training_images(data: DataSpec) -> int:
    """Images that are trained on: the classes' share, limited, less the validation part."""
    return ceil(_share(data, facts_of(data).train_images, data.train_limit) * (1 - data.validation_fraction))


def validation_images(data: DataSpec) -> int:
    """Images that were taken out of the training images for selection."""
    kept = _share(data, facts_of(data).train_images, data.train_limit)
    return kept - training_images(data)


def images_of(data: DataSpec) -> Images:
    """Those that training uses."""
    return Images(training_images(data), validation_images(data))


def test_images(data: DataSpec, limit: int | None) -> int:
    """Images that are attacked."""
    return _share(data, facts_of(data).test_images, limit)


def _share(data: DataSpec, images: int, limit: int | None) -> int:
    """Of all ``images``, those of the chosen classes (as if classes were equally large), limited."""
    kept = share_of_classes(data, images)
    return kept if limit is None else min(kept, limit)


def _teacher_key(arm: Arm, pretrain: PretrainSpec) -> tuple[PretrainSpec, int | None]:
    """Arms with equal keys share a teacher."""
    return pretrain, None if pretrain.serves_every_depth else arm.freeze_depth


def _teacher_costs(pretrain: PretrainSpec, source: DataSpec, evaluate: EvaluateSpec) -> list[Cost]:
    measured = test_images(source, evaluate.source_test_limit)
    return [of_teacher(pretrain, images_of(source)), *_attacks(evaluate.source_attacks, measured, evaluate)]


def _target_costs(spec: JobSpec) -> list[Cost]:
    """Every network of the target: on test images, and candidates on validation images before that."""
    costs: list[Cost] = [of_import()] if spec.teacher is not None else []
    others = len(spec.baselines)
    if spec.auto is not None:
        images = min(validation_images(spec.dataset), spec.auto.validation_images)
        costs += len(spec.auto.candidates) * _attacks((spec.auto.attack,), images, spec.evaluate)
        # The best plain candidate stands beside the chosen one, unless every candidate is plain.
        others += 0 if all(plain_ones(spec.auto.candidates)) else 1
    costs += _measurements(spec.evaluate, spec.dataset, own=True)
    return costs + others * _measurements(spec.evaluate, spec.dataset, own=False)


def _measurements(evaluate: EvaluateSpec, data: DataSpec, *, own: bool) -> list[Cost]:
    """Attacks and diagnostics on one network of the target; ``own``: the one that the job is about."""
    images = test_images(data, evaluate.test_limit)
    diagnostics = [
        of_diagnostic(name, asked, images, evaluate.batch_size)
        for name, asked in evaluate.diagnostics.items()
        if own or not DIAGNOSTIC_FACTS[name].own_only
    ]
    return [*_attacks(evaluate.attacks, images, evaluate), *diagnostics]


def _attacks(attacks: tuple[AttackSpec, ...], images: int, evaluate: EvaluateSpec) -> list[Cost]:
    """No attack, then each attack."""
    return [of_attack(attack, images, evaluate.batch_size) for attack in (None, *attacks)]


def _disk(stages: int, size: Size) -> int:
    return stages * size.parameters * BYTES_PER_NUMBER * COPIES_PER_STAGE
