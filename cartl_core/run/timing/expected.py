"""What is expected of a run before it computes: the seconds of each stage, by the rates that are known."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import log
from pathlib import Path

from cartl_core.planning.estimates.costs import Cost, macs_of_a_pass, size_class
from cartl_core.planning.estimates.rates import Machine, MeasuredRate, Rates, rates_on
from cartl_core.planning.estimates.shared_threads import seconds_until_done
from cartl_core.planning.estimates.work import outside_stages
from cartl_core.planning.plan import Plan
from cartl_core.planning.stages import networks_of
from cartl_core.spec import JobSpec, Runtime

NINE_TENTHS = 1.28
"""Standard deviations from the middle of a normal distribution to its last tenth."""
STARTED_AT = 19
"""Place of a process's start among the fields of /proc/self/stat that follow its name."""


@dataclass(frozen=True)
class Timing:
    """What a run is told of time.

    Attributes:
        rates: that earlier runs have measured, on any machine.
        began: when its process was started, by ``time.monotonic``; None: what is before the first stage is
            not measured.
        exports: whether the student is given back in the forms that the job asks for.
    """

    rates: Sequence[MeasuredRate] = ()
    began: float | None = None
    exports: bool = True


def process_began() -> float:
    """When this process was started, by ``time.monotonic``; now, where the system does not tell."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        ticks = int(fields[STARTED_AT])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        age = 0.0
    return time.monotonic() - max(0.0, age)


@dataclass(frozen=True)
class Expected:
    """What is known of a stage before it runs.

    Attributes:
        seconds: by which it makes the run longer, where all stages that are computed at a time have work to
            do; predicted; more than 0.
        macs: multiply-adds of all its passes.
        images: that go through the network.
        batches: the same passes, of a batch each.
    """

    kind: str
    seconds: float
    macs: float = 0.0
    images: float = 0.0
    batches: float = 0.0


@dataclass(frozen=True)
class RunForecast:
    """What is expected of a whole run.

    Attributes:
        stages: by digest, in the order in which they are begun.
        start: seconds before the first stage.
        after: seconds after the last one, by the kind of work, in order.
        size_class: of the network, see ``cartl_core.planning.estimates.costs``.
        measured: whether any of it was measured before, on this machine with a network of this size.
        spreads: of the kinds that were, see ``Forecast``.
        needs: digests of the stages that a stage waits for.
        at_once: stages that are computed at a time.
    """

    stages: Mapping[str, Expected]
    start: float = 0.0
    after: Mapping[str, float] = field(default_factory=dict)
    size_class: int = 0
    measured: bool = False
    spreads: Mapping[str, float] | None = None
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    at_once: int = 1

    def until_done(self, seconds: Mapping[str, float]) -> float:
        """Seconds until the last stage is done, where each makes the run longer by so many ``seconds``."""
        alone = {digest: one * self.at_once for digest, one in seconds.items()}
        return seconds_until_done(alone, self.needs, self.at_once)


def expect(
    costs: Mapping[str, Cost], macs_of_a_pass: float, rates: Rates, *, exports: bool = False
) -> RunForecast:
    """What ``rates`` tell of a run's stages.

    Args:
        costs: of every stage, by digest.
        macs_of_a_pass: multiply-adds of one image's pass through the run's network.
        exports: whether the student is given back in other forms.
    """
    first, *last = outside_stages(exports=exports)
    size = size_class(macs_of_a_pass)
    known = {cost.kind: rates.rate_of(cost.kind, size) for cost in costs.values()}
    outside = {cost.kind: rates.rate_of(cost.kind, size) for cost in (first, *last)}
    return RunForecast(
        stages={
            digest: Expected(
                cost.kind,
                rates.seconds(cost, macs_of_a_pass).likely,
                cost.passes * macs_of_a_pass,
                cost.images,
                cost.batches,
            )
            for digest, cost in costs.items()
        },
        start=rates.seconds(first, macs_of_a_pass).likely,
        after={cost.kind: rates.seconds(cost, macs_of_a_pass).likely for cost in last},
        size_class=size,
        measured=any(known.values()),
        spreads={
            kind: log(rate.high / rate.likely) / NINE_TENTHS
            for kind, rate in (known | outside).items()
            if rate
        },
    )


def expectation(plan: Plan, runtime: Runtime, timing: Timing) -> RunForecast:
    """What is expected of a plan on the machine that it runs on."""
    exports = timing.exports and isinstance(plan.spec, JobSpec) and bool(plan.spec.exports)
    rates = rates_on(Machine.of(runtime), timing.rates)
    costs = {stage.digest: stage.cost for stage in plan.stages} | plan.costs
    return replace(
        expect(costs, macs_of_a_pass(plan.spec.model), rates, exports=exports),
        needs={stage.digest: tuple(key.digest for key in networks_of(stage.work)) for stage in plan.stages},
        at_once=runtime.stages_at_once,
    )
