"""What a job will cost, before it runs: its stages as they are planned, at the rates that are known.

How long a stage takes is said by ``cartl_core.planning.estimates.rates``: by what finished stages
have shown, else by a first guess. What a job really takes is in its progress.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cartl_core.planning.estimates.costs import macs_of_a_pass, size_class
from cartl_core.planning.estimates.rates import MACS_PER_SECOND, OUTSIDE, MeasuredRate, Rates, Span, rates_for
from cartl_core.planning.estimates.shared_threads import share_threads
from cartl_core.planning.estimates.work import IMPORT
from cartl_core.spec import JobSpec
from cartl_core.spec.existing_network import EvaluateJobSpec
from jobs.admission.planned_work import (
    LEVELS,
    PlannedStage,
    PlannedWork,
    work_of_evaluation,
    work_of_jobs,
)

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


def estimated(spec: JobSpec, measured: Sequence[MeasuredRate] = ()) -> Estimate:
    """The cost of ``spec``, arms with equal teachers sharing one."""
    return estimated_together([spec], measured)


def estimated_together(specs: Sequence[JobSpec], measured: Sequence[MeasuredRate] = ()) -> Estimate:
    """The cost of all of ``specs``, arms with equal teachers sharing one, within a job and across jobs."""
    return _summed(work_of_jobs(specs), rates_for(specs[0].device, measured))


def estimated_evaluation(spec: EvaluateJobSpec, measured: Sequence[MeasuredRate] = ()) -> Estimate:
    """The cost of measuring a network that exists, on every data set."""
    return _summed(work_of_evaluation(spec), rates_for(spec.device, measured))


def _summed(planned: PlannedWork, rates: Rates) -> Estimate:
    macs = 0.0
    spans: list[Span] = []
    found: dict[tuple[str, int], MeasuredRate | None] = {}
    for one in planned.stages:
        of_a_pass = macs_of_a_pass(one.model)
        spans.append(rates.seconds(one.cost, of_a_pass))
        macs += one.cost.passes * of_a_pass
        size = size_class(of_a_pass)
        found[one.cost.kind, size] = rates.rate_of(one.cost.kind, size)
    stages = sum(rate.stages for rate in found.values() if rate is not None)
    return Estimate(
        span=_together(planned.stages, spans, rates),
        disk_bytes=planned.disk_bytes,
        basis=_basis(stages, rates),
        measured_stages=stages,
        assumes=_assumes(rates, [kind for (kind, _), rate in found.items() if rate is None]),
        teachers=planned.teachers,
        forward_passes=sum(one.cost.passes for one in planned.stages),
        macs=macs,
    )


def _together(stages: Sequence[PlannedStage], spans: Sequence[Span], rates: Rates) -> Span:
    """Of all stages: their sum, or the longest chain of those that wait for each other, where that is longer.

    A stage's seconds are those by which it makes a run longer while all stages that are computed at a time
    have work; one that has no other beside it takes as many times longer.
    """
    inside, chain = 0.0, dict.fromkeys(LEVELS, 0.0)
    for one, span in zip(stages, spans, strict=True):
        if one.level is not None:
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
