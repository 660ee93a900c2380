"""What was measured of the networks: attack by attack, class by class, in figures and in pictures."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from cartl_core.render import captions, words
from cartl_core.render.captions import Caption
from cartl_core.render.html.bars import proportion
from cartl_core.render.html.elements import Html, section, table, tag
from cartl_core.render.html.methods import arms_of, name_of, tone_of
from cartl_core.render.pictures import Picture
from cartl_core.report import Report

Pictures = Mapping[str, Picture]


def attacks(report: Report) -> Html | None:
    """Every attack on every network, with all that is needed to repeat it."""
    rows = [
        (
            name_of(arm, report),
            result.label,
            words.attack(result),
            words.count(result.n),
            proportion(result.robust, tone_of(arm, report)),
        )
        for arm in arms_of(report)
        if arm.figures
        for result in arm.figures.attacks
    ]
    if not rows:
        return None
    return section(
        "attacks",
        "Attack by attack",
        tag("p", "An image counts as robust when no iterate of any restart fools the network."),
        table(("network", "attack", "how", "n", "robust accuracy"), rows, numbers=(3,)),
    )


def per_class(report: Report, pictures: Pictures) -> Html | None:
    """Accuracy class by class: the figure, and the numbers behind it."""
    figures = report.student.figures if report.student else None
    if not figures or not figures.per_class:
        return None
    rivals = [(arm, arm.figures.per_class) for arm in report.baselines if arm.figures]
    compared = [(arm, {row.label: row.worst_case for row in rows}) for arm, rows in rivals if rows]
    numbers = table(
        (
            "class",
            "n",
            "accuracy, no attack",
            "robust accuracy, worst case",
            *(f"{words.method(arm.method)}, worst case" for arm, _ in compared),
        ),
        (
            (
                row.name,
                words.count(row.clean.n),
                proportion(row.clean, "plain"),
                proportion(row.worst_case, "own"),
                *(proportion(theirs.get(row.label), "rival") for _, theirs in compared),
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
        tag("details", tag("summary", "The numbers"), numbers) if shown else numbers,
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
