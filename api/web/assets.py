"""Static files of the pages: a fixed list, each under an address that changes with its bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from api.http.problems import Problem

MEDIA_TYPES = {
    "app.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "curves.js": "text/javascript; charset=utf-8",
    "docs.js": "text/javascript; charset=utf-8",
    "dropped.js": "text/javascript; charset=utf-8",
    "faults.js": "text/javascript; charset=utf-8",
    "form.js": "text/javascript; charset=utf-8",
    "freeze_line.js": "text/javascript; charset=utf-8",
    "same_request.js": "text/javascript; charset=utf-8",
    "tar.js": "text/javascript; charset=utf-8",
    "upload.js": "text/javascript; charset=utf-8",
    "webhooks.js": "text/javascript; charset=utf-8",
    "vendor/uplot.js": "text/javascript; charset=utf-8",
    "vendor/uplot.css": "text/css; charset=utf-8",
}
"""By name below ``static``. uPlot 1.6.32 (MIT, see ``static/vendor/uplot.LICENSE``) draws the curves."""


@dataclass(frozen=True)
class Asset:
    """A file as it is sent."""

    content: bytes
    media_type: str
    etag: str


@cache
def asset(name: str) -> Asset:
    """One of the files.

    Raises:
        Problem: there is none of this name (404).
    """
    if name not in MEDIA_TYPES:
        raise Problem("not-found", "There is no such file.")
    content = files(__package__).joinpath("static", name).read_bytes()
    return Asset(content, MEDIA_TYPES[name], hashlib.sha256(content).hexdigest())


@cache
def release() -> str:
    """Of all files together: modules name each other by their plain names, so all change address at once."""
    return hashlib.sha256("".join(asset(name).etag for name in sorted(MEDIA_TYPES)).encode()).hexdigest()[:12]


def address_of(name: str) -> str:
    """The path under which a file is found."""
    return f"/ui/static/{release()}/{name}"
