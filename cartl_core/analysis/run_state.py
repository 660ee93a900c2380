"""What is known of a run: the frozen result of each finished stage, by digest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from cartl_core.analysis.metrics import AttackRecord, MinimalRadii, Outputs, TestSet, worst_case
from cartl_core.analysis.results import (
    AttackOutcomes,
    DiagnosticResult,
    StageResult,
    StudentResult,
    TeacherResult,
)
from cartl_core.analysis.selection import OnValidation
from cartl_core.catalog.low_precision import begun_in
from cartl_core.planning.plan import NetworkPlan, StudentPlan, TeacherPlan
from cartl_core.planning.stage_digests import StageKey
from cartl_core.planning.stages import Attacking, StageSpec, Work
from cartl_core.report import Notice
from cartl_core.report.making import StageOrigin
from cartl_core.spec import AttackSpec, Runtime

Measurements = Iterable[StageSpec[Attacking]]


@dataclass(frozen=True)
class FurtherTestSet:
    """A further test set, and notices that come from its data."""

    test: TestSet
    remarks: tuple[Notice, ...] = ()


@dataclass
class RunState:
    """Grows by ``record`` alone; everything else reads it.

    Attributes:
        source: test images that teachers are measured on; None where nothing is trained.
        target: test images that students are measured on.
        further: test sets of an evaluation on several, by role: all but the first.
        remarks: notices that come from the machine or the data rather than from the figures.
        results: of the finished stages, by digest.
        origins: who computed each finished stage, by digest.
        seconds: wall time by stage label: of computing what this job computed, in whichever attempt, and of
            finding what another job did.
    """

    runtime: Runtime
    source: TestSet | None
    target: TestSet
    remarks: tuple[Notice, ...] = ()
    further: Mapping[str, FurtherTestSet] = field(default_factory=dict)
    results: dict[str, StageResult] = field(default_factory=dict)
    origins: dict[str, StageOrigin] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def record(self, key: StageKey, result: StageResult, *, origin: StageOrigin, seconds: float) -> None:
        """A stage is finished.

        Args:
            seconds: wall time that it took in this attempt: of computing it, or of finding it.
        """
        self.results[key.digest], self.origins[key.digest] = result, origin
        own = seconds if origin.reused or origin.seconds is None else origin.seconds
        self.seconds[key.label] = self.seconds.get(key.label, 0.0) + own

    def knows(self, stage: StageSpec[Work]) -> bool:
        """Whether the stage is finished."""
        return stage.digest in self.results

    def teacher(self, plan: TeacherPlan) -> TeacherResult | None:
        """The result of a teacher's training; None before it is finished."""
        found = self.results.get(plan.stage.digest)
        return found if isinstance(found, TeacherResult) else None

    def student(self, plan: StudentPlan) -> StudentResult | None:
        """The result of a student's tuning; None before it is finished."""
        found = self.results.get(plan.stage.digest)
        return found if isinstance(found, StudentResult) else None

    def clean(self, measurements: Measurements) -> tuple[bool, ...] | None:
        """Which images are right without an attack; None before that was measured."""
        return next((found.robust for attack, found in self._outcomes(measurements) if attack is None), None)

    def outputs(self, measurements: Measurements) -> Outputs | None:
        """What the network answered without an attack; None before that was measured."""
        found = next((found for attack, found in self._outcomes(measurements) if attack is None), None)
        return Outputs(found.robust, found.not_finite, found.answers) if found else None

    def attacks(self, measurements: Measurements) -> list[AttackRecord]:
        """The outcomes of the attacks that are finished."""
        return [
            AttackRecord(
                attack, found.robust, found.seconds, found.not_finite, begun_in(attack, self.runtime)
            )
            for attack, found in self._outcomes(measurements)
            if attack is not None
        ]

    def diagnostics(self, network: NetworkPlan) -> dict[str, DiagnosticResult]:
        """What the finished diagnostics of a network found, by name."""
        found: dict[str, DiagnosticResult] = {}
        for stage in network.diagnostics:
            result = self.results.get(stage.digest)
            if isinstance(result, DiagnosticResult):
                found[stage.work.name] = result
        return found

    def minimal_radii(self, network: NetworkPlan) -> dict[str, MinimalRadii]:
        """The smallest radius that broke each test image, by the diagnostic that looked at radii."""
        found = self.diagnostics(network)
        return {
            name: result.minimal_radii for name, result in found.items() if result.minimal_radii is not None
        }

    def on_validation(self, candidate: StudentPlan) -> OnValidation | None:
        """A candidate on validation images; None before it was attacked there."""
        clean, attacks = self.clean(candidate.measurements), self.attacks(candidate.measurements)
        return OnValidation(clean, worst_case(clean, attacks)) if clean and attacks else None

    def _outcomes(self, measurements: Measurements) -> Iterator[tuple[AttackSpec | None, AttackOutcomes]]:
        for stage in measurements:
            found = self.results.get(stage.digest)
            if isinstance(found, AttackOutcomes):
                yield stage.work.attack, found
