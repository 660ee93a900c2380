"""The methods side by side, what each kept, and how the job's own does against each baseline."""

from __future__ import annotations

from collections.abc import Iterator

from cartl_core.render import histories, numbers, phrases, sentences
from cartl_core.render.markdown.tables import table
from cartl_core.report import ArmReport, Figures, PairedComparison, Report, Teacher
from cartl_core.spec import JobSpec


def arms_of(report: Report) -> tuple[ArmReport, ...]:
    """The job's own student first, then the baselines."""
    return tuple(arm for arm in (report.student, *report.baselines) if arm is not None)


def side_by_side(report: Report) -> Iterator[str]:
    """Clean and robust accuracy of every arm on the same test images."""
    arms = arms_of(report)
    if not arms:
        return
    measured = next((arm.figures for arm in arms if arm.figures), None)
    yield "## The methods side by side"
    yield ""
    yield f"Target: {phrases.data(report.spec.dataset)}."
    if measured:
        yield f"The same {numbers.count(measured.n)} test images in every row; 95 % Wilson intervals behind."
    yield ""
    yield from table(
        ("method", "frozen", "k", "clean accuracy", "robust accuracy (worst case)"),
        (_summary_row(arm) for arm in arms),
    )


def _summary_row(arm: ArmReport) -> tuple[str, ...]:
    figures = arm.figures
    return (
        phrases.arm(arm),
        phrases.frozen(arm),
        phrases.tuned(arm),
        numbers.interval(figures.clean) if figures else phrases.UNKNOWN,
        numbers.interval(figures.worst_case) if figures and figures.worst_case else phrases.UNKNOWN,
    )


def what_was_kept(report: Report) -> Iterator[str]:
    """Each student over its own teacher: a ratio across data sets."""
    arms = [(arm, arm.kept) for arm in arms_of(report) if arm.kept]
    if not arms:
        return
    yield "## What was kept of the teacher's robustness"
    yield ""
    yield phrases.KEPT
    yield ""
    yield from table(
        ("method", "ratio (95 %)", "student, on the target", "teacher, on the source", "under"),
        (
            (
                phrases.arm(arm),
                f"{kept.ratio:.2f} ({kept.low:.2f} to {kept.high:.2f})",
                f"{numbers.interval(kept.target)}, n = {numbers.count(kept.target.n)}",
                f"{numbers.interval(kept.source)}, n = {numbers.count(kept.source.n)}",
                phrases.pairs(kept.attacks),
            )
            for arm, kept in arms
        ),
    )


def against_baselines(report: Report) -> Iterator[str]:
    """The paired comparisons on the same images."""
    student, compared = report.student, [arm for arm in report.baselines if arm.comparisons]
    if student is None or not compared:
        return
    yield "## Against the baselines, image by image"
    yield ""
    for arm in compared:
        yield from (f"- {sentences.comparison(found, student, arm)}" for found in arm.comparisons)
    yield ""
    yield from table(
        (
            "against",
            "measure",
            "difference, points (95 %)",
            "only the job right",
            "only the baseline",
            "p (McNemar)",
        ),
        (_comparison_row(arm, comparison) for arm in compared for comparison in arm.comparisons),
    )


def _comparison_row(arm: ArmReport, comparison: PairedComparison) -> tuple[str, ...]:
    measure = "robust, worst case" if comparison.what == "worst_case" else "clean"
    low, high = numbers.points(comparison.low), numbers.points(comparison.high)
    return (
        phrases.arm(arm),
        measure,
        f"{numbers.points(comparison.difference)} ({low} to {high})",
        str(comparison.only_job),
        str(comparison.only_baseline),
        f"{comparison.p_value:.2g}",
    )


def given_teacher(report: Report) -> Iterator[str]:
    """The teacher that the job was given, where it was."""
    if report.given_teacher is None:
        return
    yield f"## {sentences.GIVEN_TEACHER}"
    yield ""
    for term, words in sentences.about_given_teacher(report.given_teacher):
        yield f"- {numbers.capital(term)}: {words}."
    yield ""


def teachers(report: Report) -> Iterator[str]:
    """The pretrained networks on their own source."""
    source = report.spec.source if isinstance(report.spec, JobSpec) else None
    if not report.teachers or source is None:
        return
    yield "## The teachers, on their source"
    yield ""
    yield f"Source: {phrases.data(source)}."
    yield ""
    yield from table(
        (
            "teacher",
            "training eps",
            "epoch kept",
            "n",
            "clean accuracy",
            "robust accuracy (worst case)",
            "attacks",
        ),
        (_teacher_row(teacher) for teacher in report.teachers),
    )


def on_the_way(report: Report) -> Iterator[str]:
    """Validation figures by epoch, of students and teachers."""
    named = (*histories.students(report), *histories.teachers(report))
    if not named:
        return
    yield f"## {histories.TITLE}"
    yield ""
    yield from (f"- {numbers.capital(name)}: {histories.reading(history)}" for name, history in named)
    yield ""
    yield from table(
        histories.HEAD,
        (
            (
                name,
                str(row.epoch),
                numbers.interval(row.clean),
                numbers.interval(row.robust),
                histories.remark(history, row.epoch),
            )
            for name, history in named
            for row in histories.shown(history)
        ),
    )


def _teacher_row(teacher: Teacher) -> tuple[str, ...]:
    figures: Figures | None = teacher.figures
    depth = f", depth {teacher.freeze_depth}" if teacher.freeze_depth is not None else ""
    return (
        f"{teacher.objective}{depth}{' (reused)' if teacher.reused else ''}",
        numbers.radius(teacher.train_eps),
        f"{teacher.selected_epoch} of {teacher.epochs}",
        str(figures.n) if figures else phrases.UNKNOWN,
        numbers.interval(figures.clean) if figures else phrases.UNKNOWN,
        numbers.interval(figures.worst_case) if figures and figures.worst_case else phrases.UNKNOWN,
        phrases.attacks(figures.attacks) if figures else phrases.UNKNOWN,
    )
