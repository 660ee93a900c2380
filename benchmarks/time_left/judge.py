"""How far a prediction of the time left was off: pure functions of what was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

ALLOWED = 1.5
"""A prediction is right that is at most this factor above or below the truth."""
AIM = 0.8
"""Of a run's length for which it is to be right."""
LOOKS = 200
"""So often somebody looks at what was told last, evenly over a run."""


@dataclass
class Record:
    """One job as it was watched.

    Attributes:
        points: (seconds since it began, seconds left as told; None: not told), in order.
        seconds: of the whole run.
        estimate: made before it.
    """

    name: str
    kind: str
    points: list[tuple[float, float | None]] = field(default_factory=list)
    seconds: float = 0.0
    state: str = ""
    estimate: dict[str, Any] = field(default_factory=dict)
    load: float = 0.0
    """Processes that wanted to run, as the system counts them, when it ended."""


def factor(left: float | None, truth: float) -> float:
    """How many times too long or too short; infinite where nothing was told."""
    if left is None or left <= 0 or truth <= 0:
        return float("inf")
    return max(left / truth, truth / left)


def share_within(record: Record, allowed: float = ALLOWED) -> float:
    """Of the run's length, for how much of it what was last answered was right."""
    if record.seconds <= 0:
        return 0.0
    found = factors(record)
    return sum(one <= allowed for one in found) / len(found)


def factors(record: Record) -> list[float]:
    """Of what was last told, at ``LOOKS`` moments that lie evenly over the run."""
    told = iter(record.points)
    following = next(told, None)
    left: float | None = None
    found = []
    for look in range(LOOKS):
        now = record.seconds * (look + 0.5) / LOOKS
        while following is not None and following[0] <= now:
            left, following = following[1], next(told, None)
        found.append(factor(left, record.seconds - now))
    return found


def row(record: Record) -> dict[str, Any]:
    """What is kept of a job: its length, how right the time left was, what was estimated before."""
    span = record.estimate.get("seconds_range") or {}
    return {
        "name": record.name,
        "kind": record.kind,
        "state": record.state,
        "seconds": round(record.seconds, 1),
        "share_within": round(share_within(record), 3),
        "median_factor": round(median(factors(record)), 2),
        "estimate": span,
        "basis": record.estimate.get("basis"),
        "within_range": bool(span) and span["low"] <= record.seconds <= span["high"],
        "load": round(record.load, 1),
        "points": [[round(t, 1), None if left is None else round(left, 1)] for t, left in record.points],
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """One line a job, then the whole."""
    lines = [
        "| job | took | estimated before | based on | time left right for | load |",
        "|---|---|---|---|---|---|",
    ]
    for one in rows:
        span = one["estimate"]
        before = f"{span['low']:.0f} to {span['high']:.0f} s" if span else "-"
        lines.append(
            f"| {one['name']} | {one['seconds']:.0f} s | {before} | {one['basis'] or '-'} "
            f"| {100 * one['share_within']:.0f} % | {one['load']:.1f} |"
        )
    return "\n".join(lines)


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Over all jobs."""
    length = sum(one["seconds"] for one in rows)
    return {
        "jobs": len(rows),
        "jobs_that_reach_the_aim": sum(one["share_within"] >= AIM for one in rows),
        "median_share_within": round(median(one["share_within"] for one in rows), 3),
        "share_of_all_time_within": round(
            sum(one["share_within"] * one["seconds"] for one in rows) / length if length else 0.0, 3
        ),
        "estimates_within_range": sum(one["within_range"] for one in rows),
        "seconds": round(length, 1),
    }
