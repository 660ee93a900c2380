"""What lists that come page by page have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Generic, TypeVar

from fastapi import Query

from api.http.problems import FieldError, Problem, invalid
from api.schemas import Page
from jobs.errors import BadCursor
from jobs.settings import Settings
from jobs.store.observe import cursor_of, read_cursor

T = TypeVar("T")
Cursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")]
Limit = Annotated[int, Query(ge=1, description="Rows on a page; the deployment has a highest value.")]


@dataclass(frozen=True)
class Item(Generic[T]):
    """One thing of a list, and its place in it: newest first, by time and id."""

    created_at: datetime
    id: str
    view: T


def cut(items: Sequence[Item[T]], limit: int) -> Page[T]:
    """The first ``limit`` of ``items`` as a page, with the cursor of the next one where there are more."""
    shown = items[:limit]
    more = len(items) > limit
    return Page(
        data=[item.view for item in shown],
        next_cursor=cursor_of(shown[-1].created_at, shown[-1].id) if more else None,
    )


def read_place(cursor: str | None) -> tuple[datetime, str] | None:
    """Time and id of the last item of the page before.

    Raises:
        Problem: 422, it is no cursor.
    """
    try:
        return None if cursor is None else read_cursor(cursor)
    except BadCursor as error:
        raise bad_cursor(error) from error


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
