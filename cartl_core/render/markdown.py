"""The report as Markdown: what was kept, against what, how it was measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cartl_core.catalog import METHODS
from cartl_core.render import words
from cartl_core.report import ArmReport, Figures, PairedComparison, Report, Teacher


def render(report: Report) -> str:
    """The whole report, complete or not, as GitHub-flavoured Markdown that ends with a newline."""
    parts = [
        _title(report),
        _warnings(report),
        _summary(report),
        _comparisons(report),
        _attacks(report),
        _per_class(report),
        _teachers(report),
        _frozen(report),
        _method_notes(report),
        _evidence(report),
    ]
    return "\n".join("\n".join(part) for part in (list(p) for p in parts) if part).rstrip() + "\n"


def _title(report: Report) -> Iterator[str]:
    spec = report.spec
    yield f"# Robustness report: {words.method(spec.method)}, {spec.source.name} to {spec.dataset.name}"
    yield ""
    if not report.complete:
        yield "**Not complete: the job is still at work, or stopped before the end. Known so far:**"
        yield ""
    if report.headline:
        yield f"**{report.headline}**"
        yield ""


def _warnings(report: Report) -> Iterator[str]:
    if report.warnings:
        yield "> **Read this first**"
        yield ">"
        yield from (f"> - {warning}" for warning in report.warnings)
        yield ""


def _arms(report: Report) -> tuple[ArmReport, ...]:
    return tuple(arm for arm in (report.student, *report.baselines) if arm is not None)


def _summary(report: Report) -> Iterator[str]:
    arms = _arms(report)
    if not arms:
        return
    measured = next((arm.figures for arm in arms if arm.figures), None)
    yield "## What was kept"
    yield ""
    yield f"Target: {words.data(report.spec.dataset)}."
    if measured:
        yield f"The same {words.count(measured.n)} test images in every row; 95 % Wilson intervals behind."
    yield ""
    yield from _table(
        ("method", "frozen", "k", "clean accuracy", "robust accuracy (worst case)"),
        (_summary_row(arm) for arm in arms),
    )


def _summary_row(arm: ArmReport) -> tuple[str, ...]:
    figures = arm.figures
    return (
        words.method(arm.method),
        f"{arm.freeze_depth} of {arm.blocks} blocks",
        str(arm.k),
        words.interval(figures.clean) if figures else words.UNKNOWN,
        words.interval(figures.worst_case) if figures and figures.worst_case else words.UNKNOWN,
    )


def _comparisons(report: Report) -> Iterator[str]:
    compared = [arm for arm in report.baselines if arm.comparisons]
    if not compared:
        return
    yield "## Against the baselines, image by image"
    yield ""
    for arm in compared:
        yield from (f"- {comparison.words}" for comparison in arm.comparisons)
    yield ""
    yield from _table(
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
    low, high = words.points(comparison.low), words.points(comparison.high)
    return (
        words.method(arm.method),
        measure,
        f"{words.points(comparison.difference)} ({low} to {high})",
        str(comparison.only_job),
        str(comparison.only_baseline),
        f"{comparison.p_value:.2g}",
    )


def _attacks(report: Report) -> Iterator[str]:
    rows = [
        (words.method(arm.method), result.label, words.attack(result), words.interval(result.robust))
        for arm in _arms(report)
        if arm.figures
        for result in arm.figures.attacks
    ]
    if rows:
        yield "## Attack by attack"
        yield ""
        yield "An image counts as robust when no iterate of any restart fools the network."
        yield ""
        yield from _table(("network", "attack", "how", "robust accuracy"), rows)


def _per_class(report: Report) -> Iterator[str]:
    figures = report.student.figures if report.student else None
    if not figures or not figures.per_class:
        return
    yield "## Per class"
    yield ""
    yield from _table(
        ("class", "n", "clean accuracy", "robust accuracy (worst case)"),
        (
            (
                row.name,
                str(row.clean.n),
                words.interval(row.clean),
                words.interval(row.worst_case),
            )
            for row in figures.per_class
        ),
    )


def _teachers(report: Report) -> Iterator[str]:
    if not report.teachers:
        return
    yield "## The teachers, on their source"
    yield ""
    yield f"Source: {words.data(report.spec.source)}."
    yield ""
    yield from _table(
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


def _teacher_row(teacher: Teacher) -> tuple[str, ...]:
    figures: Figures | None = teacher.figures
    depth = f", depth {teacher.freeze_depth}" if teacher.freeze_depth is not None else ""
    return (
        f"{teacher.objective}{depth}{' (reused)' if teacher.reused else ''}",
        words.radius(teacher.train_eps),
        f"{teacher.selected_epoch} of {teacher.epochs}",
        str(figures.n) if figures else words.UNKNOWN,
        words.interval(figures.clean) if figures else words.UNKNOWN,
        words.interval(figures.worst_case) if figures and figures.worst_case else words.UNKNOWN,
        words.attacks(figures.attacks) if figures else words.UNKNOWN,
    )


def _frozen(report: Report) -> Iterator[str]:
    arms = [arm for arm in _arms(report) if arm.frozen]
    if not arms:
        return
    yield "## What was held fixed"
    yield ""
    for arm in arms:
        yield f"- {words.method(arm.method)}: {'; '.join(arm.frozen)}."
    yield ""


def _method_notes(report: Report) -> Iterator[str]:
    norms = report.student.tuned_layer_norms if report.student else {}
    if not norms or not METHODS[report.spec.method].nonexpansive:
        return
    yield "## Norms of the tuned layers"
    yield ""
    yield words.layer_norms(norms, report.spec)
    yield ""


def _evidence(report: Report) -> Iterator[str]:
    spec, runtime = report.spec, report.runtime
    yield "## How this was made"
    yield ""
    yield f"- Spec digest `{report.spec_digest}`, preset `{spec.preset}`, seed {spec.seed}."
    yield (
        f"- Network {spec.model.name}, stem stride {spec.model.stem_stride}, input "
        f"{spec.model.channels} x {spec.model.image_size} x {spec.model.image_size}; the adversary changes "
        "the network's input after resizing, each channel on its own."
    )
    yield "- Epochs were chosen on validation images; the test images were read once, for this report."
    for arm in _arms(report):
        yield (
            f"- {words.method(arm.method)}: teacher `{arm.teacher_digest[:12]}`, student "
            f"`{(arm.student_digest or words.UNKNOWN)[:12]}`, epoch "
            f"{arm.selected_epoch or words.UNKNOWN} kept."
        )
        if arm.figures:
            yield f"  Test images fingerprint `{arm.figures.data_fingerprint[:12]}`."
    if runtime:
        yield (
            f"- cartl {runtime.cartl}, torch {runtime.torch}, torchvision {runtime.torchvision}, Python "
            f"{runtime.python}; {runtime.device} ({runtime.device_name}, {runtime.machine}), "
            f"{runtime.threads} threads, training in {runtime.precision}, evaluation in fp32."
        )
    if report.seconds:
        yield f"- Time: {words.times(report.seconds)}."


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(_cell(text) for text in row) + " |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
