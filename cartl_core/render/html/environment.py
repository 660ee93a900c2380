"""What the templates of the page can use: filters for numbers, and the modules that find the words."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.resources import files

from jinja2 import Environment
from markupsafe import Markup

from cartl_core.render import (
    captions,
    certificate_sentences,
    class_phrases,
    exports,
    frameworks,
    histories,
    numbers,
    phrases,
    selection_phrases,
    sentences,
)
from cartl_core.render.checks import sentences as check_sentences
from cartl_core.render.evidence import document
from cartl_core.render.html import bars, views
from cartl_core.render.html.cell_labels import labelled
from cartl_core.render.templating import environment

FILTERS: dict[str, Callable[..., str]] = {
    "capital": numbers.capital,
    "count": numbers.count,
    "hundredths": lambda value: f"{100 * value:.1f}",
    "interval": numbers.interval,
    "listed": numbers.listed,
    "number": numbers.number,
    "p_value": lambda value: f"{value:.2g}",
    "percent": numbers.percent,
    "points": numbers.points,
    "radius": numbers.radius,
    "spaced": numbers.spaced,
    "ratio": lambda value: f"{value:.2f}",
}
"""Each makes text of a number: ``{{ 0.9|percent }}`` is ``90.0 %``, ``{{ 0.9|hundredths }}`` ``90.0``."""
MODULES = {
    "bars": bars,
    "captions": captions,
    "certificate_sentences": certificate_sentences,
    "check_sentences": check_sentences,
    "class_phrases": class_phrases,
    "exports": exports,
    "frameworks": frameworks,
    "histories": histories,
    "numbers": numbers,
    "phrases": phrases,
    "selection_phrases": selection_phrases,
    "sentences": sentences,
    "view": views,
}


@cache
def page_environment() -> Environment:
    """The templates of the page, compiled once in a process."""
    found = environment(__package__)
    found.filters.update(FILTERS)
    found.globals.update(MODULES)
    found.globals["evidence_document"] = document
    found.globals["labelled"] = labelled
    # The style sheet is this program's own text; inside <style> nothing is an entity.
    found.globals["style"] = Markup(files(__package__).joinpath("style.css").read_text(encoding="utf-8"))
    return found
