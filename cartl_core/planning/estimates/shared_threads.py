"""Stages side by side: how a run shares its threads among them, and how long it takes until all are done.

Small networks use several threads badly: an operation takes a millisecond or less, and its threads wait for
each other after every one. Two stages that need nothing of each other waste none of that.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cartl_core.planning.estimates.costs import macs_of_a_pass
from cartl_core.spec import ModelSpec

SMALL_MACS = 10_000_000
"""Multiply-adds of a pass of one image, below which a network is small (docs/explanation/benchmarks.md)."""
AT_ONCE = 2
"""Stages at a time. More would seldom find work: a job trains one or two teachers, then a few students."""


class Sharing(NamedTuple):
    """How many CPU threads each stage has, and how many stages are computed at a time."""

    threads: int
    at_once: int


def share_threads(device: str, model: ModelSpec, threads: int) -> Sharing:
    """How a run shares its ``threads`` (1 or more) among its stages.

    It hangs on the network, not on what a job compares: so jobs on one network share teachers, whose numbers
    hang on the threads of a stage.
    """
    if device != "cpu" or threads < AT_ONCE or macs_of_a_pass(model) >= SMALL_MACS:
        return Sharing(threads, 1)
    return Sharing(threads // AT_ONCE, AT_ONCE)


def seconds_until_done(
    seconds: Mapping[str, float], needs: Mapping[str, Sequence[str]], at_once: int
) -> float:
    """When the last of some stages is done, each begun as soon as it can be, in their order.

    Args:
        seconds: that each stage takes, by digest; a stage that is done takes 0.
        needs: digests of the stages that one waits for. Those that are not in ``seconds`` are there.
        at_once: stages at a time.
    """
    done: dict[str, float] = {}
    free = [0.0] * at_once
    waiting = list(seconds)
    while waiting:
        now = free[0]
        ready = [
            digest
            for digest in waiting
            if all(other not in seconds or done.get(other, now + 1) <= now for other in needs.get(digest, ()))
        ]
        if ready:
            heapq.heapreplace(free, now + seconds[ready[0]])
            done[ready[0]] = now + seconds[ready[0]]
            waiting.remove(ready[0])
            continue
        later = [end for end in done.values() if end > now]
        if not later:  # they wait for each other: no plan is like that
            break
        heapq.heapreplace(free, min(later))
    return max(done.values(), default=0.0)
