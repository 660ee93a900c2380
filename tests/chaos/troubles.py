"""Everything that is no kill: pauses, outages, a full disk, people. False: nothing to strike just now."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import suppress

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from cartl_core.storage.bucket import StoreUnavailable
from jobs import store
from jobs.database.engine import transaction
from jobs.files.retention import DAY, prune
from jobs.queue import QUEUE
from tests.chaos.field import Field, claims_of
from tests.chaos.judging.effects import refused_commits
from tests.chaos.kills import take_redis_away
from tests.chaos.service import send

PAUSE_BEYOND_LEASE = 15.0
UNWATCHED_SECONDS = 4.0
"""A fenced run goes on for so long before its worker can tell it to end."""
FULL_SECONDS = (0.5, 3.0)
MOST_SECONDS = 30.0
"""How long a fault waits for something to run into it."""
UNUSED_SECONDS = 120.0
"""`prune` forgets stages that nobody asked for so long, which may be asked for again."""


def pause_worker(ground: Field) -> bool:
    """It stands still for longer than its lease, then goes on; its runs hear nothing meanwhile."""
    return _pause(ground, "worker stopped past its lease", with_runs=False)


def pause_worker_and_runs(ground: Field) -> bool:
    """As a suspended machine does. Its runs wake up first, and train and write as if nothing had been."""
    return _pause(ground, "worker and runs stopped past the lease", with_runs=True)


def _pause(ground: Field, kind: str, *, with_runs: bool) -> bool:
    worker = ground.one_of(ground.stack.steady())
    if worker is None or ground.stack.paused:
        return False
    claims = claims_of(ground.stack.runs(worker))
    if not claims:
        return False
    runs = ground.stack.runs(worker) if with_runs else []
    family = [worker.pid, *ground.stack.pools(worker)]
    send([*family, *runs], signal.SIGSTOP)
    ground.stack.paused.add(worker.name)

    def go_on() -> None:
        send(family, signal.SIGCONT)
        ground.stack.paused.discard(worker.name)

    ground.wound(kind, claims)
    lease = ground.stack.settings.lease_seconds
    pause = lease + min(PAUSE_BEYOND_LEASE, lease)
    ground.later(pause, lambda: send(runs, signal.SIGCONT))
    ground.later(pause + UNWATCHED_SECONDS, go_on)
    return True


def redis_away(ground: Field) -> bool:
    kind = "Redis away for long (from its return)"
    return take_redis_away(ground, kind, ground.away_seconds, from_its_return=True)


def flush_redis(ground: Field) -> bool:
    with suppress(RedisError), Redis(port=ground.stack.redis_port, socket_timeout=2) as client:
        ground.effects["notifications flushed"] += int(client.llen(QUEUE))
        client.flushall()
        ground.recoveries.expect_claims("Redis flushed", ground.look, time.monotonic())
        return True
    return False


def terminate_connections(ground: Field) -> bool:
    ended = ground.stack.patiently(
        lambda session: session.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cartl'")
        ).all()
    )
    ground.effects["connections terminated"] += len(ended)
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

    refused = refused_commits(ground.stack)
    switch(True)
    ground.once(
        lambda: refused_commits(ground.stack) > refused, ground.draw.uniform(0.5, 3.0), MOST_SECONDS, back
    )
    return True


def fill_disk(ground: Field) -> bool:
    """Not a page is left for checkpoints and artifacts, until somebody makes room and retries."""
    disk = ground.stack.disk
    if not disk.mounted or disk.is_full or not ground.running():
        return False
    already = {job_id for job_id, sight in ground.look.items() if sight.is_retried}

    def failed_of_it() -> bool:
        disk.fill()
        return any(sight.is_retried and job_id not in already for job_id, sight in ground.look.items())

    disk.fill()
    ground.once(failed_of_it, ground.draw.uniform(*FULL_SECONDS), MOST_SECONDS, disk.free)
    return True


def two_reapers(ground: Field) -> bool:
    """Beside the workers' own maintenance, without asking for their lock."""

    def reap() -> None:
        for _ in range(5):
            with suppress(DBAPIError), transaction(ground.stack.factory) as session:
                reaped = store.reap_expired(session)
                ground.effects["jobs taken by the extra reapers"] += len(reaped.requeued)

    threads = [threading.Thread(target=reap) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return True


def prune_beside(ground: Field) -> bool:
    """With a policy that forgets almost at once: teachers that are asked for again are trained again.

    Not while another trouble keeps the database or the object store away.
    """
    with suppress(DBAPIError, StoreUnavailable):
        days = UNUSED_SECONDS / DAY
        gone = prune(ground.stack.factory, ground.stack.settings, older_than_days=days)
        ground.effects["stages forgotten by prune"] += gone.stages
        return True
    return False


def cancel_late(ground: Field) -> bool:
    """The job that is nearest to its end: the cancellation races with its success."""
    candidates = [job_id for job_id in ground.running() if job_id in ground.load.key_of]
    if not candidates:
        return False
    chosen = max(candidates, key=lambda job_id: ground.look[job_id].fraction)
    if ground.look[chosen].fraction < 0.8:
        return False
    ground.may_be_cancelled.add(chosen)
    ground.load.post(chosen, "cancel")
    return True


def cancel_any(ground: Field) -> bool:
    candidates = sorted(job_id for job_id in ground.look if job_id in ground.load.key_of)
    unfinished = [job_id for job_id in candidates if not ground.look[job_id].state.is_terminal]
    if not unfinished:
        return False
    chosen = ground.draw.choice(unfinished)
    ground.may_be_cancelled.add(chosen)
    ground.load.post(chosen, "cancel")
    return True
