"""The one way to set up jinja2: everything is escaped, hidden characters too, and all names must exist."""

from __future__ import annotations

import json

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cartl_core.spec.visible_text import visible


def environment(package: str, folder: str = "templates") -> Environment:
    """Templates that are data of a package.

    Args:
        package: its full name, e.g. ``cartl_core.render.html``.
        folder: where in the package the templates lie; ``.`` is the package itself.
    """
    return Environment(
        loader=PackageLoader(package, folder),
        autoescape=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def markdown_environment(package: str, folder: str = "templates") -> Environment:
    """The same for templates of Markdown: text cannot begin a tag, and quotes stay as they are."""
    made = environment(package, folder)
    made.autoescape = False
    made.finalize = _without_tags
    made.filters["json"] = lambda value: Markup(visible(json.dumps(value, ensure_ascii=False)))
    made.filters["cell"] = lambda value: str(value).replace("|", "\\|").replace("\n", " ")
    return made


def _without_tags(value: object) -> object:
    """Of the filter ``json`` everything is kept: it is in quotes, of a language that has no tags."""
    return (
        visible(value).replace("<", "&lt;")
        if isinstance(value, str) and not isinstance(value, Markup)
        else value
    )


def _visible(value: object) -> object:
    """What a template shows. Markup comes from macros, whose own expressions went through here."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
