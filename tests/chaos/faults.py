"""What can happen to the service: a table of faults; a campaign's plan that strikes them; its outcome."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.chaos import damage, kills, troubles
from tests.chaos.field import Field
from tests.chaos.judging.recovery import Recoveries


@dataclass(frozen=True)
class Fault:
    """``strike`` is false when there was nothing to strike; ``share``: strikes for each hundred kills."""

    strike: Callable[[Field], bool]
    share: float


# Kills are what a campaign counts ...
KILLS: dict[str, Fault] = {
    "kill -9 training child": Fault(kills.kill_run, 40),
    "kill -9 pool child": Fault(kills.kill_pool, 18),
    "kill -9 worker's main process": Fault(kills.kill_main, 18),
    "kill -9 API": Fault(kills.kill_api, 9),
    "kill -9 Redis": Fault(kills.kill_redis, 7),
    "kill -9 PostgreSQL": Fault(kills.kill_postgres, 8),
}
# ... the rest comes on top.
TROUBLES: dict[str, Fault] = {
    "SIGSTOP worker past its lease, SIGCONT": Fault(troubles.pause_worker, 2),
    "SIGSTOP worker and runs past the lease, SIGCONT": Fault(troubles.pause_worker_and_runs, 3),
    "Redis away for long": Fault(troubles.redis_away, 2),
    "Redis flushed": Fault(troubles.flush_redis, 5),
    "connections terminated": Fault(troubles.terminate_connections, 6),
    "failing COMMIT": Fault(troubles.fail_commits, 5),
    "disk full": Fault(troubles.fill_disk, 3),
    "two more reapers at once": Fault(troubles.two_reapers, 5),
    "prune": Fault(troubles.prune_beside, 3),
    "bit flipped or file lost in a finished stage": Fault(damage.damage_stage, 5),
    "bit flipped or file lost of a checkpoint": Fault(damage.damage_checkpoint, 4),
    "bit flipped in an artifact": Fault(damage.damage_artifact, 3),
    "kill -9 process of a check": Fault(kills.kill_check, 4),
    "kill -9 worker with a check": Fault(kills.kill_worker_in_check, 3),
    "cancel near the end": Fault(troubles.cancel_late, 6),
    "cancel at random": Fault(troubles.cancel_any, 2),
}
FAULTS = {**KILLS, **TROUBLES}


def counts(wanted: int) -> dict[str, int]:
    """How often each fault strikes in a campaign of ``wanted`` kills: each one at least once."""
    share = wanted / 100
    drawn = {name: max(1, round(fault.share * share)) for name, fault in FAULTS.items()}
    commonest = max(KILLS, key=lambda name: KILLS[name].share)
    drawn[commonest] = max(1, drawn[commonest] + wanted - sum(drawn[name] for name in KILLS))
    return drawn


def schedule(wanted: int, draw: random.Random) -> list[str]:
    """Names of faults in a random order."""
    names = [name for name, count in counts(wanted).items() for _ in range(count)]
    draw.shuffle(names)
    return names


@dataclass(frozen=True)
class Plan:
    """How much, how long, how random."""

    kills: int
    seed: int
    limit_seconds: float
    drain_seconds: float
    pause_seconds: float
    """Mean time between two strikes, at most."""
    alive: int
    variants: int
    epochs: int
    away_seconds: float
    settings: dict[str, object] = field(default_factory=dict)
    patience_seconds: float = 120.0
    """How long a fault that finds nothing to strike is kept at the end."""
    bucket: bool = False
    """Files lie in an object store, and the workers share no directory."""


@dataclass
class Outcome:
    """What came of a campaign."""

    plan: Plan
    recoveries: Recoveries
    violations: list[str] = field(default_factory=list)
    states: dict[str, int] = field(default_factory=dict)
    facts: dict[str, object] = field(default_factory=dict)
    effects: dict[str, object] = field(default_factory=dict)
    not_struck: list[str] = field(default_factory=list)
    """For lack of time, or of anything to strike."""
    seconds: float = 0.0
