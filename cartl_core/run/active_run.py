"""A run under way: it comes to its stages one by one, and whoever listens is told what is known by then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from cartl_core.analysis.build_report import build_report
from cartl_core.analysis.metrics import AttackRecord, attack_result
from cartl_core.analysis.results import AttackOutcomes
from cartl_core.analysis.run_state import FurtherTestSet, RunState
from cartl_core.catalog.low_precision import begun_in
from cartl_core.data import skipped_files
from cartl_core.events import AttackFinished
from cartl_core.planning.plan import NetworkPlan, Plan
from cartl_core.planning.stages import Attacking, StageSpec, Work
from cartl_core.report import Notice, Report
from cartl_core.run.progress import REPORT, Meter
from cartl_core.run.report_feed import ReportFeed
from cartl_core.run.runners import Inputs
from cartl_core.run.samples import Sample
from cartl_core.run.stage_runner import Services, StageRunner
from cartl_core.run.timing.expected import expectation


class ActiveRun:
    """The plan of a run, what is known of it, and what runs its stages.

    Its stages are run within a ``with`` block: where several are computed at a time, the others end with one
    that fails.

    Args:
        samples: the data by role.
        file: the network that an evaluation measures.
        remarks: notices that are known before the first stage.
    """

    def __init__(
        self,
        plan: Plan,
        samples: Mapping[str, Sample],
        services: Services,
        *,
        file: Path | None = None,
        remarks: tuple[Notice, ...] = (),
    ) -> None:
        spec = plan.spec
        source = samples.get("source")
        self.plan = plan
        self.inputs = Inputs(spec.model, spec.seed, spec.evaluate.batch_size, samples, file)
        self.state = RunState(
            services.runtime,
            source.for_report() if source else None,
            samples["target"].for_report(),
            remarks,
            {
                role: FurtherTestSet(sample.for_report(), tuple(skipped_files("target", sample.data)))
                for role, sample in samples.items()
                if role not in ("source", "target")
            },
        )
        self.report = services.report
        self._expect = partial(expectation, runtime=services.runtime, timing=services.timing)
        self._meter = Meter(self._expect(plan), services.report, began=services.timing.began)
        self._stages = StageRunner(services, self.inputs, self.state, self._meter)
        self._feed = ReportFeed(services.report)

    def __enter__(self) -> Self:
        self._stages.begin(self.plan.stages)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._stages.close()

    def make(self, stage: StageSpec[Work]) -> None:
        """A network is there afterwards: made before, found, or made now."""
        if not self.state.knows(stage):
            self._stages.result_of(stage)
            self.tell()

    def measure(self, subject: str, measurements: Iterable[StageSpec[Attacking]]) -> None:
        """Every measurement of one network; ``subject`` is what it is called in events."""
        for stage in measurements:
            outcome, attack = self._stages.result_of(stage), stage.work.attack
            if attack is not None and isinstance(outcome, AttackOutcomes):
                precision = begun_in(attack, self.state.runtime)
                record = AttackRecord(attack, outcome.robust, outcome.seconds, begun_in=precision)
                result = attack_result(record, self.plan.spec.seed)
                self.report(AttackFinished(subject=subject, result=result))
                self.tell()

    def diagnose(self, network: NetworkPlan) -> None:
        """Every diagnostic of one network."""
        for stage in network.diagnostics:
            self._stages.result_of(stage)
            self.tell()

    def directory(self, stage: StageSpec[Work]) -> Path:
        """Where a finished stage lies, its files as they were written."""
        return self._stages.directory(stage.digest)

    def replan(self, plan: Plan) -> None:
        """From here on these are the stages of the run; what is known of them stays."""
        self.plan = plan
        self._meter.replan(self._expect(plan))
        self._stages.begin(plan.stages)

    def after_stages(self, kind: str | None) -> None:
        """All stages are done, and work of this kind begins; None: nothing is left."""
        self._meter.after_stages(kind)

    def advance_after(self, fraction: float, label: str = REPORT.label) -> None:
        """``fraction`` of the work after the stages that is under way is done; it is at ``label``."""
        self._meter.advance_after(fraction, label)

    def known(self, *, complete: bool = False) -> Report:
        """The report as far as it is known."""
        return build_report(self.plan, self.state, complete=complete)

    def tell(self, report: Report | None = None) -> None:
        """Tell whoever listens what is new in the report."""
        self._feed.tell(report or self.known())


def evaluate_all(run: ActiveRun) -> None:
    """Attacks on every network of the plan on the target's test images."""
    for network in run.plan.measured:
        run.measure(network.subject, network.measurements)


def diagnose_all(run: ActiveRun) -> None:
    """Diagnostics of every network of the plan."""
    for network in run.plan.measured:
        run.diagnose(network)
