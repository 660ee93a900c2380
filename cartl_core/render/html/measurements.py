"""What was measured of the networks: attack by attack, class by class, in figures and in pictures."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from cartl_core.render import captions, numbers, phrases
from cartl_core.render.captions import Caption
from cartl_core.render.figure import Picture
from cartl_core.render.html.bars import proportion
from cartl_core.render.html.elements import Html, section, table, tag
from cartl_core.render.html.methods import OWN, arms_of, name_of, tone_of
from cartl_core.report import Report

Pictures = Mapping[str, Picture]


def attacks(report: Report) -> Html | None:
    """Every attack on every network, with all that is needed to repeat it."""
    rows = [
        (
            name_of(arm, report),
            result.label,
            phrases.attack(result),
            numbers.count(result.n),
            proportion(result.robust, tone_of(arm, report)),
        )
        for arm in arms_of(report)
        if arm.figures
        for result in arm.figures.attacks
    ]
    rows += [
        (
            name_of(arm, report),
            "autoattack",
            phrases.AUTOATTACK,
            numbers.count(arm.figures.autoattack.n),
            proportion(arm.figures.autoattack, tone_of(arm, report)),
        )
        for arm in arms_of(report)
        if arm.figures and arm.figures.autoattack
    ]
    if not rows:
        return None
    return section(
        "attacks",
        "Attack by attack",
        tag(
            "p",
            phrases.WORST_CASE,
        ),
        table(("network", "attack", "how", "n", "robust accuracy"), rows, numbers=(3,)),
    )


def curve(report: Report, pictures: Pictures) -> Html | None:
    """Robust accuracy over eps: the figure, its one-number summaries, and the numbers behind it."""
    arms = [(arm, arm.figures.curve) for arm in arms_of(report) if arm.figures and arm.figures.curve]
    if not arms:
        return None
    shown = picture(pictures, "curve.svg", captions.curve(report))
    points = table(
        ("method", "eps", "n", "robust accuracy"),
        (
            (
                name_of(arm, report),
                numbers.radius(point.eps),
                numbers.count(point.robust.n),
                proportion(point.robust, tone_of(arm, report)),
            )
            for arm, found in arms
            for point in found.points
        ),
        numbers=(1, 2),
    )
    return section(
        "curve",
        "Robust accuracy over eps",
        shown,
        table(
            ("method", "norm", "n", "expected robustness", "median distance", "how"),
            (
                (
                    name_of(arm, report),
                    found.norm,
                    numbers.count(found.n),
                    proportion(found.expected_robustness, tone_of(arm, report)),
                    phrases.median_distance(found.median_distance),
                    phrases.curve(found),
                )
                for arm, found in arms
            ),
            caption=f"{phrases.CURVES} Here: eps 0 to "
            f"{numbers.radius(arms[0][1].expected_robustness.to_eps)}.",
            numbers=(2,),
        ),
        tag("details", tag("summary", "The points of the curves"), points) if shown else points,
    )


def corruptions(report: Report) -> Html | None:
    """Accuracy under common corruptions, the methods side by side."""
    arms = [
        (arm, arm.figures.corruptions) for arm in arms_of(report) if arm.figures and arm.figures.corruptions
    ]
    if not arms:
        return None
    own = arms[0][1]
    found = [
        (arm, {(row.name, row.severity): row.accuracy for row in results.results}) for arm, results in arms
    ]
    means = (
        "mean over all",
        numbers.count(own.n),
        *(proportion(results.mean, tone_of(arm, report)) for arm, results in arms),
    )
    rows = (
        (
            phrases.corruption(row.name, row.severity),
            numbers.count(row.accuracy.n),
            *(
                proportion(theirs.get((row.name, row.severity)), tone_of(arm, report))
                for arm, theirs in found
            ),
        )
        for row in own.results
    )
    return section(
        "corruptions",
        "Under common corruptions",
        tag(
            "p",
            phrases.corruptions(own),
        ),
        table(("corruption", "n", *(phrases.arm(arm) for arm, _ in arms)), (means, *rows), numbers=(1,)),
    )


def worst_images(report: Report, pictures: Pictures) -> Html | None:
    """What fools the student most: the pictures, and what the network says to each."""
    gallery = report.student.figures.gallery if report.student and report.student.figures else None
    if gallery is None:
        return None
    caption, names = captions.worst_images(report), captions.class_names(report)
    if caption is None:
        words_ = f"Of {numbers.count(gallery.n)} test images tried, none that is right could be changed."
        return section("worst", "The worst images", tag("p", words_))
    shown = picture(pictures, "worst-images.png", caption)
    return section(
        "worst",
        "The worst images",
        shown,
        table(
            ("image", "true class", "sure of it", "taken for", "sure of that", "sure of the true class then"),
            (
                (
                    f"no. {image.index}",
                    names.get(image.label, str(image.label)),
                    numbers.percent(image.confidence),
                    names.get(image.wrong_label, str(image.wrong_label)),
                    numbers.percent(image.wrong_confidence),
                    numbers.percent(image.left_confidence),
                )
                for image in gallery.images
            ),
            caption="Numbers are positions in the files of the test set."
            if shown
            else f"Numbers are positions in the files of the test set. {caption.evidence}",
            numbers=(2, 4, 5),
        ),
    )


def per_class(report: Report, pictures: Pictures) -> Html | None:
    """Accuracy class by class: the figure, and the numbers behind it."""
    figures = report.student.figures if report.student else None
    if not figures or not figures.per_class:
        return None
    rivals = [(arm, arm.figures.per_class) for arm in report.baselines if arm.figures]
    compared = [(arm, {row.label: row.worst_case for row in rows}) for arm, rows in rivals if rows]
    counted = table(
        (
            "class",
            "n",
            "accuracy, no attack",
            "robust accuracy, worst case",
            *(f"{phrases.arm(arm)}, worst case" for arm, _ in compared),
        ),
        (
            (
                row.name,
                numbers.count(row.clean.n),
                proportion(row.clean, "plain"),
                proportion(row.worst_case, OWN),
                *(proportion(theirs.get(row.label), tone_of(arm, report)) for arm, theirs in compared),
            )
            for row in figures.per_class
        ),
        numbers=(1,),
    )
    shown = picture(pictures, "per-class.svg", captions.per_class(report))
    return section(
        "classes",
        "Class by class",
        shown,
        tag("details", tag("summary", "The numbers"), counted) if shown else counted,
    )


def picture(pictures: Pictures, name: str, caption: Caption | None) -> Html | None:
    """A finished figure inside the page; None where it was not drawn. Its evidence is also in its words."""
    found = pictures.get(name)
    if found is None or caption is None:
        return None
    data = base64.b64encode(found.content).decode()
    return tag(
        "figure",
        tag("img", src=f"data:{found.media_type};base64,{data}", alt=f"{caption.aloud} {caption.evidence}"),
        tag("figcaption", caption.reading),
    )
