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
        # Templates are data of a package: they do not change while it runs, and are not looked at again.
        auto_reload=False,
    )


def markdown_environment(package: str, folder: str = "templates") -> Environment:
    """The same for templates of Markdown: text cannot begin a tag, and quotes stay as they are."""
    made = environment(package, folder)
    made.autoescape = False
    made.finalize = _without_tags
    made.filters["json"] = _quoted
    made.filters["cell"] = lambda value: str(value).replace("|", "\\|").replace("\n", " ")
    return made


class _Quoted(str):
    """Text in the quotes of JSON, which is YAML as well: a language without tags."""


def _quoted(value: object) -> _Quoted:
    return _Quoted(visible(json.dumps(value, ensure_ascii=False)))


def _without_tags(value: object) -> object:
    return (
        visible(value).replace("<", "&lt;")
        if isinstance(value, str) and not isinstance(value, _Quoted)
        else value
    )


def _visible(value: object) -> object:
    """What a template shows. Markup comes from macros, whose own expressions went through here."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
