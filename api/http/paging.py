"""What lists that come page by page have in common."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from api.http.problems import FieldError, Problem, invalid
from jobs.errors import BadCursor
from jobs.settings import Settings

Cursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")]
Limit = Annotated[int, Query(ge=1, description="Rows on a page; the deployment has a highest value.")]


def check_limit(limit: int, settings: Settings) -> None:
    """Refuse a page that is larger than this deployment gives.

    Raises:
        Problem: 422, with what is allowed.
    """
    if limit > settings.page_size_max:
        raise _field("limit", "the page is too large", f"1 to {settings.page_size_max}")


def bad_cursor(error: BadCursor) -> Problem:
    """The answer to a cursor that is none."""
    return _field("cursor", str(error), "`next_cursor` of a page")


def _field(field: str, message: str, allowed: str) -> Problem:
    return invalid((FieldError(field=field, message=message, allowed=allowed),))
