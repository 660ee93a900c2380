"""The stack on a PostgreSQL and a Redis that belong to somebody else, with three workers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from commands import say
from stack import Stack
from story import expect, first_key

from cartl.client import Client
from cartl.http.catalog_answers import Worker

WORKERS = 3
JOB_SECONDS = 600.0
PASSWORD = "letters"  # of a database that lives for minutes, on a network of its own
JOB = {
    "dataset": {"name": "digits", "classes": [5, 6, 7, 8, 9]},
    "freeze_depth": 2,
    "preset": "smoke",
    "exports": [],
    "baselines": [],
}


def play(stack: Stack) -> None:
    """The whole story; the stack that was up before has to make room. Raises ``Failed``."""
    say("docker compose down; now with services of somebody else's, and three workers")
    services = stack.services()
    stack.down()
    with _services(stack, services) as network, _stack_on(stack, network) as own:
        own.up("--no-build", "--scale", f"worker={WORKERS}")
        there = own.compose("ps", "--all", "--format", "{{.Service}}").split()
        expect("containers", sorted(there), ["api", "migrate", *["worker"] * WORKERS])
        with Client(f"http://127.0.0.1:{own.port}", first_key(own)) as client:
            _three_work(client)


@contextmanager
def _services(stack: Stack, services: dict[str, dict[str, Any]]) -> Iterator[str]:
    """PostgreSQL and Redis in a project of their own; yields the network on which they are reached."""
    network = f"{stack.project}-outside"
    chosen = {name: {**services[name], "networks": ["outside"]} for name in ("postgres", "redis")}
    chosen["postgres"]["environment"] |= {"POSTGRES_PASSWORD": PASSWORD}
    written = stack.clone.parent / "services.json"
    written.write_text(
        json.dumps(
            {"services": chosen, "networks": {"outside": {"name": network}}, "volumes": {"postgres": {}}}
        )
    )
    made = replace(stack, project=f"{stack.project}-services", shipped=(), override=written)
    try:
        made.up()
        yield network
    finally:
        made.down()


@contextmanager
def _stack_on(stack: Stack, network: str) -> Iterator[Stack]:
    """The shipped files, the second one too, on that network."""
    override = json.loads(stack.override.read_text())
    for service in override["services"].values():
        service["networks"] = {"outside": {}}
    override["networks"] = {"outside": {"external": True, "name": network}}
    written = stack.clone.parent / "outside.json"
    written.write_text(json.dumps(override))
    addresses = {
        "CARTL_DATABASE_URL": f"postgresql+psycopg://cartl:{PASSWORD}@postgres:5432/cartl",
        "CARTL_BROKER_URL": "redis://redis:6379/0",
    }
    made = replace(
        stack,
        project=f"{stack.project}-own",
        shipped=("docker-compose.yml", "docker-compose.external.yml"),
        override=written,
        variables={**stack.variables, **addresses},
    )
    try:
        yield made
    except BaseException:
        say(made.compose("logs", "--no-color", "--tail", "25"))
        raise
    finally:
        made.down()


def _three_work(client: Client) -> None:
    """Each worker is there under a host name of its own, and jobs end wherever they are."""
    hosts = {worker["host"] for worker in client.pages("/workers", Worker)}
    expect("hosts with a worker", len(hosts - {None}), WORKERS)
    jobs = [str(client.submit({**JOB, "seed": seed})["id"]) for seed in range(WORKERS)]
    for job in jobs:
        expect(f"state of {job}", client.wait(job, timeout=JOB_SECONDS)["state"], "succeeded")
        expect("its report is complete", client.robustness(job)["complete"], True)
    claims = [event for job in jobs for event in client.past_events(job) if event["type"] == "claimed"]
    at_work = {str(event["body"]["worker"]) for event in claims}
    say(f"{len(jobs)} jobs have succeeded, on {len(at_work)} of {WORKERS} workers.")
