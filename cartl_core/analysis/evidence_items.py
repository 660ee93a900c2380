"""The pieces of the evidence block, one function each."""

from __future__ import annotations

from collections.abc import Callable

from cartl_core.analysis.frameworks import (
    ATTACKS,
    DECLARED,
    LEVELS,
    RESILIENCE,
    SECURITY,
)
from cartl_core.render import numbers, phrases, sentences
from cartl_core.report import Figures, Interval, Report
from cartl_core.report.evidence import EvidenceItem, Measured

UPPER_BOUND = (
    "Attacks bound robustness from above: a stronger attack can only lower the figure, none can raise it."
)


WHITE_BOX = "The attacker knows the network and its weights, and changes the input digitally after resizing."


def _figures(report: Report) -> Figures | None:
    return report.student.figures if report.student else None


def _accuracy(report: Report) -> EvidenceItem | None:
    figures = _figures(report)
    if figures is None:
        return None
    per_class = tuple(_share(f"accuracy, {row.name}", row.clean) for row in figures.per_class)
    return EvidenceItem(
        id="accuracy",
        title="Accuracy without an attack",
        references=(LEVELS, DECLARED),
        basis="empirical",
        what="The share of test images whose class the exported network names rightly.",
        how="One pass in eval mode and fp32; 95 % Wilson score intervals.",
        on=_images(figures),
        measured=(_share("accuracy", figures.clean), *per_class),
        found=f"{numbers.interval(figures.clean)} of {numbers.count(figures.n)} images.",
        limits=(
            "Of this test set alone: other images, cameras or countries may give another accuracy.",
            "Classes weigh as they do in the test set.",
        ),
        where=("/student/figures/clean", "/student/figures/per_class"),
    )


def _adversarial(report: Report) -> EvidenceItem | None:
    figures = _figures(report)
    if figures is None or figures.worst_case is None:
        return None
    return EvidenceItem(
        id="adversarial_examples",
        title="Robust accuracy under attack",
        references=(ATTACKS, LEVELS, SECURITY),
        basis="empirical",
        what="The share of test images that are named rightly and that no attack below could "
        "change, image by image.",
        how=f"{numbers.capital(phrases.worst_case(figures))}. Every iterate counts; 95 % Wilson score "
        "intervals.",
        on=_images(figures),
        measured=(
            _share("robust accuracy, worst case", figures.worst_case),
            *(_share(f"robust accuracy, {attack.label}", attack.robust) for attack in figures.attacks),
            *(_share(f"robust accuracy, {row.name}", row.worst_case) for row in figures.per_class),
        ),
        found=f"{numbers.interval(figures.worst_case)} of {numbers.count(figures.n)} images.",
        limits=(UPPER_BOUND, WHITE_BOX, "Nothing is said of larger radii or other norms."),
        where=("/student/figures/worst_case", "/student/figures/attacks"),
    )


def _radii(report: Report) -> EvidenceItem | None:
    curve = figures.curve if (figures := _figures(report)) else None
    if curve is None:
        return None
    expected, median = curve.expected_robustness, curve.median_distance
    return EvidenceItem(
        id="rising_radii",
        title="Robust accuracy over rising radii",
        references=(ATTACKS, SECURITY),
        basis="empirical",
        what="At which radius each test image falls, from none to where hardly any stands.",
        how=f"{phrases.curve(curve)}; norm {curve.norm}.",
        on=f"{numbers.count(curve.n)} of the test images",
        measured=(
            Measured(
                name=f"expected robustness to {numbers.radius(expected.to_eps)}",
                value=expected.value,
                low=expected.low,
                high=expected.high,
                confidence=expected.confidence,
                n=expected.n,
            ),
            *(
                (
                    Measured(
                        name="median distance to a misclassified image",
                        value=median.value,
                        low=median.low,
                        high=median.high,
                        confidence=median.confidence,
                        n=median.n,
                        unit="pixel units",
                    ),
                )
                if median.value is not None
                else ()
            ),
        ),
        found=f"Mean robust accuracy over radii to {numbers.radius(expected.to_eps)}: "
        f"{numbers.percent(expected.value)}.",
        limits=(UPPER_BOUND, "Distances that an attack finds are at most too long, never too short."),
        where=("/student/figures/curve",),
    )


def _corruptions(report: Report) -> EvidenceItem | None:
    found = figures.corruptions if (figures := _figures(report)) else None
    if found is None:
        return None
    return EvidenceItem(
        id="common_corruptions",
        title="Accuracy under common corruptions",
        references=(RESILIENCE, SECURITY),
        basis="empirical",
        what="Accuracy on the test images after noise, blur and the like, which nobody chose to do harm.",
        how=f"{numbers.listed(sorted({row.name for row in found.results}))}; {found.source}; seed "
        f"{found.seed}.",
        on=f"{numbers.count(found.n)} of the test images",
        measured=(
            Measured(
                name="mean over corruptions",
                value=found.mean.value,
                low=found.mean.low,
                high=found.mean.high,
                confidence=found.mean.confidence,
                n=found.mean.n,
            ),
            *(_share(f"{row.name}, severity {row.severity}", row.accuracy) for row in found.results),
        ),
        found=f"{numbers.percent(found.mean.value)} on average.",
        limits=("A small set of synthetic corruptions; weather and sensors do more than that.",),
        where=("/student/figures/corruptions",),
    )


def _checks(report: Report) -> EvidenceItem | None:
    checks, figures = report.student.checks if report.student else (), _figures(report)
    if not checks or figures is None:
        return None
    by_status = {
        status: [check.title for check in checks if check.status == status]
        for status in ("passed", "failed", "not_run")
    }
    return EvidenceItem(
        id="evaluation_checks",
        title="Checks of the evaluation itself",
        references=(SECURITY, ATTACKS),
        basis="empirical",
        what="Whether the attacks were strong enough, and whether the network hides its gradients from them.",
        how="; ".join(f"{check.title}: {phrases.status(check.status)}" for check in checks) + ".",
        on=f"the exported network and {numbers.count(figures.n)} or fewer of the test images",
        measured=tuple(
            Measured(name=numbers.spaced(status), value=len(titles), unit="count")
            for status, titles in by_status.items()
        ),
        found=" ".join(check.words for check in checks if check.status == "failed") or "None failed.",
        limits=("A network may deceive in ways that no check looks for.",),
        where=("/student/checks",),
    )


def _tail(report: Report) -> EvidenceItem | None:
    audit = figures.audit if (figures := _figures(report)) else None
    if audit is None:
        return None
    return EvidenceItem(
        id="lipschitz_bounds",
        title="How far the network can stretch its input",
        references=(ATTACKS, SECURITY),
        basis="proven",
        what="A Lipschitz constant in L2 of the tail and of the whole network, layer by layer.",
        how="Gram iteration for convolutions, multiplied up along the network's structure, batch norm "
        "included.",
        on="the exported network's weights in eval mode; no images",
        measured=(
            Measured(name="constant of the tail", value=audit.tail.tail_constant, unit="norm"),
            Measured(name="constant, pixels to logits", value=audit.network.constant, unit="norm"),
        ),
        found=f"{audit.words} {audit.network.words}",
        limits=(
            "In exact arithmetic. The displacement of features beside it is measured, and no bound.",
            "A large constant proves neither robustness nor its absence.",
        ),
        where=("/student/figures/audit",),
    )


def _smoothed(report: Report) -> EvidenceItem | None:
    found = figures.smoothing if (figures := _figures(report)) else None
    if found is None:
        return None
    return EvidenceItem(
        id="randomised_smoothing",
        title="Certified accuracy of the smoothed classifier",
        references=(ATTACKS, SECURITY),
        basis="proven",
        what="The share of images that are right with a certificate, by L2 radius.",
        how=phrases.smoothing(found),
        on=f"{numbers.count(found.curve[0].certified.n)} of the test images",
        measured=tuple(
            _share(f"certified at {numbers.number(point.radius)}", point.certified) for point in found.curve
        ),
        found=found.words,
        limits=(
            "Of the smoothed classifier, another one than the exported network.",
            f"Each certificate is wrong with a probability of at most {numbers.number(found.alpha)}.",
        ),
        where=("/student/figures/smoothing",),
    )


def _kept(report: Report) -> EvidenceItem | None:
    kept = report.student.kept if report.student else None
    if report.student is None or kept is None:
        return None
    return EvidenceItem(
        id="robustness_kept",
        title="Robustness kept of the pretrained component's",
        references=(LEVELS, SECURITY),
        basis="empirical",
        what="Robust accuracy on the target over the teacher's on its source.",
        how="Ratio of two independent proportions with Koopman's score interval, under "
        f"{numbers.listed([pair.target for pair in kept.attacks])}.",
        on=f"{numbers.count(kept.target.n)} target and {numbers.count(kept.source.n)} source test images",
        measured=(
            Measured(
                name="ratio",
                value=kept.ratio,
                low=kept.low,
                high=kept.high,
                confidence=kept.confidence,
                n=kept.target.n,
                unit="ratio",
            ),
        ),
        found=numbers.capital(sentences.kept(report.student) or ""),
        limits=("Across data sets: other images and classes, so it compares levels, not networks.",),
        where=("/student/kept",),
    )


def _record(report: Report) -> EvidenceItem | None:
    return EvidenceItem(
        id="record",
        title="How the network was made",
        references=(SECURITY, DECLARED),
        basis="documented",
        what="Everything that determines the network and its figures.",
        how="One specification, seeds for every random number, fingerprints of all images, digests of "
        "every stage.",
        on="the pretrained component, the student and both data sets",
        found=f"Specification {report.spec_digest}.",
        limits=("The same figures, bit for bit, only on the same kind of machine and the same versions.",),
        where=("/spec", "/spec_digest", "/runtime", "/teachers"),
    )


ITEMS: tuple[Callable[[Report], EvidenceItem | None], ...] = (
    _accuracy,
    _adversarial,
    _radii,
    _corruptions,
    _checks,
    _tail,
    _smoothed,
    _kept,
    _record,
)


def _share(name: str, figure: Interval) -> Measured:
    return Measured(
        name=name,
        value=figure.value,
        low=figure.low,
        high=figure.high,
        confidence=figure.confidence,
        n=figure.n,
    )


def _images(figures: Figures) -> str:
    return (
        f"{numbers.count(figures.n)} test images, {figures.data}, which no choice of the training depended "
        "on; "
        f"fingerprint {figures.data_fingerprint}"
    )
