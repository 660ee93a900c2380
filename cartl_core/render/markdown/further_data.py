"""An existing network on further data sets, beside the first one."""

from __future__ import annotations

from collections.abc import Iterator

from cartl_core.render import captions, class_phrases, numbers, phrases, sentences
from cartl_core.render.markdown.tables import table
from cartl_core.report import FurtherData, Report


def further_data(report: Report) -> Iterator[str]:
    """The figures on each further data set, then what to know of each."""
    if not report.further:
        return
    yield "## On further data sets"
    yield ""
    yield from table(
        (
            "data set",
            "n",
            "clean accuracy",
            "robust accuracy (worst case)",
            "balanced accuracy",
            "balanced robust accuracy",
        ),
        (_row(found) for found in report.further),
    )
    for found in report.further:
        if found.figures:
            yield f"- {phrases.data(found.dataset)}: {captions.measured(found.figures)}"
        yield from (f"- {phrases.data(found.dataset)}: {said}" for said in sentences.on_further(found))
    yield ""


def _row(found: FurtherData) -> tuple[str, ...]:
    figures = found.figures
    if figures is None:
        return (phrases.data(found.dataset), "", *(phrases.UNKNOWN,) * 2, "", "")
    worst = figures.worst_case
    return (
        phrases.data(found.dataset),
        numbers.count(figures.n),
        numbers.interval(figures.clean),
        numbers.interval(worst) if worst else phrases.UNKNOWN,
        class_phrases.balanced(figures.clean_over_classes),
        class_phrases.balanced(figures.worst_case_over_classes),
    )
