"""uvicorn's HTTP/1.1 with patience that ends: deadlines, refusals as problems, answers that arrive.

What uvicorn leaves out, and this adds:

- a head that does not come, a body that stalls and an answer that nobody takes end the connection;
- what is no HTTP is answered with a problem that says so;
- an answer that is sent before all of the request was read reaches its client (``LingeringTransport``);
- a connection beyond the limits of the ``ConnectionTable`` is told so.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from http import HTTPStatus
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from api.http.problems import Problem, encode, headers_of
from api.serving.connections import ConnectionTable
from api.serving.transport import LingeringTransport

log = logging.getLogger("cartl.api")

# What h11 says of a request that it cannot read, beside 400.
KIND_OF_HINT = {431: "head-too-large", 501: "not-implemented"}


class GuardedConfig(uvicorn.Config):
    """How an application is served, with the table of its connections."""

    def __init__(self, app: Any, *, connections: ConnectionTable, **options: Any) -> None:
        # No WebSockets: their protocol would leave all of this out.
        super().__init__(app, http=GuardedProtocol, ws="none", **options)
        self.connections = connections


class GuardedProtocol(H11Protocol):
    """One connection. All times are those of the event loop's clock, in seconds."""

    def __init__(
        self,
        config: GuardedConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._table = config.connections
        self._limits = config.connections.limits
        self._lingering: LingeringTransport
        now = self.loop.time()
        self._waiting_since = now
        """Since when a head is waited for."""
        self._body_since = now
        self._heard_at = now
        """When the last bytes came."""
        self._received = 0
        """Bytes since ``_body_since``."""
        self._unread = 0
        """Bytes of the answer that were left at the last look."""
        self._taken_at = now
        """When the client last took something of it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        """Count it, and refuse what is beyond the limits."""
        self._lingering = LingeringTransport(transport, self._client_is_sending)
        super().connection_made(self._lingering)
        refused = self._table.add(self, self.client[0] if self.client else None)
        if refused is not None:
            self._refuse(refused)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it no more."""
        self._table.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, or throw away what comes after the last answer."""
        now = self.loop.time()
        self._heard_at = now
        self._received += len(data)
        if self._lingering.is_closing():
            return
        waited, cycle = self._waits_for_a_head(), self.cycle
        super().data_received(data)
        if self.cycle is not cycle:
            self._body_since, self._received = now, 0
        if self._waits_for_a_head() and not waited:
            self._waiting_since = now

    def on_response_complete(self) -> None:
        """From now on the next head is waited for."""
        self._waiting_since = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP. uvicorn calls this while it handles h11's error, which says more."""
        error = sys.exception()
        hint = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        # What follows the colon is what was sent.
        detail = f"This is no HTTP/1.1 request: {str(error).partition(':')[0]}." if error else msg
        self._refuse(Problem(KIND_OF_HINT.get(hint, "bad-request"), detail))

    def shutdown(self) -> None:
        """End it soon: at once where only the rest of an answered request is waited for."""
        if self._lingering.is_closing():
            self._lingering.abort()
        else:
            super().shutdown()

    def waiting_since(self) -> float | None:
        """See ``Connection``."""
        idle = self._lingering.is_closing() or self._waits_for_a_head()
        return self._waiting_since if idle else None

    def drop(self) -> None:
        """See ``Connection``."""
        self._lingering.abort()

    def check(self, now: float) -> None:
        """See ``Connection``."""
        limits = self._limits
        if self._answer_is_not_taken(now):
            self._lingering.abort()
        elif self._lingering.is_closing() or self._is_answered_early():
            waited = now - self._waiting_since
            if waited > limits.linger_seconds or self._received > limits.linger_bytes:
                self._lingering.abort()
        elif self._waits_for_a_head():
            if now - self._waiting_since > limits.head_seconds:
                self._end_silence()
        elif self._client_is_sending() and self._body_is_late(now):
            self._refuse(Problem("too-slow", "The body did not come in time."))

    def _end_silence(self) -> None:
        if self.conn.trailing_data[0]:
            self._refuse(Problem("too-slow", "The head of the request did not come in time."))
        else:
            self._lingering.close()

    def _body_is_late(self, now: float) -> bool:
        if self.flow.read_paused:  # the application reads slowly, which is not the client's doing
            self._heard_at = now
            return False
        patience = self._limits.body_seconds
        expected = (now - self._body_since - patience) * self._limits.slowest_body
        return now - self._heard_at > patience or self._received < expected

    def _answer_is_not_taken(self, now: float) -> bool:
        left = self._lingering.get_write_buffer_size()
        if left == 0 or left != self._unread:
            self._unread, self._taken_at = left, now
        return now - self._taken_at > self._limits.unread_seconds

    def _waits_for_a_head(self) -> bool:
        done = self.cycle is None or self.cycle.response_complete
        return done and self.conn.their_state is h11.IDLE

    def _client_is_sending(self) -> bool:
        """True in the midst of a body, and after what could not be read."""
        return self.conn.their_state in (h11.SEND_BODY, h11.ERROR) or bool(self.conn.trailing_data[0])

    def _is_answered_early(self) -> bool:
        return self.conn.their_state is h11.SEND_BODY and self.cycle.response_complete

    def _refuse(self, problem: Problem) -> None:
        """Answer without the application, and close. What has been answered in part is cut off."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self._lingering.abort()
                return
        self._waiting_since = self.loop.time()
        log.debug("refused %s: %s", problem.kind.name, problem.detail)
        self.transport.write(_as_bytes(problem, self.server_state.default_headers))
        self.conn.send_failed()
        self._lingering.linger()


def _as_bytes(problem: Problem, default_headers: list[tuple[bytes, bytes]]) -> bytes:
    body = encode(problem, instance="")
    status = HTTPStatus(problem.kind.status)
    headers = {**headers_of(problem), "Content-Length": str(len(body)), "Connection": "close"}
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}".encode(),
        *(name + b": " + value for name, value in default_headers),
        *(f"{name}: {value}".encode("latin-1") for name, value in headers.items()),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
