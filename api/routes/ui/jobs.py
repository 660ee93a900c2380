"""The list of jobs."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response

from api.http.paging import Cursor
from api.routes.ui.visit import VisitDep
from cartl_core.catalog import METHODS
from cartl_core.spec.arm import AUTO
from cartl_core.spec.data_and_model import DATA_NAME, TAG
from jobs import store
from jobs.errors import BadCursor
from jobs.state import JobState

router = APIRouter(include_in_schema=False)

PAGE = 50
PATTERNS = {"tag": re.compile(TAG), "dataset": re.compile(DATA_NAME)}
FILTERS = (("state", tuple(JobState)), ("method", (*METHODS, AUTO, "given")))

Choice = Annotated[str, Query(max_length=64)]


@router.get("/ui/jobs")
def list_jobs(
    visit: VisitDep,
    state: Choice = "",
    method: Choice = "",
    tag: Annotated[str, Query(max_length=64)] = "",
    dataset: Annotated[str, Query(max_length=64)] = "",
    shared: Annotated[str, Query(max_length=8)] = "",
    cursor: Cursor = None,
) -> Response:
    """Newest first, fifty a page; filters that mean nothing filter nothing."""
    given = {"state": state, "method": method, "tag": tag, "dataset": dataset, "shared": shared}
    chosen = {name: value for name, value in given.items() if value and _means_something(name, value)}
    with visit.reading() as session:
        try:
            jobs, next_cursor = store.list_jobs(
                session,
                visit.caller.owner,
                state=JobState(chosen["state"]) if "state" in chosen else None,
                method=chosen.get("method"),
                tag=chosen.get("tag"),
                dataset=chosen.get("dataset"),
                shared="shared" in chosen,
                cursor=cursor,
                limit=PAGE,
            )
        except BadCursor:
            jobs, next_cursor = [], None
        capacity = visit.capacity(session)
        return visit.page(
            "jobs.html",
            title="Jobs",
            here="/ui/jobs",
            jobs=jobs,
            waiting=visit.waiting(session, list(jobs), capacity),
            paces=store.paces_of(session, jobs),
            counts=[found for found in store.state_counts(session, visit.caller.owner).items() if found[1]],
            no_worker=capacity.slots == 0,
            filters=FILTERS,
            chosen=chosen,
            live=visit.live,
            next_page=f"/ui/jobs?{urlencode(chosen | {'cursor': next_cursor})}" if next_cursor else None,
        )


def _means_something(name: str, value: str) -> bool:
    known = dict(FILTERS).get(name)
    if known is not None:
        return value in known
    pattern = PATTERNS.get(name)
    return pattern is None or bool(pattern.fullmatch(value))
