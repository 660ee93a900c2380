"""Choosing a media type by the ``Accept`` header (RFC 9110, section 12.5.1)."""

from __future__ import annotations

from api.http.problems import Problem


def choose(accept: str | None, offers: tuple[str, ...]) -> str:
    """The best of ``offers`` for ``accept``; the first offer wins where the client is indifferent.

    Raises:
        Problem: the client accepts none of them (406).
    """
    if accept is None or not accept.strip():
        return offers[0]
    ranges = [_range(part) for part in accept.split(",") if part.strip()]
    best = max(offers, key=lambda offer: _quality(offer, ranges))
    if _quality(best, ranges) <= 0:
        raise Problem("not-acceptable", f"This path offers {' and '.join(offers)}.")
    return best


def _range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = next((value[2:] for value in parameters if value.startswith("q=")), "1")
    try:
        return name, min(max(float(quality), 0.0), 1.0)
    except ValueError:
        return name, 0.0


def _quality(offer: str, ranges: list[tuple[str, float]]) -> float:
    """The quality of the most specific range that covers ``offer``; 0 when none does."""
    family = offer.split("/")[0] + "/*"
    for name in (offer, family, "*/*"):
        matching = [quality for asked, quality in ranges if asked == name]
        if matching:
            return max(matching)
    return 0.0
