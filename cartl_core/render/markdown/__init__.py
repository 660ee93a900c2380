"""The report as Markdown: what was kept, against what, how it was measured."""

from __future__ import annotations

from collections.abc import Iterator

from cartl_core.render import phrases, selection_phrases, sentences
from cartl_core.render.markdown.acceptance import acceptance
from cartl_core.render.markdown.adversary import adversary
from cartl_core.render.markdown.further_data import further_data
from cartl_core.render.markdown.measurements import (
    attacks,
    corruptions,
    curve,
    over_classes,
    per_class,
    worst_images,
)
from cartl_core.render.markdown.methods import (
    against_baselines,
    given_teacher,
    on_the_way,
    side_by_side,
    teachers,
    what_was_kept,
)
from cartl_core.render.markdown.origin import evidence, exports, held_fixed, how_it_was_made, learned, norms
from cartl_core.render.markdown.selection import selection
from cartl_core.render.markdown.trust import audit, checks, smoothing
from cartl_core.report import Report
from cartl_core.spec import JobSpec

PARTS = (
    acceptance,
    selection,
    side_by_side,
    what_was_kept,
    against_baselines,
    checks,
    adversary,
    curve,
    attacks,
    per_class,
    over_classes,
    further_data,
    worst_images,
    corruptions,
    audit,
    smoothing,
    given_teacher,
    teachers,
    on_the_way,
    held_fixed,
    learned,
    norms,
    exports,
    evidence,
    how_it_was_made,
)


def render(report: Report) -> str:
    """The whole report, complete or not, as GitHub-flavoured Markdown that ends with a newline."""
    parts = (list(part(report)) for part in (_title, _warnings, *PARTS))
    return "\n".join("\n".join(part) for part in parts if part).rstrip() + "\n"


def _title(report: Report) -> Iterator[str]:
    spec = report.spec
    if isinstance(spec, JobSpec):
        about = selection_phrases.subject(report)
        yield f"# Robustness report: {about}, {phrases.start(spec)} to {spec.dataset.name}"
    else:
        yield f"# Robustness report: {phrases.method(None)} on {spec.dataset.name}"
    yield ""
    if not report.complete:
        yield "**Not complete: the job is still at work, or stopped before the end. Known so far:**"
        yield ""
    headline = sentences.headline(report)
    if headline:
        yield f"**{headline}**"
        yield ""


def _warnings(report: Report) -> Iterator[str]:
    headline = sentences.headline(report) or ""
    warnings = [warning for warning in sentences.read_first(report) if warning not in headline]
    if warnings:
        yield "> **Read this first**"
        yield ">"
        yield from (f"> - {warning}" for warning in warnings)
        yield ""
