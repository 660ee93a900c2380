"""Validation figures by epoch: the way of each student over clean and robust accuracy, and the numbers."""

from __future__ import annotations

from cartl_core.render import captions, histories, numbers
from cartl_core.render.html.bars import proportion
from cartl_core.render.html.elements import Html, section, table, tag
from cartl_core.render.html.measurements import Pictures, picture
from cartl_core.report import Report


def on_the_way(report: Report, pictures: Pictures) -> Html | None:
    """The figure of the students, how each history was measured, and its rows."""
    told = (*histories.students(report), *histories.teachers(report))
    if not told:
        return None
    shown = picture(pictures, "history.svg", captions.history(report))
    rows = table(
        histories.HEAD,
        (
            (
                name,
                str(row.epoch),
                proportion(row.clean, "plain"),
                proportion(row.robust, "plain"),
                histories.remark(history, row.epoch),
            )
            for name, history in told
            for row in histories.shown(history)
        ),
        numbers=(1,),
    )
    return section(
        "history",
        histories.TITLE,
        tag(
            "ul",
            *(tag("li", f"{numbers.capital(name)}: {histories.reading(history)}") for name, history in told),
        ),
        shown,
        tag("details", tag("summary", "The epochs in numbers"), rows) if shown else rows,
    )
