"""What a person sees of a run: at a terminal a bar that moves, elsewhere plain lines."""

from __future__ import annotations

import io

import pytest
from rich.console import Console as Terminal

from cartl_core.events import (
    EpochFinished,
    Event,
    Failed,
    Finished,
    Progress,
    StageFinished,
    Stopped,
    Warned,
)
from cartl_core.run.console import Console

RUN: tuple[Event, ...] = (
    Progress(stage="pretrain", label="teacher", fraction=0.25, seconds_left=90.0),
    EpochFinished(
        stage="pretrain",
        label="teacher",
        digest="d",
        epoch=1,
        epochs=2,
        metrics={"clean_accuracy": 0.5, "lr": 0.1, "loss": 1.25},
    ),
    Warned(message="few images [of 10]"),
    StageFinished(stage="pretrain", label="teacher", digest="d", reused=True, seconds=0.0),
    Progress(stage="transfer", label="student", fraction=0.5),
    Finished(seconds=3.0),
)
LINES = (
    "teacher: epoch 1 of 2: loss 1.250, clean_accuracy 0.500",
    "Warning: few images [of 10]",
    "teacher: found",
    "Finished in 3.0 s.",
)


def shown(*events: Event, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(Terminal(file=out, force_terminal=terminal, width=60))
    for event in events:
        console(event)
    return out.getvalue()


def test_without_a_terminal_there_are_plain_lines_and_no_bar() -> None:
    assert shown(*RUN, terminal=False).splitlines() == list(LINES)


def test_a_terminal_has_the_same_lines_and_a_bar() -> None:
    seen = shown(*RUN, terminal=True)
    for line in LINES:
        assert line in seen
    for part in ("25 %", "1 min 30 s left", "50 %", "student"):
        assert part in seen


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Failed(reason="disk_full", message="no space"), "Failed (disk_full): no space"),
        (Stopped(why="interrupted"), "Stopped (interrupted); run the same command again to go on."),
    ],
)
def test_however_a_run_ends_the_last_line_says_so(event: Event, line: str) -> None:
    for terminal in (False, True):
        assert shown(RUN[0], event, terminal=terminal).splitlines()[-1].endswith(line)
