"""The one way to set up jinja2: everything is escaped, and a name that does not exist is an error."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined


def environment(package: str, folder: str = "templates") -> Environment:
    """Templates that are data of a package.

    Args:
        package: its full name, e.g. ``cartl_core.render.html``.
        folder: where in the package the templates lie; ``.`` is the package itself.
    """
    return Environment(
        loader=PackageLoader(package, folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
