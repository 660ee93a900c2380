"""The pages of docs/reference, made from the code: ``python -m tools.reference`` writes them.

``PAGES`` has a function for each page. A test compares what they make with the files.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tools.reference.catalog import catalog_page
from tools.reference.client import client_page
from tools.reference.commands import commands_page
from tools.reference.events import events_page
from tools.reference.http_api import http_api_page
from tools.reference.library import library_page
from tools.reference.report import report_page
from tools.reference.settings import settings_page
from tools.reference.specification import specification_page
from tools.reference.states import states_page

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"
NOTE = "<!-- Made from the code by `python -m tools.reference`. Do not edit. -->\n\n"

PAGES: dict[str, Callable[[], str]] = {
    "http-api.md": http_api_page,
    "specification.md": specification_page,
    "catalog.md": catalog_page,
    "commands.md": commands_page,
    "library.md": library_page,
    "client.md": client_page,
    "settings.md": settings_page,
    "states.md": states_page,
    "report.md": report_page,
    "events.md": events_page,
}
"""By file name, in the order of the table of contents."""


def made() -> dict[str, str]:
    """The text of every page, by file name; ``index.md`` lists the others by their titles."""
    pages = {name: NOTE + page() for name, page in PAGES.items()}
    titles = {name: text.removeprefix(NOTE).partition("\n")[0].lstrip("# ") for name, text in pages.items()}
    listed = "".join(f"- [{title}]({name})\n" for name, title in titles.items())
    introduction = "Every page here is made from the code, so it cannot differ from it.\n\n"
    return {"index.md": f"{NOTE}# Reference\n\n{introduction}{listed}", **pages}
