"""Watching a job: events as pages or as a stream, metrics as series, the log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from api.deps import ContextDep, JobId, Reader
from api.feed import AccessEnded, Feed
from api.http.negotiate import choose
from api.http.patterns import NO_NULL
from api.http.problems import Problem, encode
from api.logs import log_tail
from api.openapi import Responses, problems
from api.schemas import EventPage, EventView, Metrics, SeriesView
from jobs import store
from jobs.state import JobState
from jobs.store.rights.watchers import Watcher

router = APIRouter(tags=["watching a job"])

JSON = "application/json"
STREAM = "text/event-stream"
HIGHEST = 2**31 - 1
RETRY_MILLISECONDS = 2000
ACCESS_ENDED = "access_ended"
"""The last message of a stream whose reader may see the job no more; its data is a problem."""

After = Annotated[int, Query(ge=0, le=HIGHEST, description="Only events with a higher number.")]
LastEventId = Annotated[
    int | None,
    Header(
        alias="Last-Event-ID",
        ge=0,
        le=HIGHEST,
        description="What an EventSource sends when it comes back; wins over `after`.",
    ),
]
EVENTS: Responses = {
    200: {
        "description": "A page of events, or a stream of them",
        "content": {
            STREAM: {
                "schema": {"type": "string"},
                "example": 'event: epoch_finished\ndata: {"number": 7, ...}\nid: 7\n\n',
            }
        },
    },
    204: {"description": "The stream has nothing more: the job has ended. An EventSource stops asking."},
}


@router.get(
    "/jobs/{job_id}/events",
    summary="What happened, and what happens",
    response_model=EventPage,
    responses={**problems(404, 406), **EVENTS},
)
def get_events(
    job_id: JobId,
    caller: Reader,
    context: ContextDep,
    request: Request,
    after: After = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    last_event_id: LastEventId = None,
) -> Response:
    """A JSON page; with `Accept: text/event-stream` a stream that ends after the job's last event.

    When the key is revoked or the job is shared no more, the stream ends with a message `access_ended`, whose
    data is a problem.
    """
    start = after if last_event_id is None else last_event_id
    wants_stream = choose(request.headers.get("accept"), (JSON, STREAM)) == STREAM
    with context.reading() as session:
        job = store.find(session, job_id, caller.owner)
        rows = [] if wants_stream else store.events_after(session, job_id, start, limit)
    over = JobState(job.state).is_terminal
    if wants_stream:
        if over and start >= job.event_count:
            return Response(status_code=204)
        return StreamingResponse(
            _stream(context.feed, caller.watches(job_id), start),
            media_type=STREAM,
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )
    events = [EventView.of(event) for event in rows]
    newest = events[-1].number if events else start
    page = EventPage(data=events, next_after=newest, finished=over and newest >= job.event_count)
    return JSONResponse(page.model_dump(mode="json"))


async def _stream(feed: Feed, watcher: Watcher, after: int) -> AsyncIterator[bytes]:
    yield format_sse_event(retry=RETRY_MILLISECONDS)
    try:
        async for event in feed.follow(watcher, after):
            if event is None:
                yield KEEPALIVE_COMMENT
            else:
                data = event.model_dump_json()
                yield format_sse_event(event=event.type, data_str=data, id=str(event.number))
    except AccessEnded:
        problem = Problem("access-ended", "The key was revoked, or the job is shared no more.")
        yield format_sse_event(event=ACCESS_ENDED, data_str=encode(problem, instance="").decode())


@router.get("/jobs/{job_id}/metrics", summary="Series of a job", responses=problems(404))
def get_metrics(
    job_id: JobId,
    caller: Reader,
    context: ContextDep,
    name: Annotated[
        list[Annotated[str, Query(max_length=200, pattern=NO_NULL)]] | None,
        Query(max_length=50, description="Series wanted, e.g. `teacher (fdm)/loss`; all when left out."),
    ] = None,
    max_points: Annotated[int, Query(ge=4, le=5000, description="Points of each series, at most.")] = 500,
) -> Metrics:
    """Training and validation figures by epoch. Long series are thinned out; extremes stay."""
    with context.reading() as session:
        store.find(session, job_id, caller.owner)
        series = store.metrics_of(session, job_id, name, max_points)
    return Metrics(data=[SeriesView.of(one) for one in series])


@router.get(
    "/jobs/{job_id}/logs",
    summary="The run's own log",
    response_class=PlainTextResponse,
    responses=problems(404),
)
def get_logs(
    job_id: JobId,
    caller: Reader,
    context: ContextDep,
    tail: Annotated[int, Query(ge=1, le=100_000, description="Lines from the end.")] = 500,
) -> PlainTextResponse:
    """The last lines that the training process wrote, oldest first; empty before it starts."""
    with context.reading() as session:
        store.find(session, job_id, caller.owner)
    return PlainTextResponse(
        log_tail(context.settings, job_id, tail),
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
    )
