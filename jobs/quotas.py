"""How much of the service one owner may use."""

from __future__ import annotations

from dataclasses import dataclass

WINDOW_DAYS = 30.0


@dataclass(frozen=True)
class Limits:
    """Limits of one owner; None: no limit."""

    queued: int | None = None
    """Jobs that wait."""
    running: int | None = None
    """Jobs that run."""
    device_seconds: float | None = None
    """Of all devices together, within the last ``window_days``."""
    stored_bytes: int | None = None
    """Of what the owner has sent, and of the files of their jobs."""
    window_days: float = WINDOW_DAYS


NO_LIMITS = Limits()
