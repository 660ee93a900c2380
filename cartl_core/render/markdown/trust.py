"""Why to trust the figures, and how far: checks against self-deception, proven norms, certificates."""

from __future__ import annotations

from collections.abc import Iterator

from cartl_core.render import certificate_sentences, numbers, phrases
from cartl_core.render.checks.sentences import check_advice, check_words
from cartl_core.render.checks.titles import TITLES
from cartl_core.render.markdown.methods import arms_of
from cartl_core.render.markdown.tables import table
from cartl_core.report import Report
from cartl_core.report.checks import Check


def checks(report: Report) -> Iterator[str]:
    """Every check of every method, and what was found of the job's own student."""
    arms = [arm for arm in arms_of(report) if arm.checks]
    if not arms:
        return
    yield "## Would we notice if the figures were wrong?"
    yield ""
    found = [{check.name: check for check in arm.checks} for arm in arms]
    names = [name for name in TITLES if any(name in each for each in found)]
    own = found[0]
    yield from table(
        (
            "check",
            *(phrases.arm(arm) for arm in arms),
            f"what was found ({phrases.arm(arms[0])})",
        ),
        (
            (
                TITLES[name],
                *(phrases.status(each[name].status) if name in each else "not run" for each in found),
                _found(own[name]) if name in own else "",
            )
            for name in names
        ),
    )


def _found(check: Check) -> str:
    return " ".join(filter(None, (check_words(check), check_advice(check))))


def audit(report: Report) -> Iterator[str]:
    """What is proven of the tails, layer by layer for the job's own student."""
    arms = [(arm, arm.figures.audit) for arm in arms_of(report) if arm.figures and arm.figures.audit]
    if not arms:
        return
    own = arms[0][1]
    yield "## How far the tail can stretch"
    yield ""
    yield f"{certificate_sentences.audit(own)} {certificate_sentences.network_certificate(own.network)}"
    yield ""
    yield from table(
        (
            "method",
            "proven constant of the tail (L2)",
            "proven, pixels to logits",
            "median certified radius, L2",
            "features moved, over their spread (measured, no bound)",
        ),
        (
            (
                phrases.arm(arm),
                numbers.number(found.tail.tail_constant),
                numbers.number(found.network.constant),
                numbers.number(found.network.median_radius),
                phrases.displacement(found.displacement),
            )
            for arm, found in arms
        ),
    )
    yield from table(
        ("layer of the tail", "kind", "reshaped sigma", "own norm, estimate from below", "proven bound"),
        (
            (
                layer.name,
                numbers.spaced(layer.kind),
                numbers.number(layer.reshaped_sigma),
                numbers.number(layer.power_estimate),
                numbers.number(layer.upper_bound),
            )
            for layer in own.tail.layers
        ),
    )


def smoothing(report: Report) -> Iterator[str]:
    """Randomised smoothing: a certificate of another classifier than the exported network."""
    arms = [(arm, arm.figures.smoothing) for arm in arms_of(report) if arm.figures and arm.figures.smoothing]
    if not arms:
        return
    own = arms[0][1]
    yield "## Certified by randomised smoothing"
    yield ""
    yield f"{certificate_sentences.smoothing_result(own)} {phrases.smoothing(own)}"
    yield ""
    curves = [{point.radius: point.certified for point in found.curve} for _, found in arms]
    yield from table(
        ("radius, L2", *(f"{phrases.arm(arm)}, certified" for arm, _ in arms)),
        (
            (
                numbers.number(point.radius),
                *(
                    f"{numbers.interval(at[point.radius])}, n = {numbers.count(at[point.radius].n)}"
                    if point.radius in at
                    else ""
                    for at in curves
                ),
            )
            for point in own.curve
        ),
    )
