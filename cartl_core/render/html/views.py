"""What the templates need that a report does not have as it is: rows, the parts that were measured."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

from cartl_core.catalog import METHODS, facts_of
from cartl_core.render import histories, numbers, phrases, selection_phrases, sentences
from cartl_core.render.captions import Caption
from cartl_core.render.checks.titles import TITLES
from cartl_core.render.figure import Picture
from cartl_core.render.html.arms import ShownArm
from cartl_core.report import (
    Audit,
    Check,
    CorruptionResults,
    Interval,
    PairedComparison,
    Report,
    Retention,
    RobustnessCurve,
    SmoothingResult,
)
from cartl_core.report.checks import CheckAttack, CheckName, CheckStatus
from cartl_core.report.curves import Mean
from cartl_core.report.history import EpochFigures
from cartl_core.spec import JobSpec


@dataclass(frozen=True)
class Embedded:
    """A figure inside the page."""

    address: str
    """All of it, as a ``data:`` address."""
    alt: str
    reading: str


def embedded(picture: Picture | None, caption: Caption | None) -> Embedded | None:
    """A finished figure; None where it was not drawn. Its evidence is also in its words."""
    if picture is None or caption is None:
        return None
    data = base64.b64encode(picture.content).decode()
    return Embedded(
        f"data:{picture.media_type};base64,{data}", f"{caption.aloud} {caption.evidence}", caption.reading
    )


def title(report: Report) -> str:
    """The report's name for a window's title and for the first heading."""
    spec = report.spec
    target = facts_of(spec.dataset).title
    if not isinstance(spec, JobSpec):
        return f"{numbers.capital(phrases.method(None))} on {target}"
    source = facts_of(spec.source).title if spec.source else phrases.start(spec)
    between = f"within {target}" if source == target else f"from {source} to {target}"
    return f"{numbers.capital(selection_phrases.subject(report))} {between}"


def headings(arms: Iterable[ShownArm], ending: str = "") -> list[str]:
    """A column for each method."""
    return [f"{arm.name}{ending}" for arm in arms]


def failed_checks(arms: Sequence[ShownArm]) -> tuple[str, ...]:
    """Of the job's own student, what suggests that its figures deceive."""
    return phrases.failed_checks([arm.report for arm in arms if arm.own])


def other_warnings(report: Report, arms: Sequence[ShownArm]) -> tuple[str, ...]:
    """What must be known first, less what the headline says and the student's checks that failed."""
    failed, headline = failed_checks(arms), sentences.headline(report) or ""
    return tuple(
        warning
        for warning in sentences.read_first(report)
        if warning not in failed and warning not in headline
    )


def retention(arms: Sequence[ShownArm]) -> tuple[tuple[ShownArm, Retention], ...]:
    """The methods with what each kept of its teacher's robustness."""
    return tuple((arm, arm.report.kept) for arm in arms if arm.report.kept)


def comparisons(arms: Sequence[ShownArm]) -> tuple[tuple[ShownArm, PairedComparison], ...]:
    """The baselines with how the job's own student does against each."""
    return tuple((arm, found) for arm in arms if not arm.own for found in arm.report.comparisons)


def curves(arms: Sequence[ShownArm]) -> tuple[tuple[ShownArm, RobustnessCurve], ...]:
    """The methods with their robust accuracy over eps."""
    return tuple((arm, arm.figures.curve) for arm in arms if arm.figures and arm.figures.curve)


def corruptions(arms: Sequence[ShownArm]) -> tuple[tuple[ShownArm, CorruptionResults], ...]:
    """The methods with their accuracy under common corruptions."""
    return tuple((arm, arm.figures.corruptions) for arm in arms if arm.figures and arm.figures.corruptions)


def audits(arms: Sequence[ShownArm]) -> tuple[tuple[ShownArm, Audit], ...]:
    """The methods with what is proven of their tails."""
    return tuple((arm, arm.figures.audit) for arm in arms if arm.figures and arm.figures.audit)


def smoothed(arms: Sequence[ShownArm]) -> tuple[tuple[ShownArm, SmoothingResult], ...]:
    """The methods with their certificates by randomised smoothing."""
    return tuple((arm, arm.figures.smoothing) for arm in arms if arm.figures and arm.figures.smoothing)


@dataclass(frozen=True)
class Cell:
    """A figure of one method; None where that method has none."""

    figure: Interval | Mean | None
    tone: str


@dataclass(frozen=True)
class Row:
    """The same of several methods."""

    name: str
    n: int
    cells: tuple[Cell, ...]


def corruption_rows(found: Sequence[tuple[ShownArm, CorruptionResults]]) -> Iterator[Row]:
    """The mean first, then each corruption that the first method was measured under."""
    own = found[0][1]
    yield Row("mean over all", own.n, tuple(Cell(results.mean, arm.tone) for arm, results in found))
    by_name = [
        (arm, {(row.name, row.severity): row.accuracy for row in results.results}) for arm, results in found
    ]
    for row in own.results:
        cells = (Cell(theirs.get((row.name, row.severity)), arm.tone) for arm, theirs in by_name)
        yield Row(phrases.corruption(row.name, row.severity), row.accuracy.n, tuple(cells))


def smoothing_rows(found: Sequence[tuple[ShownArm, SmoothingResult]]) -> Iterator[tuple[float, list[Cell]]]:
    """Each radius of the first method's certificates, with what every method is certified there."""
    by_radius = [(arm, {point.radius: point.certified for point in own.curve}) for arm, own in found]
    for point in found[0][1].curve:
        yield point.radius, [Cell(at.get(point.radius), arm.tone) for arm, at in by_radius]


@dataclass(frozen=True)
class ClassRow:
    """One class: the job's own student, and the worst case of the baselines."""

    name: str
    clean: Interval
    worst_case: Interval
    baselines: tuple[Cell, ...]


def classes_of_baselines(arms: Sequence[ShownArm]) -> tuple[ShownArm, ...]:
    """The baselines that were measured class by class."""
    return tuple(arm for arm in arms if not arm.own and arm.figures and arm.figures.per_class)


def class_rows(report: Report, baselines: Sequence[ShownArm]) -> tuple[ClassRow, ...]:
    """Each class of the job's own student; empty where it was not measured class by class."""
    figures = report.student.figures if report.student else None
    by_label = [
        (arm, {row.label: row.worst_case for row in arm.figures.per_class})
        for arm in baselines
        if arm.figures
    ]
    return tuple(
        ClassRow(
            row.name,
            row.clean,
            row.worst_case,
            tuple(Cell(theirs.get(row.label), arm.tone) for arm, theirs in by_label),
        )
        for row in (figures.per_class if figures else ())
    )


def over_classes(arms: Sequence[ShownArm]) -> tuple[ShownArm, ...]:
    """The methods of which balanced accuracy is known."""
    return tuple(arm for arm in arms if arm.figures and arm.figures.clean_over_classes)


@dataclass(frozen=True)
class CheckRow:
    """One check of all methods that have checks."""

    title: str
    statuses: tuple[CheckStatus, ...]
    own: Check | None
    """That of the first method, which says what was found."""


def check_rows(arms: Sequence[ShownArm]) -> Iterator[CheckRow]:
    """Each check that any of these methods has, in the order of the report."""
    found = [{check.name: check for check in arm.report.checks} for arm in arms]
    names: tuple[CheckName, ...] = get_args(CheckName)
    for name in names:
        checks = [each.get(name) for each in found]
        known = next(filter(None, checks), None)
        if known:
            statuses = (check.status if check else "not_run" for check in checks)
            yield CheckRow(TITLES[name], tuple(statuses), checks[0])


def observed(check: Check) -> str:
    """The numbers behind a check's status: ``share: 0.031; right: 180``."""
    numbered = check.evidence.items()
    return "; ".join(f"{numbers.spaced(name)}: {numbers.number(value)}" for name, value in numbered)


def check_attacks(arms: Sequence[ShownArm]) -> tuple[tuple[ShownArm, CheckAttack], ...]:
    """The attacks that the checks made, on the images that they looked at."""
    return tuple(
        (arm, made)
        for arm in arms
        if arm.figures and arm.figures.checks
        for made in arm.figures.checks.attacks
    )


@dataclass(frozen=True)
class HistoryRow:
    """One epoch of one network."""

    name: str
    figures: EpochFigures
    remark: str


def history_rows(report: Report) -> tuple[HistoryRow, ...]:
    """The epochs that have a row, network by network; empty where nothing was trained."""
    named = (*histories.students(report), *histories.teachers(report))
    return tuple(
        HistoryRow(name, row, histories.remark(history, row.epoch))
        for name, history in named
        for row in histories.shown(history)
    )


def layer_norms(report: Report) -> str | None:
    """How large the tuned layers' weights are; None where the method does not bound them."""
    found = report.student.tuned_layer_norms if report.student else {}
    arm = report.own_arm
    if not found or arm is None or not METHODS[arm.method].nonexpansive:
        return None
    return phrases.layer_norms(found, arm.transfer)
