"""Whether a call is made again, and after which pause: pure decisions."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from cartl.library.calls import Call

TOO_MANY, UNAVAILABLE, CONFLICT = 429, 503, 409


@dataclass(frozen=True)
class Retries:
    """How patient a client is.

    Answered with 429 or 503, a call is made again after the time that the answer asks for. Where nobody
    answered, it is if asking twice does no harm; pauses double, less a random part.

    Attributes:
        deadline_seconds: no try begins later than so long after the first one.
        tries: most tries of a call, the first one counted.
        first_seconds: the first pause.
        longest_seconds: no pause of our own is longer.
        longest_asked_seconds: a service that asks for a longer pause is not asked again.
        jitter: draws from [0, 1); each client has a source of its own.
    """

    deadline_seconds: float = 60.0
    tries: int = 10
    first_seconds: float = 0.5
    longest_seconds: float = 10.0
    longest_asked_seconds: float = 30.0
    jitter: Callable[[], float] = field(default_factory=lambda: random.Random().random)

    def after_answer(
        self, call: Call[Any], status: int, headers: Mapping[str, str], tries: int
    ) -> float | None:
        """Seconds until the next try; None where the answer is to be taken as it is.

        Args:
            tries: made so far.
        """
        asked = seconds_asked(headers)
        # A service that is still busy with our first try says so, and when to ask again.
        in_flight = status == CONFLICT and call.keyed and asked is not None
        if tries >= self.tries or not (status in (TOO_MANY, UNAVAILABLE) or in_flight):
            return None
        if asked is None:
            return self._backoff(tries)
        return asked if asked <= self.longest_asked_seconds else None

    def after_silence(self, call: Call[Any], tries: int) -> float | None:
        """The same where nobody answered."""
        return self._backoff(tries) if call.safe and tries < self.tries else None

    def _backoff(self, tries: int) -> float:
        """Between half of the pause and all of it."""
        pause = min(self.first_seconds * 2.0 ** (tries - 1), self.longest_seconds)
        return pause * (0.5 + 0.5 * self.jitter())


def seconds_asked(headers: Mapping[str, str]) -> float | None:
    """What Retry-After asks for, in seconds or as a date (RFC 9110, 10.2.3); None where it says nothing.

    A date is held against the answer's own, so that the clock of this machine does not matter.
    """
    written = headers.get("retry-after", "").strip()
    if written.isascii() and written.isdigit():
        return float(written[:10])
    try:
        until, now = parsedate_to_datetime(written), parsedate_to_datetime(headers.get("date", ""))
        return max((until - now).total_seconds(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None
