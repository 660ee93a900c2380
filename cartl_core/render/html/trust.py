"""Why to trust the figures, and how far: checks against self-deception, proven norms, certificates."""

from __future__ import annotations

from cartl_core.render import captions, certificate_sentences, numbers, phrases
from cartl_core.render.check_sentences import check_advice, check_words
from cartl_core.render.check_table import TITLES
from cartl_core.render.html.bars import proportion
from cartl_core.render.html.elements import (
    Child,
    Html,
    join,
    section,
    table,
    tag,
)
from cartl_core.render.html.measurements import Pictures, picture
from cartl_core.render.html.methods import arms_of, name_of, tone_of
from cartl_core.report import ArmReport, Report
from cartl_core.report.certificates import Audit, CertifiedPoint
from cartl_core.report.checks import Check


def checks(report: Report) -> Html | None:
    """Every check of every method, and what was found of the job's own student."""
    arms = [arm for arm in arms_of(report) if arm.checks]
    if not arms:
        return None
    found = [(arm, {check.name: check for check in arm.checks}) for arm in arms]
    names = [name for name in TITLES if any(name in each for _, each in found)]
    return section(
        "checks",
        "Would we notice if the figures were wrong?",
        tag(
            "p",
            "Checks against self-deception, made on every method. One that failed stands at the top of this "
            "page as well. What was found is that of the job's own student.",
        ),
        table(
            ("check", *(phrases.arm(arm) for arm, _ in found), "what was found"),
            (
                (
                    TITLES[name],
                    *(_status(each.get(name)) for _, each in found),
                    _found(found[0][1].get(name)),
                )
                for name in names
            ),
        ),
        _attacks_of_checks(arms, report),
    )


def _attacks_of_checks(arms: list[ArmReport], report: Report) -> Html | None:
    """The attacks that the checks made, on the images that they looked at."""
    rows = [
        (
            name_of(arm, report),
            made.label,
            phrases.check_attack(made),
            numbers.count(made.n),
            proportion(made.robust, tone_of(arm, report)),
        )
        for arm in arms
        if arm.figures and arm.figures.checks
        for made in arm.figures.checks.attacks
    ]
    if not rows:
        return None
    made = table(("network", "attack", "how", "n", "robust accuracy"), rows, numbers=(3,))
    return tag("details", tag("summary", "The attacks that the checks made"), made)


def _status(check: Check | None) -> Child:
    status = check.status if check else "not_run"
    return tag("span", phrases.status(status), class_=f"status {status}")


def _found(check: Check | None) -> Child:
    if check is None:
        return None
    advice = check_advice(check)
    evidence = "; ".join(
        f"{numbers.spaced(name)}: {numbers.number(value)}" for name, value in check.evidence.items()
    )
    return join(
        (
            check_words(check),
            f" {advice}" if advice else None,
            tag("span", evidence, class_="note block") if evidence else None,
        )
    )


def audit(report: Report, pictures: Pictures) -> Html | None:
    """What is proven of the tails, layer by layer for the job's own student."""
    arms = [(arm, arm.figures.audit) for arm in arms_of(report) if arm.figures and arm.figures.audit]
    if not arms:
        return None
    own, shown = arms[0], picture(pictures, "audit.svg", captions.audit(report))
    layers = _layers(own[1])
    return section(
        "audit",
        "How far the tail can stretch",
        tag(
            "p",
            f"{certificate_sentences.audit(own[1])} "
            f"{certificate_sentences.network_certificate(own[1].network)}",
        ),
        table(
            (
                "method",
                "proven constant of the tail",
                "proven, pixels to logits",
                "median certified radius, L2",
                "features moved, over their spread (measured)",
            ),
            (_audit_row(arm, found, report) for arm, found in arms),
            numbers=(1, 2, 3),
            caption="Lipschitz constants in L2, of the network in eval mode, proven for every input. The "
            "last column is empirical: what an attack did to the images it was tried on, and no bound.",
        ),
        shown,
        tag("details", tag("summary", "The layers of the tail"), layers) if shown else layers,
    )


def _audit_row(arm: ArmReport, found: Audit, report: Report) -> tuple[Child, ...]:
    moved = found.displacement
    return (
        name_of(arm, report),
        numbers.number(found.tail.tail_constant),
        numbers.number(found.network.constant),
        numbers.number(found.network.median_radius),
        phrases.displacement(moved),
    )


def _layers(found: Audit) -> Html:
    return table(
        ("layer", "kind", "reshaped sigma", "own norm, estimate from below", "proven bound"),
        (
            (
                layer.name,
                layer.kind.replace("_", " "),
                numbers.number(layer.reshaped_sigma),
                numbers.number(layer.power_estimate),
                numbers.number(layer.upper_bound),
            )
            for layer in found.tail.layers
        ),
        numbers=(2, 3, 4),
    )


def smoothing(report: Report) -> Html | None:
    """Randomised smoothing: a certificate of another classifier than the exported network, and it says so."""
    arms = [(arm, arm.figures.smoothing) for arm in arms_of(report) if arm.figures and arm.figures.smoothing]
    if not arms:
        return None
    own = arms[0][1]
    curves = [(arm, {point.radius: point for point in found.curve}) for arm, found in arms]
    return section(
        "smoothing",
        "Certified by randomised smoothing",
        tag("p", certificate_sentences.smoothing_result(own)),
        table(
            ("radius, L2", *(f"{phrases.arm(arm)}, certified" for arm, _ in arms)),
            (
                (
                    numbers.number(point.radius),
                    *(_certified(at.get(point.radius), tone_of(arm, report)) for arm, at in curves),
                )
                for point in own.curve
            ),
            caption=phrases.smoothing(own),
        ),
    )


def _certified(point: CertifiedPoint | None, tone: str) -> Child:
    if point is None:
        return None
    counted = tag("span", f"n = {numbers.count(point.certified.n)}", class_="note block")
    return join((proportion(point.certified, tone), counted))
