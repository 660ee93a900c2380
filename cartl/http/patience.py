"""Waiting for a service that is away for a while, such as during a restart."""

from __future__ import annotations

import time
from http import HTTPStatus

from cartl.http.problems import ClientError, NotTheService, ServiceError, ServiceUnreachable

AWAY_SECONDS = 300.0
"""A service that was reached may be away for so long."""
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each further try; the last one is repeated."""
PASSING = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""What a service that starts, or the proxy in front of it, answers meanwhile."""


def may_pass(error: ClientError) -> bool:
    """Whether the same question may be answered a little later."""
    if isinstance(error, ServiceError):
        return error.status in PASSING and not isinstance(error, NotTheService)
    return isinstance(error, ServiceUnreachable)


class Patience:
    """For one service: how long it has been away, and when to ask it again.

    A service that has never answered is not waited for.
    """

    def __init__(self) -> None:
        self._seen: float | None = None
        self._failures = 0

    def reached(self) -> None:
        """It has answered."""
        self._seen, self._failures = time.monotonic(), 0

    @property
    def away_seconds(self) -> float:
        """Since it was last reached."""
        return 0.0 if self._seen is None else time.monotonic() - self._seen

    def pause(self, error: ClientError) -> float:
        """Seconds to wait after ``error``.

        Raises:
            ClientError: ``error``, where waiting does not help, or was long enough.
        """
        if self._seen is None or not may_pass(error) or self.away_seconds > AWAY_SECONDS:
            raise error
        self._failures += 1
        return PAUSES[min(self._failures, len(PAUSES)) - 1]
