"""Idempotency of routes that create something: the ``Idempotency-Key``, and what they may answer."""

from __future__ import annotations

from typing import Any

from fastapi import Header

from api.http.patterns import PRINTABLE
from api.openapi import REF, Responses


def idempotency_key(made: str) -> Any:
    """The header whose value stands for the first answer; ``made``: a job, a sweep."""
    return Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=PRINTABLE,
        description=f"Any text of your own. The same key and body give the same {made}, sent however often.",
    )


def created(made: str, now: str, dry_run: str, view: str) -> Responses:
    """What such a route answers where all is well.

    Args:
        made: a job, a sweep.
        now: what is true once it was made.
        dry_run: schema of the answer where nothing is to be stored.
        view: schema of what was made.
    """
    either = {"anyOf": [{"$ref": REF.format(model=model)} for model in (dry_run, view)]}
    return {
        200: {
            "description": f"A dry run (nothing stored), or the {made} that this Idempotency-Key made before",
            "content": {"application/json": {"schema": either}},
        },
        201: {
            "description": now,
            "headers": {"Location": {"description": f"Path of the {made}", "schema": {"type": "string"}}},
        },
    }


def announced_as(made: str) -> Responses:
    """What a route answers that reserves a place for content; ``made``: a data set, a teacher."""
    return {
        200: {"description": f"The {made} that this request made before"},
        201: {
            "description": "Its place is kept",
            "headers": {"Location": {"description": f"Path of the {made}", "schema": {"type": "string"}}},
        },
    }
