"""A campaign: start the stack, strike again and again, look all the while, drain, judge, clean up."""

from __future__ import annotations

import math
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.state import JobState
from jobs.store.claim import claimable
from jobs.tables import Job
from tests.chaos.faults import FAULTS, KILLS, Outcome, Plan, schedule
from tests.chaos.field import Field
from tests.chaos.judging.invariants import ProcessWatch, broken_rules, stories
from tests.chaos.judging.judgement import account, judge
from tests.chaos.judging.recovery import Look, Recoveries, Sight
from tests.chaos.load import Load, Watcher, reference, requests
from tests.chaos.service import marked, send
from tests.chaos.stack import CLOCK_SECONDS, Stack

TICK_SECONDS = 0.25
ROUND = 10
"""Kills after which the rules are checked."""
WATCHERS = 2


class Campaign:
    """One run of ``plan``; ``say`` takes lines of progress."""

    def __init__(self, plan: Plan, say: Callable[[str], object]) -> None:
        self._plan = plan
        self._say = say
        self._began = time.monotonic()
        self._draw = random.Random(plan.seed)
        slots = int(str(plan.settings.get("slots", 1))) * len(CLOCK_SECONDS)
        self._outcome = Outcome(plan, Recoveries(slots))
        self._tokens: dict[str, int] = {}
        self._fewest_alive = plan.alive

    def run(self) -> Outcome:
        """Strike, drain, judge. Ends everything that it started, whatever happens."""
        scratch = Path(tempfile.mkdtemp(prefix="cartl-chaos-"))
        kept = False
        try:
            self._run_in(scratch)
            kept = bool(self._outcome.violations)
        except BaseException:
            kept = True
            raise
        finally:
            if kept:
                self._say(f"logs and files are kept in {scratch}")
            else:
                shutil.rmtree(scratch, ignore_errors=True)
        self._outcome.seconds = time.monotonic() - self._began
        return self._outcome

    def _run_in(self, scratch: Path) -> None:
        wanted = requests(self._plan.variants, self._plan.epochs)
        stack = Stack(scratch, self._plan.settings, bucket=self._plan.bucket)
        try:
            with ThreadPoolExecutor(2) as pool:
                root = stack.settings.data_root
                expected = list(pool.map(lambda request: reference(request, scratch, root), wanted))
            self._note(f"{len(expected)} undisturbed reference runs are done")
            stack.start()
            load = Load(stack, wanted, self._plan.alive)
            ground = Field(stack, load, self._outcome.recoveries, self._draw, self._plan.away_seconds)
            self._watch = ProcessWatch(stack.run, allowed_seconds=stack.settings.lease_seconds + 20)
            load.start()
            watchers = [
                Watcher(load, self._plan.seed + n, lambda: self._unfinished(ground)) for n in range(WATCHERS)
            ]
            for watcher in watchers:
                watcher.start()
            self._strike_all(ground)
            self._drain(ground)
            for watcher in watchers:
                watcher.close()
            results = {job_id: expected[variant] for job_id, variant in load.variant_of.items()}
            self._blame("", judge(ground, results, watchers))
            self._outcome.states, facts, self._outcome.effects = account(ground, watchers)
            self._outcome.facts = facts | {
                "fewest unfinished jobs while striking": self._fewest_alive,
                "longest life of a run without a claim, s": round(self._watch.worst, 1),
            }
        finally:
            send_on(stack)
            stubborn = stack.stop()
            self._blame("orphan process: ", stubborn)
            stack.close(keep_files=bool(self._outcome.violations))

    def _strike_all(self, ground: Field) -> None:
        plan = self._plan
        until = self._began + plan.limit_seconds - plan.drain_seconds
        self._wait(ground, 90, lambda: bool(ground.running()) and self._alive(ground) >= plan.alive)
        left, patient_until = schedule(plan.kills, self._draw), math.inf
        while left and time.monotonic() < min(until, patient_until):
            name = left.pop(0)
            if FAULTS[name].strike(ground):
                self._struck(ground, name)
                patient_until = math.inf
            else:
                left.insert(self._draw.randint(0, len(left)), name)
                patient_until = min(patient_until, time.monotonic() + plan.patience_seconds)
                self._wait(ground, TICK_SECONDS)
                continue
            self._fewest_alive = min(self._alive(ground), self._fewest_alive)
            mean = min(plan.pause_seconds, (until - time.monotonic()) / max(len(left), 1))
            gap = self._draw.expovariate(1 / max(mean, TICK_SECONDS))
            self._wait(ground, min(gap, 3 * plan.pause_seconds))
        self._outcome.not_struck = left

    def _struck(self, ground: Field, name: str) -> None:
        strikes = self._outcome.recoveries.strikes
        self._outcome.recoveries.struck(name)
        kills = sum(strikes.get(kill, 0) for kill in KILLS)
        self._note(f"{kills}/{self._plan.kills} {name}; {self._counts(ground)}")
        if name in KILLS and kills % ROUND == 0:
            self._blame("", broken_rules(ground.stack.patiently(stories)))

    def _drain(self, ground: Field) -> None:
        """Nothing strikes any more: whatever is unfinished must finish."""
        self._note("draining")
        ground.load.close()
        left = self._began + self._plan.limit_seconds - time.monotonic()
        self._wait(
            ground,
            left,
            lambda: not ground.due and not self._alive(ground) and not ground.checks.unfinished(),
        )
        ground.act(everything=True)
        self._wait(ground, 1.0)

    def _wait(self, ground: Field, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Look at everything again and again meanwhile."""
        end = time.monotonic() + seconds
        while True:
            ground.act()
            self._look(ground)
            if until() or time.monotonic() >= end:
                return
            time.sleep(TICK_SECONDS)

    def _look(self, ground: Field) -> None:
        ground.look = ground.stack.patiently(_sights)
        for job_id, sight in ground.look.items():
            if sight.token < self._tokens.get(job_id, 0):
                self._blame("", [f"job {job_id}: the token fell to {sight.token}"])
            self._tokens[job_id] = sight.token
        ground.recoveries.observe(ground.look)
        self._blame("", self._watch.look(ground.running()))

    def _blame(self, prefix: str, words: list[str]) -> None:
        for word in words:
            if prefix + word not in self._outcome.violations:
                self._outcome.violations.append(prefix + word)
                self._note(f"VIOLATION: {prefix}{word}")

    def _alive(self, ground: Field) -> int:
        return sum(not sight.is_over for sight in ground.look.values())

    def _unfinished(self, ground: Field) -> str | None:
        alive = [job_id for job_id, sight in list(ground.look.items()) if not sight.state.is_terminal]
        known = [job_id for job_id in alive if job_id in ground.load.key_of]
        return random.choice(known) if known else None

    def _counts(self, ground: Field) -> str:
        states = Counter(str(sight.state) for sight in ground.look.values())
        return ", ".join(f"{count} {state}" for state, count in sorted(states.items()))

    def _note(self, words: str) -> None:
        passed = time.monotonic() - self._began
        left = self._plan.limit_seconds - passed
        self._say(f"[{passed:5.0f} s, {left:4.0f} s left] {words}")


def send_on(stack: Stack) -> None:
    """Nobody stays paused."""
    send(marked(stack.run), signal.SIGCONT)


def _sights(session: Session) -> Look:
    asked = select(Job.id, Job.state, Job.reason, Job.token, Job.heartbeat_at, Job.fraction)
    return {
        row.id: Sight(
            state=JobState(row.state),
            reason=row.reason,
            token=row.token,
            heartbeat=row.heartbeat_at.timestamp() if row.heartbeat_at else 0.0,
            fraction=row.fraction or 0.0,
            is_claimable=row.is_claimable,
        )
        for row in session.execute(asked.add_columns(claimable(Job).label("is_claimable"))).all()
    }
