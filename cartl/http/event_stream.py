"""The events of a job as a stream, one connection long."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
from httpx_sse import EventSource, SSEError

from cartl.http import answers
from cartl.http.address import id_in_path
from cartl.http.answers import Answer, not_the_service, read_answer
from cartl.http.problems import ServiceError, raise_for_problem
from cartl.http.response_body import Ticking, whole_body

Tick = Callable[[], None]

# A stream that says nothing for this long is opened again where it broke off.
STREAM_SILENCE_SECONDS = 30.0
ACCESS_ENDED = "access_ended"
"""The message that ends a stream whose reader may see the job no more."""


def stream_events(http: httpx.Client, job_id: str, after: int, tick: Tick) -> Iterator[Answer]:
    """The events behind number ``after``, as they come; ``tick`` is called at every sign of life.

    Raises:
        httpx.TransportError: the connection broke, or said nothing for ``STREAM_SILENCE_SECONDS``.
        ServiceError: the service refused, or it is none.
    """
    path = f"/jobs/{id_in_path(job_id)}/events"
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
    timeout = httpx.Timeout(STREAM_SILENCE_SECONDS)
    with http.stream("GET", path, headers=headers, timeout=timeout) as response:
        if not response.is_success:
            raise_for_problem(response, whole_body(response))
        if response.status_code == httpx.codes.NO_CONTENT:  # the job has ended, and its last event was sent
            return
        assert isinstance(response.stream, httpx.SyncByteStream)
        response.stream = Ticking(response.stream, tick)
        try:
            for message in EventSource(response).iter_sse():
                if message.event == ACCESS_ENDED:
                    problem = read_answer(message.data.encode(), path, answers.Problem)
                    raise ServiceError(problem["status"], problem)
                if message.data:  # a comment after an event comes as a message of nothing
                    yield read_answer(message.data.encode(), path, answers.Event)
        except (SSEError, httpx.DecodingError) as error:  # a proxy's page, say: it would come again
            raise not_the_service(f"{path} answered no event stream") from error
