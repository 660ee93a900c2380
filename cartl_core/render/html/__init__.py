"""The report as one HTML page: nothing loaded from elsewhere, no scripts, fit for paper and screen readers.

It works under ``sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'``. Figures are drawn
by whoever has them (``cartl_core.render.plots``) and go in as ``data:`` addresses; without them the page
has tables.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from cartl_core.render.html.elements import Html, tag
from cartl_core.render.html.evidence import evidence
from cartl_core.render.html.histories import on_the_way
from cartl_core.render.html.measurements import (
    Pictures,
    attacks,
    corruptions,
    curve,
    per_class,
    worst_images,
)
from cartl_core.render.html.methods import side_by_side, teachers, what_was_kept
from cartl_core.render.html.opening import opening, title
from cartl_core.render.html.origin import held_fixed, how_it_was_made, learned, norms
from cartl_core.render.html.selection import selection
from cartl_core.render.html.trust import audit, checks, smoothing
from cartl_core.report import Report


def render(report: Report, pictures: Pictures | None = None) -> str:
    """The whole report, complete or not.

    Args:
        pictures: finished figures by file name, e.g. ``per-class.svg``; what is missing is left out.
    """
    drawn = pictures or {}
    parts = (
        selection(report, drawn),
        side_by_side(report),
        what_was_kept(report),
        checks(report),
        curve(report, drawn),
        attacks(report),
        per_class(report, drawn),
        worst_images(report, drawn),
        corruptions(report),
        audit(report, drawn),
        smoothing(report),
        teachers(report),
        on_the_way(report, drawn),
        held_fixed(report),
        learned(report),
        norms(report),
        evidence(report),
        how_it_was_made(report),
    )
    body = tag("main", opening(report), *parts)
    return f"<!doctype html>\n{tag('html', _head(report), tag('body', body), lang='en')}\n"


def _head(report: Report) -> Html:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"Robustness report: {title(report)}"),
        # The style sheet is this program's own text; inside <style> nothing is an entity.
        tag("style", Html(_style())),
    )


@cache
def _style() -> str:
    return files(__package__).joinpath("style.css").read_text(encoding="utf-8")
