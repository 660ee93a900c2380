"""What was measured of the networks: over eps, attack by attack, class by class, under corruptions."""

from __future__ import annotations

from collections.abc import Iterator

from cartl_core.render import captions, class_phrases, numbers, phrases
from cartl_core.render.markdown.methods import arms_of
from cartl_core.render.markdown.tables import table
from cartl_core.report import Report


def attacks(report: Report) -> Iterator[str]:
    """Every attack on every network, with all that is needed to repeat it."""
    rows = [
        (phrases.arm(arm), result.label, phrases.attack(result), numbers.interval(result.robust))
        for arm in arms_of(report)
        if arm.figures
        for result in arm.figures.attacks
    ]
    rows += [
        (
            phrases.arm(arm),
            "autoattack",
            phrases.AUTOATTACK,
            numbers.interval(arm.figures.autoattack),
        )
        for arm in arms_of(report)
        if arm.figures and arm.figures.autoattack
    ]
    if rows:
        yield "## Attack by attack"
        yield ""
        yield phrases.WORST_CASE
        yield ""
        yield from table(("network", "attack", "how", "robust accuracy"), rows)


def per_class(report: Report) -> Iterator[str]:
    """Accuracy class by class, of the job's own student."""
    figures = report.student.figures if report.student else None
    if not figures or not figures.per_class:
        return
    yield "## Per class"
    yield ""
    yield from table(
        ("class", "n", "clean accuracy", "robust accuracy (worst case)"),
        (
            (
                row.name,
                str(row.clean.n),
                numbers.interval(row.clean),
                numbers.interval(row.worst_case),
            )
            for row in figures.per_class
        ),
    )


def over_classes(report: Report) -> Iterator[str]:
    """Balanced accuracy and the lowest class, the methods side by side."""
    rows = [
        (
            phrases.arm(arm),
            class_phrases.balanced(arm.figures.clean_over_classes),
            class_phrases.lowest_class(arm.figures.clean_over_classes),
            class_phrases.balanced(arm.figures.worst_case_over_classes),
            class_phrases.lowest_class(arm.figures.worst_case_over_classes),
        )
        for arm in arms_of(report)
        if arm.figures and arm.figures.clean_over_classes
    ]
    if not rows:
        return
    yield "## Every class counting the same"
    yield ""
    yield class_phrases.EXPLANATION
    yield ""
    yield from table(class_phrases.HEAD, rows)


def curve(report: Report) -> Iterator[str]:
    """Robust accuracy over eps, the methods side by side, and its one-number summaries."""
    arms = [(arm, arm.figures.curve) for arm in arms_of(report) if arm.figures and arm.figures.curve]
    if not arms:
        return
    yield "## Robust accuracy over eps"
    yield ""
    yield phrases.CURVES
    yield ""
    yield from table(
        ("method", "norm", "n", "expected robustness", "median distance", "how"),
        (
            (
                phrases.arm(arm),
                found.norm,
                numbers.count(found.n),
                phrases.mean(found.expected_robustness),
                phrases.median_distance(found.median_distance),
                phrases.curve(found),
            )
            for arm, found in arms
        ),
    )
    radii = sorted({point.eps for _, found in arms for point in found.points})
    points = [{point.eps: point.robust for point in found.points} for _, found in arms]
    yield from table(
        ("eps", *(f"{phrases.arm(arm)}, n = {numbers.count(found.n)}" for arm, found in arms)),
        (
            (numbers.radius(eps), *(numbers.interval(at[eps]) if eps in at else "" for at in points))
            for eps in radii
        ),
    )


def corruptions(report: Report) -> Iterator[str]:
    """Accuracy under common corruptions, the methods side by side."""
    arms = [
        (arm, arm.figures.corruptions) for arm in arms_of(report) if arm.figures and arm.figures.corruptions
    ]
    if not arms:
        return
    own = arms[0][1]
    yield "## Under common corruptions"
    yield ""
    yield phrases.corruptions(own)
    yield ""
    theirs = [{(row.name, row.severity): row.accuracy for row in found.results} for _, found in arms]
    columns = [(row.name, row.severity) for row in own.results]
    yield from table(
        ("corruption", *(f"{phrases.arm(arm)}, n = {numbers.count(found.n)}" for arm, found in arms)),
        (
            ("mean over all", *(phrases.mean(found.mean) for _, found in arms)),
            *(
                (phrases.corruption(*key), *(numbers.interval(at[key]) if key in at else "" for at in theirs))
                for key in columns
            ),
        ),
    )


def worst_images(report: Report) -> Iterator[str]:
    """What fools the student most, in words; the pictures are in ``worst-images.png``."""
    caption, names = captions.worst_images(report), captions.class_names(report)
    gallery = report.student.figures.gallery if report.student and report.student.figures else None
    if gallery is None or caption is None:
        return
    yield "## The worst images"
    yield ""
    yield f"Pictures: `worst-images.png`. {caption.evidence}"
    yield ""
    yield from table(
        ("image", "true class", "sure of it", "taken for", "sure of that"),
        (
            (
                f"no. {image.index}",
                names.get(image.label, str(image.label)),
                numbers.percent(image.confidence),
                names.get(image.wrong_label, str(image.wrong_label)),
                numbers.percent(image.wrong_confidence),
            )
            for image in gallery.images
        ),
    )
