"""Generate requests over the whole OpenAPI document against a real server on loopback, and judge each answer.

    .venv/bin/python -m benchmarks.fuzz --requests 20000

The rule for all: no 5xx, no status that the document does not name, every answer as the document says,
every error `application/problem+json`, no trace in the server's log. Rounds follow each other, each with a
server and a seed of its own, until so many requests were made. Exit code 0 when all answers were right.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import count, islice

from benchmarks.fuzz.rounds import (
    FIRST,
    FIRST_WITH_KEY,
    MORE,
    MORE_WITH_KEY,
    Kind,
    Outcome,
    play,
)

KEYS_SHARE = 0.15
KEYS_EVERY = 8


def main() -> int:
    """Rounds until there are enough requests, or a fault; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    goal = parser.add_mutually_exclusive_group()
    goal.add_argument("--requests", type=int, default=20_000, help="go on until so many were made")
    goal.add_argument("--seconds", type=int, help="instead: one round of each kind, so long together")
    parser.add_argument("--seed", type=int, default=0, help="of the first round; each next one adds 1")
    parser.add_argument("--lanes", type=int, default=os.cpu_count() or 1, help="rounds at a time")
    options = parser.parse_args()
    began = time.monotonic()
    if options.seconds is not None:
        played = _two_rounds(options.seconds, options.seed)
    else:
        played = _until(options.requests, options.seed, options.lanes)
    total = rounds = 0
    for kind, seed, outcome in played:
        total, rounds = total + outcome.requests, rounds + 1
        if not outcome.clean:
            sys.stdout.write(outcome.said)
        _say(
            f"seed {seed}, {kind.words}: {outcome.requests} requests, clean: {outcome.clean}; {total} so far"
        )
        if not outcome.clean:
            return 1
    seconds = round(time.monotonic() - began)
    _say(f"{total} generated requests, all clean ({rounds} rounds from seed {options.seed}, {seconds} s)")
    return 0


def _two_rounds(seconds: int, seed: int) -> Iterator[tuple[Kind, int, Outcome]]:
    """Both kinds of round, cut to a time."""
    for kind, share in ((FIRST, 1 - KEYS_SHARE), (FIRST_WITH_KEY, KEYS_SHARE)):
        yield kind, seed, play(kind, seed, seconds=max(1, round(seconds * share)))


def _kinds() -> Iterator[Kind]:
    """The kinds of rounds in their order, without end."""
    yield from (FIRST, FIRST_WITH_KEY)
    for number in count(1):
        yield MORE if number % KEYS_EVERY else MORE_WITH_KEY


def _until(requests: int, seed: int, lanes: int) -> Iterator[tuple[Kind, int, Outcome]]:
    """Rounds, ``lanes`` at a time, until ``requests`` were made; those under way then count too."""
    planned = zip(_kinds(), count(seed), strict=False)
    made = 0
    with ThreadPoolExecutor(lanes) as pool:
        running: dict[Future[Outcome], tuple[Kind, int]] = {}
        while True:
            free = lanes - len(running) if made < requests else 0
            for kind, its_seed in islice(planned, free):
                running[pool.submit(play, kind, its_seed)] = (kind, its_seed)
            if not running:
                return
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                outcome = future.result()
                made += outcome.requests if outcome.clean else requests
                yield *running.pop(future), outcome


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
