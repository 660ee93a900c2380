"""Requests that are refused for lack of a right, or for a wrong key, in the audit log."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from fastapi import Request
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from api.auth import address_of
from api.http.addresses import origin_of
from api.http.problems import Problem
from api.http.rate_limit import Bucket
from jobs.database.engine import transaction
from jobs.store.rights.audit import Actor, note

SECONDS = 60.0
"""The same refusal is written so often at most."""
PER_SECOND, BURST = 2.0, 200
"""Of all refusals together, so that a flood from many addresses does not fill the table."""
MOST_KNOWN = 10_000
NAMED = ("job_id", "sweep_id", "key_id", "id", "upload_id", "webhook_id", "owner")
"""Parts of paths that are written down; others may be secret, such as the token of a link."""

log = logging.getLogger("cartl.api")

Refusal = tuple[Actor, str, str]
"""Who, which action, which object."""


class Refusals:
    """Writes refusals down, each once a minute, in a transaction of its own."""

    def __init__(self, sessions: sessionmaker[Session], clock: Callable[[], float] = time.monotonic) -> None:
        self._sessions, self._clock = sessions, clock
        self._bucket = Bucket(rate=PER_SECOND, burst=BURST, clock=clock)
        self._lock = threading.Lock()
        self._written: dict[tuple[object, ...], float] = {}

    def record(self, actor: Actor, action: str, thing: str) -> None:
        """Nothing was changed: ``actor`` may not. A log that cannot be written changes no answer."""
        if not self._is_due((actor.owner, actor.key_id, origin_of(actor.address), action, thing)):
            return
        try:
            with transaction(self._sessions) as session:
                note(session, actor, action, thing, outcome="refused")
        except SQLAlchemyError as error:
            log.warning("a refusal was not written to the audit log: %s", type(error).__name__)

    def record_request(self, request: Request, problem: Problem) -> None:
        """Record the refusal of a request, if it is one for lack of a right or for a wrong key."""
        caller = getattr(request.state, "caller", None)
        wrong_key = problem.kind.name == "no-key" and "authorization" in request.headers
        if not wrong_key and (problem.kind.name != "not-allowed" or caller is None):
            return
        actor = Actor(None, address=address_of(request)) if caller is None else caller.actor
        self.record(actor, "request", _route_of(request))

    def _is_due(self, refusal: tuple[object, ...]) -> bool:
        now = self._clock()
        with self._lock:
            if now - self._written.get(refusal, -SECONDS) < SECONDS or not self._bucket.take():
                return False
            if len(self._written) >= MOST_KNOWN:
                self._written.clear()
            self._written[refusal] = now
            return True


def _route_of(request: Request) -> str:
    """Method and path, with the ids in it; parts that may be secret stay placeholders."""
    path = str(getattr(request.scope.get("route"), "path", "(no route)"))
    for name in NAMED:
        value = str(request.path_params.get(name, ""))
        if value.isascii() and value.replace("-", "").replace("_", "").isalnum():
            path = path.replace(f"{{{name}}}", value[:64])
    return f"{request.method} {path}"
