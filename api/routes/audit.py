"""The audit log, for operators: a page at a time, as lines of JSON."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.deps import ContextDep, Operator
from api.openapi import problems
from jobs.store.rights.audit import entries, newest_number, told

router = APIRouter(tags=["operator"])

NDJSON = "application/x-ndjson"
MOST_ENTRIES = 1000
HIGHEST_NUMBER = 2**63 - 1


@router.get(
    "/audit",
    summary="Export the audit log",
    response_class=Response,
    responses={
        **problems(),
        200: {
            "description": "One object a line, oldest first; nothing where there is no more",
            "content": {NDJSON: {"schema": {"type": "string"}}},
        },
    },
)
def export_audit_log(
    caller: Operator,
    context: ContextDep,
    after: Annotated[
        int, Query(ge=0, le=HIGHEST_NUMBER, description="Rows with a higher `number` than this.")
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_ENTRIES, description="Rows at most.")] = MOST_ENTRIES,
) -> Response:
    """Who did what to which object, when and from where. For the next page give the last `number` as `after`.

    A row that is not here yet has a higher number than all that are, so an export that goes on where it
    ended misses none. Rows are never changed or deleted.
    """
    with context.writing() as session:
        upto = newest_number(session)
    with context.reading() as session:
        rows = [told(entry) for entry in entries(session, after=after, upto=upto, limit=limit)]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return Response(lines, media_type=NDJSON, headers={"Cache-Control": "no-store"})
