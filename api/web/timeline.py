"""The stages of a job over time, from its events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from cartl_core.render.event_lines import duration
from jobs.tables import JobEvent

WHOLE = 1000.0
"""Width of the picture of all stages together."""
NARROWEST = 4.0
"""So that a stage of a moment is seen."""


@dataclass
class ShownStage:
    """One stage: its name, where it stands, what is said of it, and when it was.

    Attributes:
        key: tells stages of one label apart.
        left: of its bar, of ``WHOLE``; ``width`` likewise.
    """

    key: int
    label: str
    began: datetime
    ended: datetime | None = None
    state: Literal["computing", "finished", "stopped"] = "computing"
    words: str = "at work"
    left: float = field(default=0.0)
    width: float = field(default=NARROWEST)


def stages_over_time(events: Sequence[JobEvent], now: datetime, *, running: bool) -> list[ShownStage]:
    """Each stage that began, in order; one that began twice, because it was resumed, is one stage.

    Args:
        events: of one job, in order.
        now: how far a stage reaches that is at work.
        running: the job is; otherwise a stage that never ended was stopped.
    """
    found: dict[str, ShownStage] = {}
    for event in events:
        label = event.body.get("label")
        if isinstance(label, str):
            _tell(found, label, event)
    stages = list(found.values())
    last = events[-1].at if events else now
    for stage in stages:
        if stage.ended is None:
            stage.ended = now if running else last
            if not running:
                stage.state, stage.words = "stopped", "stopped before its end"
    _place(stages)
    return stages


def _tell(found: dict[str, ShownStage], label: str, event: JobEvent) -> None:
    stage, body = found.get(label), event.body
    if event.type == "stage_started":
        if stage is None:
            found[label] = ShownStage(event.number, label, event.at)
        else:
            stage.state, stage.words, stage.ended = "computing", "at work again", None
    elif event.type == "stage_finished":
        stage = found.setdefault(label, ShownStage(event.number, label, event.at))
        stage.state, stage.ended, stage.words = "finished", event.at, _ending(body)
    elif event.type == "epoch_finished" and stage is not None:
        stage.words = f"epoch {body.get('epoch')} of {body.get('epochs')}"


def _ending(body: dict[str, Any]) -> str:
    if body.get("reused"):
        return "found, computed before"
    seconds = body.get("seconds")
    return f"done in {duration(seconds)}" if isinstance(seconds, int | float) else "done"


def _place(stages: list[ShownStage]) -> None:
    """Bars between the first beginning and the last end."""
    if not stages:
        return
    first = min(stage.began for stage in stages)
    whole = max(((stage.ended or stage.began) - first).total_seconds() for stage in stages) or 1.0
    for stage in stages:
        left = WHOLE * (stage.began - first).total_seconds() / whole
        right = WHOLE * ((stage.ended or stage.began) - first).total_seconds() / whole
        stage.left = round(min(left, WHOLE - NARROWEST), 1)
        stage.width = round(max(NARROWEST, right - stage.left), 1)
