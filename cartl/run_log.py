"""The log of a run as it grows: the service gives its last lines, this gives those that are new."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from cartl.client import TERMINAL, Client
from cartl.http.patience import Patience
from cartl.http.problems import ClientError

POLL_SECONDS = 1.0
LOOKED_AT = 2_000
"""Lines that are asked for at each look: more than a run writes between two."""
COMPARED = 50
"""Lines by which the place is found where an earlier look ended."""
MISSED = "... lines between were missed ..."


def follow_log(client: Client, job_id: str, *, lines: int, until_end: bool) -> Iterator[str]:
    """The last ``lines`` lines; with ``until_end`` then each line that is added, until the job has ended.

    Raises:
        ClientError: the service was never reached, refused, or was away for longer than
            ``patience.AWAY_SECONDS``.
    """
    if not until_end:
        yield from client.log(job_id, lines=lines).splitlines()
        return
    seen: list[str] | None = None
    patience = Patience()
    while True:
        pause = POLL_SECONDS
        try:
            ended = client.job(job_id)["state"] in TERMINAL
            now = client.log(job_id, lines=max(lines, LOOKED_AT)).splitlines()
            patience.reached()
            yield from now[-lines:] if seen is None else added(seen, now)
            seen = now
            if ended:
                return
        except ClientError as error:
            pause = patience.pause(error)
        time.sleep(pause)


def added(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """The lines of ``now`` behind the last ones of ``before``.

    Where these are not found, something was missed: all of ``now``, with a line that says so.
    """
    if list(now[: len(before)]) == list(before):
        return list(now[len(before) :])
    known = list(before[-COMPARED:])
    for end in range(len(known), len(now) + 1):
        if now[end - 1] == known[-1] and list(now[end - len(known) : end]) == known:
            return list(now[end:])
    return [MISSED, *now]
