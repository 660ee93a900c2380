"""A fleet second by second: how busy the database and the file server are, and how far they fall behind.

Every call has a rate and a cost that was measured. A second's calls are drawn at random, those of a start
come at once, and what the database cannot do in a second waits. Locks of rows are not modelled: a job's row
is written by its own worker alone.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

MEGABYTE = 1e6


@dataclass(frozen=True)
class Cluster:
    """What is simulated.

    Attributes:
        workers: with one slot each.
        jobs: queued at the start.
        median_minutes: of a job; the lengths are log-normal, and one in six is twice as long or longer.
        epochs: of a job, over all its trainings.
        state_bytes: of one checkpoint.
        database_cores: that PostgreSQL has.
        file_bytes: a second that the shared files take.
        log_bytes: a second that the database's disk takes.
    """

    workers: int
    jobs: int
    median_minutes: float = 40.0
    epochs: int = 100
    state_bytes: float = 70 * MEGABYTE
    checkpoint_seconds: float = 30.0
    database_cores: int = 8
    file_bytes: float = 1250 * MEGABYTE
    log_bytes: float = 400 * MEGABYTE


@dataclass
class Load:
    """What came of a simulation.

    Attributes:
        database: share of its processor time that was asked for, by call; mean while all slots were busy.
        peak_delay: seconds of work that waited at the worst moment.
        log, files: shares of what their disks take, mean over the same time.
        hours: until the last job had ended.
    """

    database: dict[str, float]
    peak_delay: float
    log: float
    files: float
    hours: float
    busy_seconds: int = field(default=0, repr=False)

    @property
    def saturated(self) -> str:
        """What is asked for most of, relative to what there is."""
        shares = {"database": sum(self.database.values()), "log": self.log, "files": self.files}
        return max(shares, key=lambda name: shares[name])


# Calls a second of a worker that runs a job, and of any worker.
OF_A_RUN = {"progress": 1.0, "renewal": 1 / 10, "look": 1 / 2}
OF_A_WORKER = {"round": 1 / 5, "task look": 1.0}
OF_ALL = {"sweep": 1 / 5}


def simulate(
    cluster: Cluster, server_ms: Mapping[str, float], log_bytes: Mapping[str, float], seed: int = 0
) -> Load:
    """Run all jobs of ``cluster``; costs are by call."""
    draw = random.Random(seed)
    ends: list[float] = []
    waiting, now, backlog, peak = cluster.jobs, 0, 0.0, 0.0
    asked, written, moved, busy = Counter[str](), 0.0, 0.0, 0
    while waiting or ends:
        calls = Counter[str]()
        while ends and ends[0] <= now:
            heapq.heappop(ends)
            calls["completion"] += 1
        free = min(cluster.workers - len(ends), waiting)
        for _ in range(free):
            heapq.heappush(ends, now + 60 * draw.lognormvariate(0, 0.7) * cluster.median_minutes)
        waiting -= free
        calls["claim"] += free
        for rates, count in ((_run_rates(cluster), len(ends)), (OF_A_WORKER, cluster.workers), (OF_ALL, 1)):
            for name, rate in rates.items():
                calls[name] += _drawn(draw, rate * count)
        cost = {name: count * server_ms[name] / 1000 for name, count in calls.items()}
        backlog = max(0.0, backlog + sum(cost.values()) - cluster.database_cores)
        peak = max(peak, backlog / cluster.database_cores)
        if len(ends) == cluster.workers:
            busy += 1
            asked.update(cost)
            written += sum(count * log_bytes[name] for name, count in calls.items())
            moved += calls["checkpoint"] * cluster.state_bytes
        now += 1
    spans = max(1, busy)
    return Load(
        database={name: spent / spans / cluster.database_cores for name, spent in asked.most_common()},
        peak_delay=peak,
        log=written / spans / cluster.log_bytes,
        files=moved / spans / cluster.file_bytes,
        hours=now / 3600,
        busy_seconds=busy,
    )


def _run_rates(cluster: Cluster) -> dict[str, float]:
    seconds = 60 * cluster.median_minutes
    return OF_A_RUN | {"epoch": cluster.epochs / seconds, "checkpoint": 1 / cluster.checkpoint_seconds}


def _drawn(draw: random.Random, mean: float) -> int:
    """A number of calls around ``mean``: as of many clocks that beat without knowing of each other."""
    return max(0, round(draw.gauss(mean, mean**0.5)))
