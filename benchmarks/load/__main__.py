"""The load that the service bears, beside a bare baseline in the same run.

    .venv/bin/python -m benchmarks.load

`POST /jobs`, `GET /jobs/{id}` and `GET /jobs/{id}/robustness` of cartl (one process, API keys, PostgreSQL, a
Redis-compatible broker) and of a bare FastAPI service (see ``bare``) on the same PostgreSQL, one after the
other in turn; the medians of several rounds. Exit code 0 when every answer was right and everything stored.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

from benchmarks.load.client import Tally, drive
from benchmarks.load.record import REQUEST
from benchmarks.load.services import Service, both

BODY = REQUEST.model_dump(mode="json", exclude_unset=True) | {"dataset": "cifar10"}
WARM_UP_SECONDS = 0.5


@dataclass(frozen=True)
class Route:
    """What is asked: its name, the right status, and requests without end."""

    name: str
    status: int
    requests: Callable[[Service], Iterator[bytes]]
    stores: bool = False


def _posts(service: Service) -> Iterator[bytes]:
    for number in itertools.count():
        yield _request(service, "POST", "/jobs", json.dumps({**BODY, "seed": number}).encode())


def _gets(path: str) -> Callable[[Service], Iterator[bytes]]:
    def requests(service: Service) -> Iterator[bytes]:
        return itertools.cycle([_request(service, "GET", path.format(id=job)) for job in service.jobs])

    return requests


def _request(service: Service, method: str, path: str, body: bytes = b"") -> bytes:
    headers = {"Host": f"127.0.0.1:{service.settings.port}", "Accept": "application/json"} | service.headers
    if body:
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


ROUTES = (
    Route("GET /jobs/{id}", 200, _gets("/jobs/{id}")),
    Route("GET /jobs/{id}/robustness", 200, _gets("/jobs/{id}/robustness")),
    Route("POST /jobs", 201, _posts, stores=True),
)
Rounds = dict[str, list[Tally]]


def main() -> int:
    """Measure, check what was stored, print the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="of each route and service")
    parser.add_argument("--seconds", type=float, default=4.0, help="of a round")
    parser.add_argument("--connections", type=int, default=16, help="requests at a time")
    parser.add_argument("--jobs", type=int, default=200, help="in the database before")
    options = parser.parse_args()
    wrong: list[str] = []
    _say(f"| {options.connections} connections, {os.cpu_count()} cores | cartl | bare | ratio |")
    _say("|---|---|---|---|")
    with both(options.jobs) as services:
        for route in ROUTES:
            rounds = measure(route, services, options.rounds, options.seconds, options.connections)
            wrong += [words for tallies in rounds.values() for tally in tallies for words in tally.wrong]
            wrong += _not_stored(route, services, rounds, options.jobs)
            wrong += _unlike(route, services, rounds)
            _say(row(route, rounds))
    for words in wrong[:10]:
        _say(words)
    _say(f"{len(wrong)} wrong answers" if wrong else "every answer was right, and every job stored once")
    return 1 if wrong else 0


def measure(
    route: Route, services: dict[str, Service], rounds: int, seconds: float, connections: int
) -> Rounds:
    """Rounds of both services in turn, the first of them (to warm up) not shown but counted."""
    asked = {name: route.requests(service) for name, service in services.items()}
    tallies: Rounds = {name: [] for name in services}
    for number in range(rounds + 1):
        order = list(services) if number % 2 else list(reversed(services))
        for name in order:
            lasting = seconds if number else min(seconds, WARM_UP_SECONDS)
            port = services[name].settings.port
            tallies[name].append(drive(port, asked[name], route.status, connections, lasting))
    return tallies


def row(route: Route, rounds: Rounds) -> str:
    """One line of the table: medians of the rounds, and the median of the ratios of neighbours."""
    shown = {name: tallies[1:] for name, tallies in rounds.items()}
    rates = {name: median(tally.rate for tally in tallies) for name, tallies in shown.items()}
    late = {
        name: 1000 * median(tally.percentile(0.99) for tally in tallies) for name, tallies in shown.items()
    }
    pairs = zip(shown["cartl"], shown["bare"], strict=True)
    ratio = median(ours.rate / theirs.rate for ours, theirs in pairs)
    cells = [f"{rates[name]:.0f}/s, p99 {late[name]:.0f} ms" for name in ("cartl", "bare")]
    return f"| `{route.name}` | {cells[0]} | {cells[1]} | {ratio:.2f} |"


def _not_stored(route: Route, services: dict[str, Service], rounds: Rounds, before: int) -> list[str]:
    """Jobs and events must be as many as were answered for."""
    if not route.stores:
        return []
    faults = []
    for name, service in services.items():
        expected = before + sum(len(tally.latencies) for tally in rounds[name])
        if service.stored() != (expected, expected):
            faults.append(f"{name}: {service.stored()} jobs and events, but {expected} expected")
    return faults


def _unlike(route: Route, services: dict[str, Service], rounds: Rounds) -> list[str]:
    """Both services must tell the same: of a job the same specification, of a report the same figures."""
    first = {name: json.loads(rounds[name][0].body) for name in services}
    specs = {name: body.get("spec", body) | {"seed": 0} for name, body in first.items()}
    return [] if specs["cartl"] == specs["bare"] else [f"{route.name}: the answers differ"]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
