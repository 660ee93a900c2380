"""The open connections of this process: a limit for all, one for each address, and a look at each a second.

Where a limit is reached, the connection that has waited longest for a request to come makes room for the
new one. So silent connections, however many, keep nobody out; only where all are at work is one refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from api.http.addresses import origin_of
from api.http.problems import Problem
from jobs.networks import IpNetwork, contains


@dataclass(frozen=True)
class ConnectionLimits:
    """How many connections, and how patient the service is with each. All times are in seconds."""

    total: int
    by_address: int
    head_seconds: float
    """For a request's head to be complete."""
    body_seconds: float
    """Without a byte of a body; and for a body that comes slower than ``slowest_body``."""
    slowest_body: int = 1024
    """Bytes a second, on the average."""
    unread_seconds: float = 60.0
    """In which a client takes nothing of its answer."""
    linger_seconds: float = 30.0
    """For the rest of a body whose request is answered already."""
    linger_bytes: int = 2 * 1024**3


class Connection(Protocol):
    """What the table asks of a connection."""

    def waiting_since(self) -> float | None:
        """The time since which no request is under way; None while one is."""

    def check(self, now: float) -> None:
        """Close it if it has kept us waiting for too long."""

    def drop(self) -> None:
        """Close it at once."""


class ConnectionTable:
    """All connections, each with the address it comes from. Lives in one event loop.

    Args:
        limits: how many.
        proxies: addresses of proxies. Their connections carry the requests of many, so the limit of an
            address is not theirs; ``AddressLimit`` counts their requests.
    """

    def __init__(self, limits: ConnectionLimits, proxies: Iterable[IpNetwork] = ()) -> None:
        self.limits = limits
        self._proxies = tuple(proxies)
        self._origins: dict[Connection, str] = {}
        self._of_origin: defaultdict[str, set[Connection]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._origins)

    def add(self, connection: Connection, host: str | None) -> Problem | None:
        """Count a new connection; returns why it is refused, or None. A refused one counts all the same."""
        origin = origin_of(host)
        refused = self._refusal(origin, host)
        self._origins[connection] = origin
        self._of_origin[origin].add(connection)
        return refused

    def remove(self, connection: Connection) -> None:
        """A connection has ended."""
        origin = self._origins.pop(connection, None)
        if origin is None:
            return
        self._of_origin[origin].discard(connection)
        if not self._of_origin[origin]:
            del self._of_origin[origin]

    def check(self, now: float) -> None:
        """Look at every connection."""
        for connection in tuple(self._origins):
            connection.check(now)

    def _refusal(self, origin: str, host: str | None) -> Problem | None:
        here = self._of_origin.get(origin, set())
        full = len(here) >= self.limits.by_address and not contains(self._proxies, host)
        if full and not self._make_room(here):
            return Problem(
                "too-many-connections", f"At most {self.limits.by_address} connections from one address."
            )
        if len(self._origins) >= self.limits.total and not self._make_room(self._origins):
            return Problem("overloaded", f"All {self.limits.total} connections are in use.")
        return None

    def _make_room(self, connections: Iterable[Connection]) -> bool:
        """Drop the one that has waited longest; False when all are at work."""
        waiting = [(since, one) for one in connections if (since := one.waiting_since()) is not None]
        if not waiting:
            return False
        _, oldest = min(waiting, key=lambda item: item[0])
        self.remove(oldest)
        oldest.drop()
        return True
