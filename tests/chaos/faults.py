"""What can happen to the service: a table of faults, drawn at random and struck at random moments.

A fault returns False when there is nothing to strike just now; another is drawn then. What must be
undone later (a server started again, a worker continued) is left with the field's clock.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from jobs import store
from jobs.database import transaction
from jobs.state import JobState
from tests.chaos.invariants import claim_of
from tests.chaos.load import Load
from tests.chaos.recovery import Look, Recoveries, Wound, heard_of, set_free, taken_up
from tests.chaos.service import Service, children, send
from tests.chaos.stack import Stack

RESTART_SECONDS = 1.0
"""As a container's restart policy would."""
PAUSE_BEYOND_LEASE = 15.0
FREED = " (freed)"


@dataclass
class Field:
    """Where faults strike."""

    stack: Stack
    load: Load
    recoveries: Recoveries
    draw: random.Random
    away_seconds: float
    look: Look = field(default_factory=dict)
    fractions: dict[str, float] = field(default_factory=dict)
    may_be_cancelled: set[str] = field(default_factory=set)
    due: list[tuple[float, Callable[[], object]]] = field(default_factory=list)

    def later(self, seconds: float, action: Callable[[], object]) -> None:
        self.due.append((time.monotonic() + seconds, action))

    def act(self, *, everything: bool = False) -> None:
        """Do what is due."""
        now = time.monotonic()
        ready = [entry for entry in self.due if everything or entry[0] <= now]
        self.due = [entry for entry in self.due if entry not in ready]
        for _, action in sorted(ready, key=lambda entry: entry[0]):
            action()

    def running(self) -> dict[str, int]:
        return {job_id: sight.token for job_id, sight in self.look.items() if sight.state == JobState.RUNNING}

    def wound(self, kind: str, claims: list[tuple[str, int]]) -> None:
        """The jobs of these claims must be taken up again."""
        for job_id, token in claims:
            self.recoveries.expect(kind, taken_up(job_id, token))
            self.recoveries.expect(kind + FREED, set_free(job_id, token))

    def wound_all(self, kind: str, at: float) -> None:
        """Every running job must be heard of from now on; ``at``: when the fault struck."""
        now = time.time()
        for job_id, token in self.running().items():
            self.recoveries.wounds.append(Wound(kind, heard_of(job_id, token, now), at))


def claims_of(runs: list[int]) -> list[tuple[str, int]]:
    return [claim for pid in runs if (claim := claim_of(pid)) is not None]


def kill_run(ground: Field) -> bool:
    runs = [run for worker in ground.stack.steady() for run in ground.stack.runs(worker)]
    runs = [run for run in runs if claim_of(run) is not None]
    if not runs:
        return False
    run = ground.draw.choice(runs)
    claims = claims_of([run])
    send([run], signal.SIGKILL)
    ground.wound("training child", claims)
    return True


def kill_pool(ground: Field) -> bool:
    pools = [pool for worker in ground.stack.steady() for pool in ground.stack.pools(worker)]
    busy = [pool for pool in pools if claims_of(children(pool))]
    if not busy:
        return False
    pool = ground.draw.choice(busy)
    claims = claims_of(children(pool))
    send([pool], signal.SIGKILL)
    ground.wound("pool child", claims)
    return True


def kill_main(ground: Field) -> bool:
    worker = _one_of(ground, ground.stack.steady())
    if worker is None:
        return False
    claims = claims_of(ground.stack.runs(worker))
    if not claims:
        return False
    worker.kill()
    ground.wound("worker's main process", claims)
    ground.later(RESTART_SECONDS, worker.start)
    return True


def kill_api(ground: Field) -> bool:
    if not ground.stack.api.is_up or not _answers(ground.stack.url):
        return False
    ground.stack.api.kill()
    ground.recoveries.expect("API", lambda look: _answers(ground.stack.url))
    ground.later(RESTART_SECONDS, ground.stack.api.start)
    return True


def pause(ground: Field) -> bool:
    """A worker that stands still for longer than its lease, and then goes on as if nothing had been."""
    worker = _one_of(ground, ground.stack.steady())
    if worker is None or ground.stack.paused:
        return False
    claims = claims_of(ground.stack.runs(worker))
    if not claims:
        return False
    family = [worker.pid, *ground.stack.pools(worker)]
    send(family, signal.SIGSTOP)
    ground.stack.paused.add(worker.name)

    def go_on() -> None:
        send(family, signal.SIGCONT)
        ground.stack.paused.discard(worker.name)

    ground.wound("worker stopped past its lease", claims)
    lease = ground.stack.settings.lease_seconds
    ground.later(lease + min(PAUSE_BEYOND_LEASE, lease), go_on)
    return True


def kill_redis(ground: Field, kind: str = "Redis", seconds: float | None = None) -> bool:
    if not ground.stack.redis.is_up or not ground.running():
        return False
    struck = time.monotonic()
    ground.stack.redis.kill()

    def back() -> None:
        ground.stack.redis.start()
        ground.wound_all(kind, struck)

    ground.later(ground.draw.uniform(0.5, 4.0) if seconds is None else seconds, back)
    return True


def redis_away(ground: Field) -> bool:
    return kill_redis(ground, "Redis, long away", ground.away_seconds)


def kill_postgres(ground: Field) -> bool:
    """Nothing else happens before it is back: the campaign itself reads from it."""
    if not ground.running():
        return False
    struck = time.monotonic()
    ground.stack.postgres.kill_with_children()
    time.sleep(ground.draw.uniform(0.5, 4.0))
    ground.stack.wait_for_postgres()
    ground.wound_all("PostgreSQL", struck)
    return True


def terminate_connections(ground: Field) -> bool:
    ground.stack.patiently(
        lambda session: session.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cartl'")
        )
    )
    ground.wound_all("connections terminated", time.monotonic())
    return True


def fail_commits(ground: Field) -> bool:
    """Every COMMIT of an event fails for a while."""

    def switch(failing: bool) -> None:
        ground.stack.patiently(
            lambda session: session.execute(text("UPDATE chaos_switch SET failing = :on"), {"on": failing})
        )

    struck = time.monotonic()

    def back() -> None:
        switch(False)
        ground.wound_all("failing COMMIT", struck)

    switch(True)
    ground.later(ground.draw.uniform(0.5, 3.0), back)
    return True


def flush_redis(ground: Field) -> bool:
    with suppress(RedisError), Redis(port=ground.stack.redis_port, socket_timeout=2) as client:
        client.flushall()
        ground.wound_all("Redis flushed", time.monotonic())
        return True
    return False


def two_sweepers(ground: Field) -> bool:
    """Beside the workers' own caretakers, without asking for their lock."""

    def sweep() -> None:
        for _ in range(5):
            with suppress(DBAPIError), transaction(ground.stack.factory) as session:
                store.sweep(session)

    threads = [threading.Thread(target=sweep) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return True


def cancel_late(ground: Field) -> bool:
    """The job that is nearest to its end: the cancellation races with its success."""
    candidates = [job_id for job_id in ground.running() if job_id in ground.load.key_of]
    if not candidates:
        return False
    chosen = max(candidates, key=lambda job_id: ground.fractions.get(job_id, 0.0))
    if ground.fractions.get(chosen, 0.0) < 0.8:
        return False
    ground.may_be_cancelled.add(chosen)
    ground.load.cancel(chosen)
    return True


def cancel_any(ground: Field) -> bool:
    candidates = sorted(job_id for job_id in ground.look if job_id in ground.load.key_of)
    unfinished = [job_id for job_id in candidates if not ground.look[job_id].state.is_terminal]
    if not unfinished:
        return False
    chosen = ground.draw.choice(unfinished)
    ground.may_be_cancelled.add(chosen)
    ground.load.cancel(chosen)
    return True


def _one_of(ground: Field, workers: list[Service]) -> Service | None:
    return ground.draw.choice(workers) if workers else None


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=1).is_success
    except httpx.TransportError:
        return False


Fault = Callable[[Field], bool]

# Name -> (what it does, how often it is drawn). Kills are counted against KILLS ...
KILLS: dict[str, tuple[Fault, int]] = {
    "kill -9 training child": (kill_run, 40),
    "kill -9 pool child": (kill_pool, 20),
    "kill -9 worker's main process": (kill_main, 18),
    "kill -9 API": (kill_api, 9),
    "SIGSTOP worker past its lease, SIGCONT": (pause, 4),
    "kill -9 Redis": (kill_redis, 5),
    "Redis long away": (redis_away, 1),
    "kill -9 PostgreSQL": (kill_postgres, 4),
}
# ... the rest comes on top.
OTHERS: dict[str, tuple[Fault, int]] = {
    "Redis flushed": (flush_redis, 3),
    "connections terminated": (terminate_connections, 4),
    "failing COMMIT": (fail_commits, 3),
    "two more sweepers at once": (two_sweepers, 3),
    "cancel near the end": (cancel_late, 3),
    "cancel at random": (cancel_any, 1),
}


def strike(ground: Field, faults: dict[str, tuple[Fault, int]], only: str | None = None) -> str | None:
    """Draw a fault and let it strike; None when none of some tries found anything to strike."""
    names, weights = list(faults), [weight for _, weight in faults.values()]
    for _ in range(10):
        name = only or ground.draw.choices(names, weights)[0]
        if faults[name][0](ground):
            ground.recoveries.struck(name)
            return name
    return None
