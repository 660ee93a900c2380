"""From outcomes, image by image, to a verdict on each criterion.

Accuracies are judged by exact one-sided bounds (Clopper and Pearson), the paired difference by the score
interval that the report compares baselines with. ``docs/how-to/gate-a-pipeline.md`` says what that means.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cartl_core.analysis.metrics import AttackRecord, MinimalRadii
from cartl_core.catalog.candidates import PLAIN
from cartl_core.report import PairedComparison, Report
from cartl_core.report.acceptance import CriterionStatus, CriterionVerdict
from cartl_core.spec.acceptance import (
    AcceptSpec,
    CleanAccuracyCriterion,
    EvaluationAcceptSpec,
    KeptAgainstPlainCriterion,
    RobustAccuracyCriterion,
)
from cartl_core.spec.measures.radius import SAME_RADIUS
from cartl_core.statistics.exact_bounds import exact_bounds, images_to_decide
from cartl_core.statistics.proportions import paired_difference, pairs_to_decide


@dataclass(frozen=True)
class Outcomes:
    """What criteria are judged from.

    Attributes:
        clean: which of n test images the network gets right without an attack.
        attacks: every attack on it.
        minimal_radii: what the curve and the checks found, each of n images.
        against_plain: the worst case against that of plain transfer; None where there is none.
        check_failed: a check suggests that its robust accuracy deceives.
    """

    clean: Sequence[bool]
    attacks: Sequence[AttackRecord]
    minimal_radii: Sequence[MinimalRadii] = ()
    against_plain: PairedComparison | None = None
    check_failed: bool = False


def plain_comparison(report: Report) -> PairedComparison | None:
    """The job's own student against its first baseline that is plain transfer, in the worst case.

    Of a run that chooses, that is the best plain candidate; where that was chosen itself there is none.
    """
    plain = next((arm for arm in report.baselines if arm.method == PLAIN), None)
    found = plain.comparisons if plain else ()
    return next((comparison for comparison in found if comparison.what == "worst_case"), None)


def a_check_failed(report: Report) -> bool:
    """Whether a check of the job's own network failed."""
    return report.student is not None and any(check.status == "failed" for check in report.student.checks)


def judge_acceptance(accept: EvaluationAcceptSpec, found: Outcomes) -> tuple[CriterionVerdict, ...]:
    """A verdict on each criterion, in the order of the specification's fields."""
    return tuple(_verdicts(accept, found))


def _verdicts(accept: EvaluationAcceptSpec, found: Outcomes) -> Iterator[CriterionVerdict]:
    if accept.robust_accuracy is not None:
        asked = accept.robust_accuracy
        verdict = _share(asked, robust_within(found, asked))
        yield _believed(verdict, found).model_copy(update={"at": asked.at, "norm": asked.norm})
    if accept.clean_accuracy is not None:
        yield _share(accept.clean_accuracy, found.clean)
    if isinstance(accept, AcceptSpec) and accept.kept_against_plain is not None:
        yield _believed(_difference(accept.kept_against_plain, found.against_plain), found)


def robust_within(found: Outcomes, asked: RobustAccuracyCriterion) -> tuple[bool, ...]:
    """Which images are right without an attack and are broken by none within the radius, in its norm.

    The curve and the checks count, as in the worst case of the report; attacks with a larger radius do not.
    """
    farthest = asked.at * (1 + SAME_RADIUS)
    robust = [
        found.clean,
        *(
            record.robust
            for record in found.attacks
            if record.attack.norm == asked.norm and record.attack.eps <= farthest
        ),
        *(radii.robust_at(farthest) for radii in found.minimal_radii if radii.norm == asked.norm),
    ]
    return tuple(all(image) for image in zip(*robust, strict=True))


def _share(asked: RobustAccuracyCriterion | CleanAccuracyCriterion, held: Sequence[bool]) -> CriterionVerdict:
    n, successes = len(held), sum(held)
    if not n:
        return _not_measured(asked)
    low, high = exact_bounds(successes, n, asked.confidence)
    status: CriterionStatus = "undecided"
    if low >= asked.at_least:
        status = "passed"
    elif high < asked.at_least:
        status = "failed"
    open_ = status == "undecided"
    needed = images_to_decide(successes, n, asked.at_least, asked.confidence) if open_ else None
    return _verdict(asked, status, (successes / n, low, high), n, needed)


def _difference(asked: KeptAgainstPlainCriterion, found: PairedComparison | None) -> CriterionVerdict:
    if found is None:
        return _not_measured(asked)
    counts = found.only_job, found.only_baseline, found.n
    # Each end of a two-sided interval at 2c - 1 is a one-sided bound at c.
    value, low, high = paired_difference(*counts, confidence=2 * asked.confidence - 1)
    status: CriterionStatus = "undecided"
    if low > asked.at_least or asked.at_least == -1:
        status = "passed"
    elif high < asked.at_least:
        status = "failed"
    open_ = status == "undecided"
    needed = pairs_to_decide(*counts, asked.at_least, asked.confidence) if open_ else None
    return _verdict(asked, status, (value, low, high), found.n, needed)


def _verdict(
    asked: RobustAccuracyCriterion | CleanAccuracyCriterion | KeptAgainstPlainCriterion,
    status: CriterionStatus,
    figures: tuple[float, float, float],
    n: int,
    needed: int | None,
) -> CriterionVerdict:
    value, low, high = figures
    return CriterionVerdict(
        criterion=_NAMES[type(asked)],
        at_least=asked.at_least,
        confidence=asked.confidence,
        status=status,
        why="interval",
        value=value,
        low=low,
        high=high,
        n=n,
        n_to_decide=needed,
    )


def _not_measured(
    asked: RobustAccuracyCriterion | CleanAccuracyCriterion | KeptAgainstPlainCriterion,
) -> CriterionVerdict:
    return CriterionVerdict(
        criterion=_NAMES[type(asked)],
        at_least=asked.at_least,
        confidence=asked.confidence,
        status="undecided",
        why="not_measured",
    )


def _believed(verdict: CriterionVerdict, found: Outcomes) -> CriterionVerdict:
    """An attack that a check finds too weak proves nothing where it fails, and all where it succeeds."""
    if not found.check_failed or verdict.status == "failed":
        return verdict
    return verdict.model_copy(update={"status": "undecided", "why": "check_failed", "n_to_decide": None})


_NAMES = {
    RobustAccuracyCriterion: "robust_accuracy",
    CleanAccuracyCriterion: "clean_accuracy",
    KeptAgainstPlainCriterion: "kept_against_plain",
}
