"""The report as one HTML page: nothing loaded from elsewhere, no scripts, fit for paper and screen readers.

It works under ``sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'``. Figures are drawn
elsewhere (``cartl_core.render.plots``) and go in as ``data:`` addresses; without them the page
has tables. What the page looks like is in ``templates/``, one file a section.
"""

from __future__ import annotations

from collections.abc import Mapping

from cartl_core.render.figure import Picture
from cartl_core.render.html.arms import shown_arms
from cartl_core.render.html.environment import page_environment
from cartl_core.report import Report


def render(report: Report, pictures: Mapping[str, Picture] | None = None) -> str:
    """The whole report, complete or not.

    Args:
        pictures: finished figures by file name, e.g. ``per-class.svg``; what is missing is left out.
    """
    page = page_environment().get_template("page.html")
    return page.render(report=report, arms=shown_arms(report), pictures=pictures or {})
