"""What the faults brought about: a strike without an effect proves nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from tests.chaos.judging.invariants import Story
from tests.chaos.stack import Stack

WORDS = {
    "notifications received": r"Task cartl\.doorbell\[.*received",
    "writes refused to a fenced claim": r"the claim \(token \d+\) is lost|could not \w+: the claim is lost"
    r"|lost to another worker",
    "a worker met a database that was away": r"the database is away|was not renewed",
}
STAMP = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d{3} ")


def of_the_record(told: Iterable[Story]) -> Counter[str]:
    """Why claims ended before their time."""
    events = [event for story in told for event in story.events]
    lost = Counter(f"claims lost: {event.body['why']}" for event in events if event.type == "lost")
    back = Counter(f"claims {event.type}" for event in events if event.type in ("interrupted", "waiting"))
    return lost + back


def of_cancelling(told: Iterable[Story], asked: set[str]) -> dict[str, int]:
    """Final states of the jobs that somebody asked to cancel."""
    return dict(Counter(story.job.state for story in told if story.job.id in asked))


def of_the_logs(stack: Stack) -> dict[str, object]:
    """What workers and PostgreSQL wrote down."""
    logs = "\n".join(worker.log.read_text(errors="replace") for worker in stack.workers)
    found: dict[str, object] = {name: len(re.findall(words, logs)) for name, words in WORDS.items()}
    return found | {
        "commits refused": refused_commits(stack),
        "clocks of the workers off by, s": [clock_error(worker.log) for worker in stack.workers],
    }


def refused_commits(stack: Stack) -> int:
    """How many COMMITs have failed so far."""
    return stack.postgres.log.read_text(errors="replace").count("ERROR:  chaos: this commit fails")


def clock_error(log: Path) -> int | None:
    """Seconds between the last time that a log tells and the time at which it was written."""
    stamps = [match for line in log.read_text(errors="replace").splitlines() if (match := STAMP.match(line))]
    if not stamps:
        return None
    told = datetime.strptime(stamps[-1][1], "%Y-%m-%d %H:%M:%S").astimezone()  # it tells the local time
    return round(told.timestamp() - log.stat().st_mtime)
