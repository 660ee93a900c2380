"""Why to trust the figures, and how far: checks against self-deception, proven norms, certificates."""

from __future__ import annotations

from collections.abc import Iterator

from cartl_core.render import words
from cartl_core.render.markdown.methods import arms_of
from cartl_core.render.markdown.tables import table
from cartl_core.report import Report
from cartl_core.report_checks import TITLES


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
            *(words.arm(arm) for arm in arms),
            f"what was found ({words.arm(arms[0])})",
        ),
        (
            (
                TITLES[name],
                *(words.status(each[name].status) if name in each else "not run" for each in found),
                " ".join(filter(None, (own[name].words, own[name].advice))) if name in own else "",
            )
            for name in names
        ),
    )


def audit(report: Report) -> Iterator[str]:
    """What is proven of the tails, layer by layer for the job's own student."""
    arms = [(arm, arm.figures.audit) for arm in arms_of(report) if arm.figures and arm.figures.audit]
    if not arms:
        return
    own = arms[0][1]
    yield "## How far the tail can stretch"
    yield ""
    yield f"{own.words} {own.network.words}"
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
                words.arm(arm),
                words.number(found.tail.tail_constant),
                words.number(found.network.constant),
                words.number(found.network.median_radius),
                words.displacement(found.displacement),
            )
            for arm, found in arms
        ),
    )
    yield from table(
        ("layer of the tail", "kind", "reshaped sigma", "own norm, estimate from below", "proven bound"),
        (
            (
                layer.name,
                words.spaced(layer.kind),
                words.number(layer.reshaped_sigma),
                words.number(layer.power_estimate),
                words.number(layer.upper_bound),
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
    yield f"{own.words} {words.smoothing(own)}"
    yield ""
    curves = [{point.radius: point.certified for point in found.curve} for _, found in arms]
    yield from table(
        ("radius, L2", *(f"{words.arm(arm)}, certified" for arm, _ in arms)),
        (
            (
                words.number(point.radius),
                *(
                    f"{words.interval(at[point.radius])}, n = {words.count(at[point.radius].n)}"
                    if point.radius in at
                    else ""
                    for at in curves
                ),
            )
            for point in own.curve
        ),
    )
