"""The methods side by side, what each kept, and how the job's own does against each baseline."""

from __future__ import annotations

from cartl_core.render import numbers, phrases, sentences
from cartl_core.render.figure import COLOURS
from cartl_core.render.html.bars import bar, difference, proportion
from cartl_core.render.html.elements import (
    Child,
    Html,
    join,
    section,
    table,
    tag,
)
from cartl_core.report import ArmReport, Figures, PairedComparison, Report
from cartl_core.spec import JobSpec

OWN = "arm0"
"""Tone of the job's own student."""


def arms_of(report: Report) -> tuple[ArmReport, ...]:
    """The job's own student first, then the baselines."""
    return tuple(arm for arm in (report.student, *report.baselines) if arm is not None)


def tone_of(arm: ArmReport, report: Report) -> str:
    """The class of an arm's bars, which has its colour: see ``palette.COLOURS``."""
    place = next(place for place, other in enumerate(arms_of(report)) if other is arm)
    return f"arm{place % len(COLOURS)}"


def name_of(arm: ArmReport, report: Report) -> Html:
    """A method's name with the colour of its bars."""
    return join((tag("span", class_=f"dot {tone_of(arm, report)}"), phrases.arm(arm)))


def side_by_side(report: Report) -> Html | None:
    """Clean and robust accuracy of every arm on the same test images."""
    arms = arms_of(report)
    if not arms:
        return None
    measured = next((arm.figures for arm in arms if arm.figures), None)
    return section(
        "methods",
        "The methods side by side",
        tag(
            "p",
            f"Target: {phrases.data(report.spec.dataset)}. "
            + (
                f"The same {numbers.count(measured.n)} test images in every row; with 95 % Wilson intervals. "
                "Robust means: no iterate of any attack fools the network, image by image."
                if measured
                else ""
            ),
        ),
        table(
            ("method", "frozen", "k", "accuracy, no attack", "robust accuracy, worst case"),
            (_arm_row(arm, report) for arm in arms),
            numbers=(2,),
        ),
    )


def _arm_row(arm: ArmReport, report: Report) -> tuple[Child, ...]:
    figures = arm.figures
    return (
        name_of(arm, report),
        phrases.frozen(arm),
        phrases.tuned(arm),
        proportion(figures.clean if figures else None, "plain"),
        proportion(figures.worst_case if figures else None, tone_of(arm, report)),
    )


def what_was_kept(report: Report) -> Html | None:
    """Each student over its own teacher, across data sets; and the paired comparisons on the same images."""
    return section("kept", "What was kept", _over_teachers(report), _against_baselines(report))


def _over_teachers(report: Report) -> Html | None:
    arms = [(arm, arm.kept) for arm in arms_of(report) if arm.kept]
    if not arms:
        return None
    most = max(1.0, *(kept.high for _, kept in arms))
    return join(
        (
            tag("h3", "Of the teacher's robustness"),
            tag("p", phrases.KEPT),
            table(
                ("method", "ratio", "student, on the target", "teacher, on the source", "under"),
                (
                    (
                        name_of(arm, report),
                        join(
                            (
                                tag("span", f"{kept.ratio:.2f}", class_="value"),
                                " ",
                                tag("span", f"{kept.low:.2f} to {kept.high:.2f}", class_="interval"),
                                bar(kept.ratio, kept.low, kept.high, tone_of(arm, report), most=most),
                            )
                        ),
                        f"{numbers.interval(kept.target)}, n = {numbers.count(kept.target.n)}",
                        f"{numbers.interval(kept.source)}, n = {numbers.count(kept.source.n)}",
                        phrases.pairs(kept.attacks),
                    )
                    for arm, kept in arms
                ),
            ),
        )
    )


def _against_baselines(report: Report) -> Html | None:
    student = report.student
    compared = [(arm, comparison) for arm in report.baselines for comparison in arm.comparisons]
    if student is None or not compared:
        return None
    return join(
        (
            tag("h3", "Against the baselines, image by image"),
            tag("ul", *(tag("li", sentences.comparison(found, student, arm)) for arm, found in compared)),
            table(
                (
                    "against",
                    "measure",
                    "difference, points (95 %)",
                    "only the job right",
                    "only the baseline",
                    "n",
                    "p (McNemar)",
                ),
                (_comparison_row(arm, comparison, report) for arm, comparison in compared),
                numbers=(3, 4, 5, 6),
            ),
        )
    )


def _comparison_row(arm: ArmReport, comparison: PairedComparison, report: Report) -> tuple[Child, ...]:
    return (
        name_of(arm, report),
        "robust, worst case" if comparison.what == "worst_case" else "no attack",
        join(
            (
                tag("span", numbers.points(comparison.difference), class_="value"),
                " ",
                tag(
                    "span",
                    f"{numbers.points(comparison.low)} to {numbers.points(comparison.high)}",
                    class_="interval",
                ),
                difference(comparison.difference, comparison.low, comparison.high),
            )
        ),
        numbers.count(comparison.only_job),
        numbers.count(comparison.only_baseline),
        numbers.count(comparison.n),
        f"{comparison.p_value:.2g}",
    )


def teachers(report: Report) -> Html | None:
    """The pretrained networks on their own source."""
    if not report.teachers or not isinstance(report.spec, JobSpec):
        return None
    return section(
        "teachers",
        "The teachers, on their source",
        tag("p", f"Source: {phrases.data(report.spec.source)}."),
        table(
            (
                "teacher",
                "training eps",
                "epoch kept",
                "n",
                "accuracy, no attack",
                "robust accuracy, worst case",
                "attacks",
            ),
            (
                (
                    f"{teacher.objective}"
                    + (f", depth {teacher.freeze_depth}" if teacher.freeze_depth is not None else "")
                    + (" (reused)" if teacher.reused else ""),
                    numbers.radius(teacher.train_eps),
                    f"{teacher.selected_epoch} of {teacher.epochs}",
                    numbers.count(teacher.figures.n) if teacher.figures else phrases.UNKNOWN,
                    proportion(teacher.figures.clean if teacher.figures else None, "plain"),
                    proportion(teacher.figures.worst_case if teacher.figures else None, "plain"),
                    _each_attack(teacher.figures),
                )
                for teacher in report.teachers
            ),
            numbers=(3,),
        ),
    )


def _each_attack(figures: Figures | None) -> Html:
    """The attacks on a teacher, each with its own figure."""
    if figures is None:
        return tag("span", phrases.UNKNOWN, class_="unknown")
    lines = (
        tag("li", f"{result.label} ({phrases.attack(result)}): {numbers.interval(result.robust)}")
        for result in figures.attacks
    )
    return tag("ul", *lines, class_="plain")
