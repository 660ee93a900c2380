"""When a delivery is tried again: the schedule that the Standard Webhooks specification recommends."""

from __future__ import annotations

import random

MINUTE, HOUR = 60.0, 3600.0
DELAYS = (5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
"""Seconds after the first, second, ... attempt that failed; after the last one it is given up."""
MOST_ATTEMPTS = len(DELAYS) + 1
JITTER = 0.1
"""A delay is longer by up to this share, so that what failed together does not come back together."""


def delay_after(attempt: int, chance: float | None = None) -> float | None:
    """Seconds to wait after the attempt of this number, 1 for the first; None: it was the last one.

    ``chance``: 0 to 1, which part of the jitter; None: a random one.
    """
    if attempt >= MOST_ATTEMPTS:
        return None
    part = random.random() if chance is None else chance
    return DELAYS[attempt - 1] * (1 + JITTER * part)
