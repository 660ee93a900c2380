"""kill -9, one process or server at a time. False: there is nothing to strike just now."""

from __future__ import annotations

import signal
import time

import httpx

from tests.chaos.field import Field, claims_of
from tests.chaos.judging.checks import strike_check
from tests.chaos.judging.invariants import claim_of
from tests.chaos.service import children, send

RESTART_SECONDS = 1.0
"""As a container's restart policy would."""


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
    worker = ground.one_of(ground.stack.steady())
    if worker is None:
        return False
    claims = claims_of(ground.stack.runs(worker))
    if not claims:
        return False
    worker.kill()
    ground.wound("worker's main process", claims)
    ground.later(RESTART_SECONDS, worker.start)
    return True


def kill_check(ground: Field) -> bool:
    struck = strike_check(ground.checks, ground.stack.steady(), with_worker=False)
    if struck is None:
        return False
    ground.recoveries.expect("process of a check", lambda look: ground.checks.is_over(struck[0]))
    return True


def kill_worker_in_check(ground: Field) -> bool:
    """Its runs die with it, too."""
    running = {worker.name: claims_of(ground.stack.runs(worker)) for worker in ground.stack.steady()}
    struck = strike_check(ground.checks, ground.stack.steady(), with_worker=True)
    if struck is None:
        return False
    dataset, worker = struck
    ground.wound("worker's main process", running[worker.name])
    ground.recoveries.expect("worker with a check", lambda look: ground.checks.is_over(dataset))
    ground.later(RESTART_SECONDS, worker.start)
    return True


def kill_api(ground: Field) -> bool:
    if not ground.stack.api.is_up or not _answers(ground.stack.url):
        return False
    ground.stack.api.kill()
    ground.recoveries.expect("API", lambda look: _answers(ground.stack.url))
    ground.later(RESTART_SECONDS, ground.stack.api.start)
    return True


def kill_redis(ground: Field) -> bool:
    return take_redis_away(ground, "Redis", ground.draw.uniform(0.5, 4.0))


def take_redis_away(ground: Field, kind: str, seconds: float, *, from_its_return: bool = False) -> bool:
    """It forgets all its messages, and the object store goes with it. Jobs must be claimed again then."""
    if not ground.stack.redis.is_up or not ground.running():
        return False
    struck = time.monotonic()
    ground.stack.redis.kill()
    objects = ground.stack.objects
    if objects is not None:
        objects.service.kill()
        ground.effects["object store killed with it"] += 1

    def back() -> None:
        ground.stack.redis.start()
        if objects is not None:
            objects.start()
        at = time.monotonic() if from_its_return else struck
        ground.recoveries.expect_claims(kind, ground.look, at)

    ground.later(seconds, back)
    return True


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


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=1).is_success
    except httpx.TransportError:
        return False
