"""The text of each piece of evidence, from the report that it is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from cartl_core.render import certificate_sentences, numbers, phrases, sentences
from cartl_core.render.checks.sentences import check_title, check_words
from cartl_core.render.sentence_templates import fill
from cartl_core.report import Figures, Report
from cartl_core.report.evidence import ItemId, Measured, Quantity

UPPER_BOUND = (
    "Attacks bound robustness from above: a stronger attack can only lower the figure, none can raise it."
)
WHITE_BOX = "The attacker knows the network and its weights, and changes the input digitally after resizing."

QUANTITIES: dict[Quantity, str] = {
    "accuracy": "accuracy",
    "class_accuracy": "accuracy, {of}",
    "worst_case": "robust accuracy, worst case",
    "robust_accuracy": "robust accuracy, {of}",
    "class_worst_case": "robust accuracy, {of}",
    "expected_robustness": "expected robustness to {at:radius}",
    "median_distance": "median distance to a misclassified image",
    "mean_over_corruptions": "mean over corruptions",
    "accuracy_under_corruption": "{of}, severity {at:whole}",
    "checks_passed": "passed",
    "checks_failed": "failed",
    "checks_not_run": "not run",
    "tail_constant": "constant of the tail",
    "network_constant": "constant, pixels to logits",
    "certified_accuracy": "certified at {at:number}",
    "robustness_ratio": "ratio",
}
"""What a figure is called, with places for what it is of and where."""


@dataclass(frozen=True)
class ItemText:
    """What is said of one thing that was tested.

    Attributes:
        what: was tested.
        how: by which method, with all its settings.
        on: what: images and their number, or the network itself.
        found: the result.
        limits: what it does not show.
    """

    title: str
    what: str
    how: str
    on: str
    found: str
    limits: tuple[str, ...]


def quantity(measured: Measured) -> str:
    """``robust accuracy, pgd20``."""
    places = {"of": measured.of, "at": measured.at}
    known = {name: value for name, value in places.items() if value is not None}
    return fill(QUANTITIES[measured.quantity], known)


def item_text(item: ItemId, report: Report) -> ItemText:
    """The text of a piece of evidence of this report."""
    return _TEXTS[item](report)


_T = TypeVar("_T")


def _there(value: _T | None) -> _T:
    if value is None:
        raise ValueError("evidence of something that the report does not have")
    return value


def _figures(report: Report) -> Figures:
    return _there(_there(report.student).figures)


def _images(figures: Figures) -> str:
    return (
        f"{numbers.count(figures.n)} test images, {figures.data}, which no choice of the training depended "
        f"on; fingerprint {figures.data_fingerprint}"
    )


def _accuracy(report: Report) -> ItemText:
    figures = _figures(report)
    return ItemText(
        title="Accuracy without an attack",
        what="The share of test images whose class the exported network names rightly.",
        how="One pass in eval mode and fp32; 95 % Wilson score intervals.",
        on=_images(figures),
        found=f"{numbers.interval(figures.clean)} of {numbers.count(figures.n)} images.",
        limits=(
            "Of this test set alone: other images, cameras or countries may give another accuracy.",
            "Classes weigh as they do in the test set.",
        ),
    )


def _adversarial(report: Report) -> ItemText:
    figures = _figures(report)
    return ItemText(
        title="Robust accuracy under attack",
        what="The share of test images that are named rightly and that no attack below could "
        "change, image by image.",
        how=f"{numbers.capital(phrases.worst_case(figures))}. Every iterate counts; 95 % Wilson score "
        "intervals.",
        on=_images(figures),
        found=f"{numbers.interval(_there(figures.worst_case))} of {numbers.count(figures.n)} images.",
        limits=(UPPER_BOUND, WHITE_BOX, "Nothing is said of larger radii or other norms."),
    )


def _radii(report: Report) -> ItemText:
    curve = _there(_figures(report).curve)
    expected = curve.expected_robustness
    return ItemText(
        title="Robust accuracy over rising radii",
        what="At which radius each test image falls, from none to where hardly any stands.",
        how=f"{phrases.curve(curve)}; norm {curve.norm}.",
        on=f"{numbers.count(curve.n)} of the test images",
        found=f"Mean robust accuracy over radii to {numbers.radius(expected.to_eps)}: "
        f"{numbers.percent(expected.value)}.",
        limits=(UPPER_BOUND, "Distances that an attack finds are at most too long, never too short."),
    )


def _corruptions(report: Report) -> ItemText:
    found = _there(_figures(report).corruptions)
    return ItemText(
        title="Accuracy under common corruptions",
        what="Accuracy on the test images after noise, blur and the like, which nobody chose to do harm.",
        how=f"{numbers.listed(sorted({row.name for row in found.results}))}; {found.source}; seed "
        f"{found.seed}.",
        on=f"{numbers.count(found.n)} of the test images",
        found=f"{numbers.percent(found.mean.value)} on average.",
        limits=("A small set of synthetic corruptions; weather and sensors do more than that.",),
    )


def _checks(report: Report) -> ItemText:
    checks = _there(report.student).checks
    outcomes = (f"{check_title(check)}: {phrases.status(check.status)}" for check in checks)
    return ItemText(
        title="Checks of the evaluation itself",
        what="Whether the attacks were strong enough, and whether the network hides its gradients from them.",
        how="; ".join(outcomes) + ".",
        on=f"the exported network and {numbers.count(_figures(report).n)} or fewer of the test images",
        found=" ".join(check_words(check) for check in checks if check.status == "failed") or "None failed.",
        limits=("A network may deceive in ways that no check looks for.",),
    )


def _lipschitz(report: Report) -> ItemText:
    audit = _there(_figures(report).audit)
    network = certificate_sentences.network_certificate(audit.network)
    return ItemText(
        title="How far the network can stretch its input",
        what="A Lipschitz constant in L2 of the tail and of the whole network, layer by layer.",
        how="Gram iteration for convolutions, multiplied up along the network's structure, batch norm "
        "included.",
        on="the exported network's weights in eval mode; no images",
        found=f"{certificate_sentences.audit(audit)} {network}",
        limits=(
            "In exact arithmetic. The displacement of features beside it is measured, and no bound.",
            "A large constant proves neither robustness nor its absence.",
        ),
    )


def _smoothed(report: Report) -> ItemText:
    found = _there(_figures(report).smoothing)
    return ItemText(
        title="Certified accuracy of the smoothed classifier",
        what="The share of images that are right with a certificate, by L2 radius.",
        how=phrases.smoothing(found),
        on=f"{numbers.count(found.curve[0].certified.n)} of the test images",
        found=certificate_sentences.smoothing_result(found),
        limits=(
            "Of the smoothed classifier, another one than the exported network.",
            f"Each certificate is wrong with a probability of at most {numbers.number(found.alpha)}.",
        ),
    )


def _retention(report: Report) -> ItemText:
    student = _there(report.student)
    kept = _there(student.kept)
    return ItemText(
        title="Robustness kept of the pretrained component's",
        what="Robust accuracy on the target over the teacher's on its source.",
        how="Ratio of two independent proportions with Koopman's score interval, under "
        f"{numbers.listed([pair.target for pair in kept.attacks])}.",
        on=f"{numbers.count(kept.target.n)} target and {numbers.count(kept.source.n)} source test images",
        found=numbers.capital(_there(sentences.retention(student))),
        limits=("Across data sets: other images and classes, so it compares levels, not networks.",),
    )


def _record(report: Report) -> ItemText:
    return ItemText(
        title="How the network was made",
        what="Everything that determines the network and its figures.",
        how="One specification, seeds for every random number, fingerprints of all images, digests of "
        "every stage.",
        on="the pretrained component, the student and both data sets",
        found=f"Specification {report.spec_digest}.",
        limits=("The same figures, bit for bit, only on the same kind of machine and the same versions.",),
    )


_TEXTS: dict[ItemId, Callable[[Report], ItemText]] = {
    "accuracy": _accuracy,
    "adversarial_examples": _adversarial,
    "rising_radii": _radii,
    "common_corruptions": _corruptions,
    "evaluation_checks": _checks,
    "lipschitz_bounds": _lipschitz,
    "randomised_smoothing": _smoothed,
    "robustness_kept": _retention,
    "record": _record,
}
