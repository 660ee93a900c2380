"""Events in words: one line for a person, from an event as JSON has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cartl_core.render.numbers import threads

Body = dict[str, Any]


def event_line(event: Mapping[str, Any]) -> str | None:
    """One line for an event; None for those that are the service's own business."""
    kind = str(event.get("type"))
    body = event.get("body")
    if kind in QUIET:
        return None
    speak = LINES.get(kind)
    if speak is None:
        return kind.replace("_", " ")
    try:
        return speak(body if isinstance(body, dict) else dict(event))
    except (LookupError, TypeError, ValueError, AttributeError):
        return kind.replace("_", " ")  # an event as another version tells it


def duration(seconds: float | None) -> str:
    """`under a second`, `45 s`, `3 min 20 s`, `2 h 05 min`; a dash for what is not known."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    if 0 < seconds < 1:
        return "under a second"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def percent(fraction: float | None) -> str:
    """`42 %`; a dash for what is not known."""
    return "-" if fraction is None else f"{100 * fraction:.0f} %"


def _started(body: Body) -> str:
    resumed = body.get("resumed_at")
    return f"{body['label']}: " + (f"goes on at {percent(resumed)}" if resumed else "started")


def _finished(body: Body) -> str:
    if body.get("reused"):
        return f"{body['label']}: reused from an earlier run, nothing to compute"
    return f"{body['label']}: done in {duration(body['seconds'])}"


def _epoch(body: Body) -> str:
    metrics = ", ".join(f"{_spaced(name)} {value:.3f}" for name, value in body["metrics"].items())
    return f"{body['label']}: epoch {body['epoch']} of {body['epochs']}, {metrics}"


def _attack(body: Body) -> str:
    result = body["result"]
    robust = result["robust"]
    return (
        f"{body['subject']} under {result['label']}: {robust['value']:.1%} robust "
        f"(95 % interval {robust['low']:.1%} to {robust['high']:.1%}, n = {result['n']})"
    )


def _chosen(body: Body) -> str:
    return f"chosen: {body['words']}"


def _runtime(body: Body) -> str:
    machine = body["runtime"]
    computing = threads(machine["threads"], machine.get("stages_at_once", 1))
    low = machine.get("attack_precision", "fp32")
    attacks = "" if low == "fp32" else f", long attacks begin in {low}"
    return f"on {machine['device_name']}, {computing}, {machine['precision']} for training{attacks}"


def _message(body: Body) -> str:
    return f"warning: {body['message']}"


def _withheld(body: Body) -> str:
    return f"withheld: {body['name']}: {body['message']}"


def _failed(body: Body) -> str:
    return f"failed: {body.get('reason')} - {body.get('message')}"


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _computed_anew(body: Body) -> str:
    return f"computed again: {body['words']}"


LINES: dict[str, Callable[[Body], str]] = {
    "runtime_resolved": _runtime,
    "stage_started": _started,
    "stage_computed_anew": _computed_anew,
    "stage_finished": _finished,
    "epoch_finished": _epoch,
    "candidate_chosen": _chosen,
    "attack_finished": _attack,
    "export_withheld": _withheld,
    "warned": _message,
    "failed": _failed,
}
QUIET = frozenset(
    {
        "progress",
        "stage_measured",
        "report_updated",
        "stage_requested",
        "stage_stored",
        "checkpoint_written",
        "artifact_written",
    }
)
