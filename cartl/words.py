"""Jobs in words: pure functions from the service's JSON to lines for people."""

from __future__ import annotations

from cartl.client import Json
from cartl_core.render.event_lines import duration as duration
from cartl_core.render.event_lines import event_line as event_line
from cartl_core.render.event_lines import percent as percent

STATE_STYLES = {
    "queued": "yellow",
    "running": "cyan",
    "succeeded": "green",
    "failed": "red",
    "cancelled": "magenta",
}


def printable(text: str) -> str:
    """Without what would steer a terminal; line breaks stay."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


def doing(job: Json) -> str:
    """What a job is at, in a few words."""
    if job["state"] == "running":
        # A list of jobs has the kind of the stage alone.
        at = job.get("stage_label") or str(job.get("stage") or "").replace("_", " ")
        return str(at or ("running" if job.get("fraction") else "starting"))
    if job["state"] == "queued" and job.get("queue_position"):
        return f"queued, number {job['queue_position']} in line"
    return str(job["state"])


def time_left(job: Json) -> str:
    """How long it will take, and how fast it goes; empty where nothing is known."""
    left, images = job.get("seconds_left"), job.get("images_per_second")
    told = [] if left is None else [f"{duration(left)} left"]
    if images:
        told.append(f"{rate(images)} images/s")
    return ", ".join(told)


def rate(images: float) -> str:
    """Images a second: whole where there are ten or more."""
    return f"{images:.0f}" if images >= 10 else f"{images:.1f}"


def expected(estimate: Json) -> str:
    """How long a job will take: a range, and what it stands on; of an older service one figure."""
    span = estimate.get("seconds_range")
    if not isinstance(span, dict):
        return duration(estimate.get("seconds"))
    low, likely, high = (duration(span.get(name)) for name in ("low", "likely", "high"))
    basis = estimate.get("basis")
    return f"{low} to {high}, likely {likely}" + (f" ({basis})" if basis else "")


def outcome(job: Json) -> str:
    """How a job ended, with the reason when it did not succeed."""
    why = [str(job[key]) for key in ("reason", "message") if job.get(key)]
    return " - ".join([f"job {job['id']} {job['state']}", *why])
