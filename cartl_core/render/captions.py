"""Captions and texts in place of pictures: every figure says what it was measured on and how.

A caption carries n, attacks, norm, radius, step, steps, restarts, seed and interval, so that a figure
which is cut out of its report keeps its evidence.
"""

from __future__ import annotations

from dataclasses import dataclass

from cartl_core.catalog import facts_of
from cartl_core.render import histories, numbers, phrases, selection_phrases
from cartl_core.report import Figures, Report
from cartl_core.report.certificates import Displacement, LayerAudit
from cartl_core.report.curves import RobustnessCurve

INTERVALS = "95\u00a0% Wilson intervals"


@dataclass(frozen=True)
class Caption:
    """The words around a picture."""

    reading: str
    """How to read it; shown below it."""
    aloud: str
    """What it shows, for who cannot see it."""
    evidence: str
    """How it was measured: n, attack, norm, radius, step, steps, restarts, seed, interval; drawn inside."""


def measured(figures: Figures) -> str:
    """``n = 1,000 test images, ...; worst case per image over pgd20: ...``."""
    under = f"; {phrases.worst_case(figures)}" if figures.attacks else ""
    return f"n = {numbers.count(figures.n)} test images, {figures.data}{under}; {INTERVALS}"


def per_class(report: Report) -> Caption | None:
    """Of the bars class by class."""
    figures = report.student.figures if report.student else None
    if not figures or not figures.per_class:
        return None
    rows = figures.per_class
    least = min(rows, key=lambda row: row.worst_case.value)
    most = max(rows, key=lambda row: row.worst_case.value)
    has_baseline = any(arm.figures and arm.figures.per_class for arm in report.baselines)
    diamond = " Diamond: the first baseline's worst case." if has_baseline else ""
    return Caption(
        reading=f"Grey: without an attack. Blue: robust, the worst case of all attacks.{diamond} Whiskers: "
        "95\u00a0% Wilson intervals, each class on its own images.",
        aloud=f"Bars of accuracy with and without attacks for {len(rows)} classes. Robust accuracy is lowest "
        f"for {least.name} ({numbers.percent(least.worst_case.value)}) and highest for {most.name} "
        f"({numbers.percent(most.worst_case.value)}). The numbers are in the table below.",
        evidence=f"{measured(figures)}, each class on its own images.",
    )


def curves(report: Report) -> tuple[tuple[str, RobustnessCurve], ...]:
    """Each arm's curve by the arm's name, the job's own first; only those in the norm of the first."""
    arms = [arm for arm in (report.student, *report.baselines) if arm]
    found = [(phrases.arm(arm), arm.figures.curve) for arm in arms if arm.figures]
    there = [(name, curve) for name, curve in found if curve is not None]
    return tuple((name, curve) for name, curve in there if curve.norm == there[0][1].norm)


def curve(report: Report) -> Caption | None:
    """Of the curve over eps."""
    drawn = curves(report)
    if not drawn:
        return None
    counts = sorted({found.n for _, found in drawn})
    sizes = numbers.listed([numbers.count(count) for count in counts])
    name, own = drawn[0]
    first, last = own.points[0], own.points[-1]
    return Caption(
        reading="Robust accuracy at rising radii; bands are 95\u00a0% Wilson intervals. Each image is "
        "attacked at one radius after the other, and stays fallen once it fell.",
        aloud=f"Curves of robust accuracy over eps for {numbers.listed([arm for arm, _ in drawn])}. {name} "
        f"falls from {numbers.percent(first.robust.value)} at {numbers.radius(first.eps)} to "
        f"{numbers.percent(last.robust.value)} at {numbers.radius(last.eps)}.",
        evidence=f"n = {sizes} test images; PGD over rising radii, {own.norm}, loss {own.loss}, eps "
        f"{numbers.radius(first.eps)} to "
        f"{numbers.radius(max(found.points[-1].eps for _, found in drawn))}, step "
        f"{own.step_of_eps:.3g} of eps, {own.steps} steps, {own.restarts} random restart"
        f"{'s' if own.restarts != 1 else ''} at each radius and one from the radius before, seed {own.seed}; "
        f"{INTERVALS}.",
    )


def history(report: Report) -> Caption | None:
    """Of the students' ways from epoch to epoch."""
    named = histories.students(report)
    if not named:
        return None
    kept = [f"{name} keeps epoch {found.selected_epoch} of {len(found.epochs)}" for name, found in named]
    return Caption(
        reading="Each line goes from a student's first epoch to its last, over clean and robust accuracy on "
        "validation images; the ring is the epoch that was kept. Up and to the right is better.",
        aloud=f"Clean against robust accuracy by epoch. {numbers.capital(numbers.listed(kept))}. The "
        "numbers are "
        "in the table below.",
        evidence=" ".join(f"{numbers.capital(name)}: {histories.reading(found)}" for name, found in named[:1])
        + f" Seed {report.spec.seed}; validation images, not test images.",
    )


def selection(report: Report) -> Caption | None:
    """Of the candidates, once all of them are measured."""
    found = report.selection
    if found is None or found.chosen is None:
        return None
    front = [str(candidate.number) for candidate in found.candidates if candidate.on_front]
    return Caption(
        reading="Each candidate on validation images, by its number in the table. Thin "
        "lines are 95\u00a0% Wilson intervals, dashed steps the Pareto front. Candidates in the green band "
        "are clean enough; the most robust of them that is surely ahead of plain transfer is chosen.",
        aloud=f"Clean against robust accuracy of {len(found.candidates)} candidates. On the Pareto front: "
        f"{numbers.listed(front)}. Chosen: {found.chosen}. The numbers are in the table below.",
        evidence=f"{selection_phrases.selection(found)} Axes show where the candidates are, not 0 to "
        f"100\u00a0%; {INTERVALS}.",
    )


def worst_images(report: Report) -> Caption | None:
    """Of the gallery."""
    gallery = report.student.figures.gallery if report.student and report.student.figures else None
    if gallery is None or not gallery.images:
        return None
    names = class_names(report)
    shown = numbers.listed(
        [
            f"{names.get(image.label, '?')} taken for {names.get(image.wrong_label, '?')} "
            f"({numbers.percent(image.wrong_confidence)} sure)"
            for image in gallery.images
        ]
    )
    return Caption(
        reading="Images that the network gets right, and the ones that it gets most confidently wrong under "
        "attack: of each class the worst, then the next. Left as it is, in the middle under attack, to the "
        f"right what was added, magnified {gallery.magnification} times around grey.",
        aloud=f"Pictures of {len(gallery.images)} images before and under attack: {shown}.",
        evidence=f"{len(gallery.images)} of n = {numbers.count(gallery.n)} test images tried, "
        f"{gallery.right} "
        f"right without an attack, {gallery.fooled} of those wrong at the last step; PGD, {gallery.norm}, "
        f"loss {gallery.loss}, eps {numbers.radius(gallery.eps)}, step {numbers.radius(gallery.step)}, "
        f"{gallery.steps} steps, {gallery.restarts} restart, random start, seed {gallery.seed}; it goes on "
        "after the network is fooled. Single images: no interval.",
    )


def audited_layers(report: Report) -> tuple[LayerAudit, ...]:
    """The layers of the own student's tail that can stretch: activations and a mean never do."""
    audit = report.student.figures.audit if report.student and report.student.figures else None
    if audit is None:
        return ()
    return tuple(layer for layer in audit.tail.layers if layer.kind not in FLAT or layer.upper_bound > 1)


FLAT = ("activation", "pooling")
"""Kinds that do not stretch, max-pooling with overlapping windows apart."""


def audit(report: Report) -> Caption | None:
    """Of the layers of the tail."""
    layers = audited_layers(report)
    found = report.student.figures.audit if report.student and report.student.figures else None
    if found is None or not layers:
        return None
    widest = max(layers, key=lambda layer: layer.upper_bound)
    return Caption(
        reading="Left of the dashed line a layer brings inputs together, right of it one can part them. "
        "The true norm lies between the estimate and the proven bound; the paper's non-expansive tuning "
        "bounds the reshaped sigma alone.",
        aloud=f"For each of {len(layers)} layers of the tail its reshaped sigma, an estimate of its norm and "
        f"a proven bound. The largest bound is {numbers.number(widest.upper_bound)}, of {widest.name}; of "
        "the "
        f"whole tail {numbers.number(found.tail.tail_constant)} is proven.",
        evidence="Norms in L2 of the exported network in eval mode, from its weights alone: proven for every "
        f"input, so without n, attack or seed.{_measured_beside(found.displacement)}",
    )


def _measured_beside(moved: Displacement | None) -> str:
    if moved is None:
        return ""
    return (
        f" Beside them, measured: displacement of the features under {moved.attack}, "
        f"n = {numbers.count(moved.distance.n)}."
    )


def class_names(report: Report) -> dict[int, str]:
    """The target's classes by their label."""
    facts = facts_of(report.spec.dataset)
    kept = report.spec.dataset.classes
    return dict(enumerate(facts.classes[label] for label in kept) if kept else enumerate(facts.classes))
