"""What must hold whatever dies: read from SQL and the process table. Empty lists are good."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.state import JobState
from jobs.store.stages import claim_directory
from jobs.tables import Job, JobEvent
from tests.chaos.service import command_of, marked

ENDS = frozenset({"succeeded", "failed", "cancelled"})
GIVEN_BACK = frozenset({"lost", "interrupted", "waiting"})
ANY_TIME = frozenset({"cancel_requested"})


@dataclass(frozen=True)
class Story:
    """A job's row and its events in order."""

    job: Job
    events: Sequence[JobEvent]

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]


def stories(session: Session) -> list[Story]:
    """All of them, in one snapshot. Call it first in a transaction."""
    session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    told: dict[str, list[JobEvent]] = {}
    for event in session.execute(select(JobEvent).order_by(JobEvent.job_id, JobEvent.number)).scalars():
        told.setdefault(event.job_id, []).append(event)
    found = [Story(job, told.get(job.id, [])) for job in session.execute(select(Job)).scalars()]
    session.expunge_all()
    return found


def no_gaps(story: Story) -> str | None:
    numbers = [event.number for event in story.events]
    if numbers != list(range(1, story.job.event_count + 1)):
        return f"event numbers {numbers[:5]}...{numbers[-5:]}, {story.job.event_count} counted"
    return None


def one_end(story: Story) -> str | None:
    """One terminal event per try, and it is the last one and says what the row says."""
    ends = [kind for kind in story.types if kind in ENDS]
    tries = 1 + story.types.count("retried")
    expected = tries if JobState(story.job.state).is_terminal else tries - 1
    if len(ends) != expected:
        return f"{len(ends)} ends in {tries} tries: {ends}"
    if JobState(story.job.state).is_terminal and story.types[-1] != story.job.state:
        return f"is {story.job.state}, but its last event is {story.types[-1]}"
    return None


def one_claim_at_a_time(story: Story) -> str | None:
    """Whatever a run tells lies between its claim and that claim's end: no two claims overlap."""
    running = False
    for number, kind in enumerate(story.types, 1):
        if kind == "claimed":
            if running:
                return f"claimed again at event {number} while it was running"
            running = True
        elif kind in GIVEN_BACK | ENDS:
            running = False
        elif kind not in ANY_TIME | {"submitted", "retried"} and not running:
            return f"event {number} ({kind}) was told by nobody's claim"
    return None


def one_token_a_claim(story: Story) -> str | None:
    claims = story.types.count("claimed")
    return None if story.job.token == claims else f"token {story.job.token} after {claims} claims"


def one_result_an_attack(story: Story) -> str | None:
    """In a claim's events and in the report: each attack on each network once."""
    report = story.job.report or {}
    networks = [report.get("student"), *report.get("teachers", []), *report.get("baselines", [])]
    for network in networks:
        figures = (network or {}).get("figures") or {}
        counted = Counter((attack["label"], attack["eps"]) for attack in figures.get("attacks", []))
        if any(count > 1 for count in counted.values()):
            return f"attacks counted twice: {counted}"
    told: Counter[tuple[str, ...]] = Counter()
    for event in story.events:
        if event.type == "claimed":
            told.clear()
        elif event.type == "attack_finished":
            key = (event.body["subject"], event.body["result"]["label"], str(event.body["result"]["eps"]))
            told[key] += 1
            if told[key] > 1:
                return f"attack told twice under one claim: {key}"
    return None


def files_of_its_claim(story: Story) -> str | None:
    """A checkpoint or a stage counts only from the directory that carries the token of the live claim."""
    token = 0
    for event in story.events:
        token += event.type == "claimed"
        if event.type in ("checkpoint_written", "stage_stored"):
            directory = claim_directory(story.job.id, token)
            if directory not in Path(event.body["path"]).parts:
                return f"event {event.number} ({event.type}) under token {token}: {event.body['path']}"
    return None


RULES: tuple[Callable[[Story], str | None], ...] = (
    no_gaps,
    one_end,
    one_claim_at_a_time,
    one_token_a_claim,
    one_result_an_attack,
    files_of_its_claim,
)


def broken_rules(told: Iterable[Story]) -> list[str]:
    return [
        f"job {story.job.id}: {rule.__name__}: {words}"
        for story in told
        for rule in RULES
        if (words := rule(story)) is not None
    ]


def wrong_ends(told: Iterable[Story], may_be_cancelled: set[str]) -> list[str]:
    """At the very end: succeeded, or cancelled where somebody asked; what is not over is told apart."""
    wrong = []
    for story in told:
        state = JobState(story.job.state)
        if not state.is_terminal:
            wrong.append(f"time was up: job {story.job.id} is still {state}")
        elif state == JobState.FAILED or (
            state == JobState.CANCELLED and story.job.id not in may_be_cancelled
        ):
            wrong.append(f"job {story.job.id} ended {state} ({story.job.reason}: {story.job.message})")
    return wrong


@dataclass
class ProcessWatch:
    """Runs that outlive their claim by more than they may are orphans.

    Attributes:
        worst: the longest seconds that a run outlived its claim.
    """

    run: str
    allowed_seconds: float
    worst: float = 0.0
    since: dict[int, float] = field(default_factory=dict)
    told: set[int] = field(default_factory=set)

    def look(self, live: dict[str, int]) -> list[str]:
        """``live``: job id -> token of the jobs that are running."""
        now = time.monotonic()
        stale = {
            pid: claim for pid in marked(self.run) if (claim := claim_of(pid)) and not _holds(live, claim)
        }
        self.since = {pid: self.since.get(pid, now) for pid in stale}
        self.worst = max([self.worst, *(now - since for since in self.since.values())])
        late = [pid for pid, since in self.since.items() if now - since > self.allowed_seconds]
        found = [f"process {pid} runs {stale[pid]} without a claim" for pid in late if pid not in self.told]
        self.told.update(late)
        return found


def _holds(live: dict[str, int], claim: tuple[str, int]) -> bool:
    return live.get(claim[0]) == claim[1]


def claim_of(pid: int) -> tuple[str, int] | None:
    """Job and token of a training process, from its command line."""
    command = command_of(pid)
    if "cartl_core" not in command or "run" not in command or "--out" not in command:
        return None
    out = Path(command[command.index("--out") + 1])
    return out.parent.name, int(out.name)
