"""The pieces of the evidence block: what was measured, one function each."""

from __future__ import annotations

from collections.abc import Iterator

from cartl_core.report import (
    ArmReport,
    Audit,
    CorruptionResults,
    Figures,
    Interval,
    Retention,
    RobustnessCurve,
)
from cartl_core.report.certificates import SmoothingResult
from cartl_core.report.checks import Check, CheckStatus
from cartl_core.report.curves import Mean
from cartl_core.report.evidence import EvidenceItem, Measured, Quantity
from cartl_core.report.frameworks import references_of


def items(student: ArmReport, figures: Figures) -> tuple[EvidenceItem, ...]:
    """All that was measured of ``student``, whose figures are ``figures``, and the record of its making."""
    return tuple(_items(student, figures))


def _items(student: ArmReport, figures: Figures) -> Iterator[EvidenceItem]:
    yield _accuracy(figures)
    if figures.worst_case is not None:
        yield _adversarial(figures, figures.worst_case)
    if figures.curve is not None:
        yield _radii(figures.curve)
    if figures.corruptions is not None:
        yield _corruptions(figures.corruptions)
    if student.checks:
        yield _checks(student.checks)
    if figures.audit is not None:
        yield _lipschitz(figures.audit)
    if figures.smoothing is not None:
        yield _smoothed(figures.smoothing)
    if student.kept is not None:
        yield _retention(student.kept)
    yield EvidenceItem(
        id="record",
        references=references_of("record"),
        basis="documented",
        where=("/spec", "/spec_digest", "/runtime", "/teachers"),
    )


def _accuracy(figures: Figures) -> EvidenceItem:
    return EvidenceItem(
        id="accuracy",
        references=references_of("accuracy"),
        basis="empirical",
        measured=(
            _share("accuracy", figures.clean),
            *(_share("class_accuracy", row.clean, of=row.name) for row in figures.per_class),
        ),
        where=("/student/figures/clean", "/student/figures/per_class"),
    )


def _adversarial(figures: Figures, worst_case: Interval) -> EvidenceItem:
    return EvidenceItem(
        id="adversarial_examples",
        references=references_of("adversarial_examples"),
        basis="empirical",
        measured=(
            _share("worst_case", worst_case),
            *(_share("robust_accuracy", attack.robust, of=attack.label) for attack in figures.attacks),
            *(_share("class_worst_case", row.worst_case, of=row.name) for row in figures.per_class),
        ),
        where=("/student/figures/worst_case", "/student/figures/attacks"),
    )


def _radii(curve: RobustnessCurve) -> EvidenceItem:
    expected, median = curve.expected_robustness, curve.median_distance
    measured = [_share("expected_robustness", expected, at=expected.to_eps)]
    if median.value is not None:
        measured.append(
            Measured(
                quantity="median_distance",
                value=median.value,
                low=median.low,
                high=median.high,
                confidence=median.confidence,
                n=median.n,
                unit="pixel units",
            )
        )
    return EvidenceItem(
        id="rising_radii",
        references=references_of("rising_radii"),
        basis="empirical",
        measured=tuple(measured),
        where=("/student/figures/curve",),
    )


def _corruptions(found: CorruptionResults) -> EvidenceItem:
    return EvidenceItem(
        id="common_corruptions",
        references=references_of("common_corruptions"),
        basis="empirical",
        measured=(
            _share("mean_over_corruptions", found.mean),
            *(
                _share("accuracy_under_corruption", row.accuracy, of=row.name, at=row.severity)
                for row in found.results
            ),
        ),
        where=("/student/figures/corruptions",),
    )


_COUNTED: dict[Quantity, CheckStatus] = {
    "checks_passed": "passed",
    "checks_failed": "failed",
    "checks_not_run": "not_run",
}


def _checks(checks: tuple[Check, ...]) -> EvidenceItem:
    return EvidenceItem(
        id="evaluation_checks",
        references=references_of("evaluation_checks"),
        basis="empirical",
        measured=tuple(
            Measured(quantity=quantity, value=sum(check.status == status for check in checks), unit="count")
            for quantity, status in _COUNTED.items()
        ),
        where=("/student/checks",),
    )


def _lipschitz(audit: Audit) -> EvidenceItem:
    return EvidenceItem(
        id="lipschitz_bounds",
        references=references_of("lipschitz_bounds"),
        basis="proven",
        measured=(
            Measured(quantity="tail_constant", value=audit.tail.tail_constant, unit="norm"),
            Measured(quantity="network_constant", value=audit.network.constant, unit="norm"),
        ),
        where=("/student/figures/audit",),
    )


def _smoothed(found: SmoothingResult) -> EvidenceItem:
    return EvidenceItem(
        id="randomised_smoothing",
        references=references_of("randomised_smoothing"),
        basis="proven",
        measured=tuple(
            _share("certified_accuracy", point.certified, at=point.radius) for point in found.curve
        ),
        where=("/student/figures/smoothing",),
    )


def _retention(found: Retention) -> EvidenceItem:
    return EvidenceItem(
        id="robustness_kept",
        references=references_of("robustness_kept"),
        basis="empirical",
        measured=(
            Measured(
                quantity="robustness_ratio",
                value=found.ratio,
                low=found.low,
                high=found.high,
                confidence=found.confidence,
                n=found.target.n,
                unit="ratio",
            ),
        ),
        where=("/student/kept",),
    )


def _share(
    quantity: Quantity, figure: Interval | Mean, *, of: str | None = None, at: float | None = None
) -> Measured:
    return Measured(
        quantity=quantity,
        of=of,
        at=at,
        value=figure.value,
        low=figure.low,
        high=figure.high,
        confidence=figure.confidence,
        n=figure.n,
    )
