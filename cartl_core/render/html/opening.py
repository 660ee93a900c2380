"""The top of the page: what it is, the answer in one sentence, what to be wary of, and four figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cartl_core.catalog import DATASETS
from cartl_core.render import numbers, phrases, selection_phrases, sentences
from cartl_core.render.html.bars import bar, difference
from cartl_core.render.html.elements import Html, join, tag
from cartl_core.render.html.methods import OWN, arms_of
from cartl_core.render.phrases import failed_checks
from cartl_core.report import Interval, PairedComparison, Report
from cartl_core.report.comparisons import Kept
from cartl_core.spec import JobSpec


def opening(report: Report) -> Html:
    """Title, headline, warnings, and the key figures."""
    return tag("header", _title(report), unfinished(report), _lead(report), _first(report), _tiles(report))


def title(report: Report) -> str:
    """The report's name for a window's title and for the first heading."""
    spec = report.spec
    target = DATASETS[spec.dataset.name].title
    if not isinstance(spec, JobSpec):
        return f"{numbers.capital(phrases.method(None))} on {target}"
    source = DATASETS[spec.source.name].title
    between = f"within {target}" if source == target else f"from {source} to {target}"
    return f"{numbers.capital(selection_phrases.subject(report))} {between}"


def unfinished(report: Report) -> Html | None:
    """A note where the job is still at work, or stopped before the end."""
    if report.complete:
        return None
    return tag(
        "div",
        tag("h2", "Not complete"),
        tag("p", "The job is still at work, or stopped before the end. This page has what is known so far."),
        class_="first unfinished",
        role="status",
    )


def _title(report: Report) -> Html:
    spec = report.spec
    named = f"Robustness report · {spec.name}" if spec.name else "Robustness report"
    return join(
        (
            tag("p", named, class_="kicker"),
            tag("h1", title(report)),
            tag(
                "p",
                f"Teacher on {phrases.data(spec.source)}. Student on {phrases.data(spec.dataset)}. "
                f"Network {spec.model.name}, {_frozen(report)}."
                if isinstance(spec, JobSpec)
                else f"{phrases.data(spec.dataset)}. Network {spec.model.name}, measured as it was given.",
                class_="pair",
            ),
        )
    )


def _frozen(report: Report) -> str:
    arm = report.own_arm
    return f"{arm.freeze_depth} blocks frozen" if arm else "method or freeze depth still to be chosen"


def _lead(report: Report) -> Html | None:
    headline = sentences.headline(report)
    return tag("p", headline, class_="lead") if headline else None


def _first(report: Report) -> Html | None:
    """What must be known before any figure is believed: checks that failed, then all other warnings."""
    failed = failed_checks(arms_of(report))
    others = [warning for warning in sentences.read_first(report) if warning not in failed]
    if not failed and not others:
        return None
    return join(
        (
            _box("A check failed" if len(failed) == 1 else "Checks failed", failed, "bad", "alert"),
            _box("Read this first", others, "care", "note"),
        )
    )


def _box(title: str, sentences: Sequence[str], tone: str, role: str) -> Html | None:
    if not sentences:
        return None
    return tag(
        "div",
        tag("h2", title),
        tag("ul", *(tag("li", sentence) for sentence in sentences)),
        class_=f"first {tone}",
        role=role,
    )


def _tiles(report: Report) -> Html | None:
    tiles = list(_each_tile(report))
    return tag("ul", *tiles, class_="tiles", aria_label="Key figures") if tiles else None


def _each_tile(report: Report) -> Iterator[Html]:
    student = report.student
    if student is None or student.figures is None:
        return
    yield _share("Accuracy without an attack", student.figures.clean, "plain")
    if student.figures.worst_case:
        yield _share("Robust accuracy, worst case", student.figures.worst_case, OWN)
    found = (
        (arm, comparison)
        for arm in report.baselines
        for comparison in arm.comparisons
        if comparison.what == "worst_case"
    )
    for arm, comparison in list(found)[:1]:
        yield _against(f"Robust, against {phrases.arm(arm)}", comparison)
    if student.kept:
        yield _kept(student.kept)


def _share(label: str, figure: Interval, tone: str) -> Html:
    return _tile(
        label,
        (f"{100 * figure.value:.1f}", "%"),
        bar(figure.value, figure.low, figure.high, tone),
        f"{100 * figure.low:.1f} to {100 * figure.high:.1f} %, n = {numbers.count(figure.n)}",
    )


def _against(label: str, comparison: PairedComparison) -> Html:
    return _tile(
        label,
        (numbers.points(comparison.difference), "points"),
        difference(comparison.difference, comparison.low, comparison.high),
        f"{numbers.points(comparison.low)} to {numbers.points(comparison.high)}, n = "
        f"{numbers.count(comparison.n)} "
        "paired",
    )


def _kept(kept: Kept) -> Html:
    return _tile(
        "Of the teacher's robustness",
        (f"{kept.ratio:.2f}", "times"),
        bar(kept.ratio, kept.low, kept.high, OWN, most=max(1.0, kept.high)),
        f"{kept.low:.2f} to {kept.high:.2f}, across data sets, n = {numbers.count(kept.target.n)} over "
        f"{numbers.count(kept.source.n)}, under {numbers.listed([pair.target for pair in kept.attacks])}",
    )


def _tile(label: str, figure: tuple[str, str], picture: Html, interval: str) -> Html:
    """``figure`` is a number and its unit."""
    number, unit = figure
    return tag(
        "li",
        tag("span", label, class_="label"),
        tag("span", number, " ", tag("small", unit), class_="figure"),
        picture,
        tag("span", interval, class_="interval"),
    )
