"""What happens to the stack: a job, a crash, a broker that goes away, a kill, and the right end."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from commands import Failed, say, wait_for
from images import base_image
from stack import Stack

from cartl.client import Client
from cartl.http.problems import JobUnfinished, ServiceError

JOB_SECONDS = 900.0
RECOVERY_SECONDS = 240.0
UNAUTHORISED = 401
ADDED_BYTES = 150 * 1000**2
"""That we may add to the base of the API's image."""
JOB = {
    "name": "compose test: digits 0-4 to 5-9",
    "dataset": {"name": "digits", "classes": [5, 6, 7, 8, 9]},
    "source": {"name": "digits", "classes": [0, 1, 2, 3, 4]},
    "freeze_depth": 2,
    "preset": "smoke",
    # Long enough to be killed midway, more than once.
    "pretrain": {"epochs": 60},
    "transfer": {"epochs": 20},
}


def play(stack: Stack) -> None:
    """The whole story; raises ``Failed`` at the first thing that is not as it should be."""
    say("docker compose build")
    stack.compose("build", seconds=1800)
    say("docker compose up --detach --wait")
    stack.up()
    for line in stack.compose("ps", "--all", "--format", "{{.Service}}: {{.Status}}").splitlines():
        say(f"  {line}")
    _check_confinement(stack)
    check_image(stack)
    url = f"http://127.0.0.1:{stack.port}"
    _nobody_without_a_key(url)
    with Client(url, first_key(stack)) as client:
        _job_survives(stack, client)


def first_key(stack: Stack) -> str:
    """As docs/how-to/run-with-compose.md says: it is in the log of `migrate`."""
    key = stack.compose("logs", "--no-log-prefix", "--no-color", "migrate").split()[-1]
    say("The first key is in the log of migrate.")
    return key


def _nobody_without_a_key(url: str) -> None:
    with Client(url) as stranger:
        try:
            stranger.submit(JOB)
        except ServiceError as error:
            expect("POST /jobs without a key", error.status, UNAUTHORISED)
        else:
            raise Failed("a job was taken from somebody without a key")


def _check_confinement(stack: Stack) -> None:
    """What runs, as the engine sees it, not only what the file asks for."""
    for service in stack.services():
        seen = stack.state(service)
        expect(f"{service}: root is read-only", seen["HostConfig"]["ReadonlyRootfs"], True)
        expect(f"{service}: user is root", seen["Config"]["User"].startswith("0"), False)
    wrote = stack.compose("exec", "worker", "sh", "-c", "touch /usr/x 2>&1 || id -u").split()
    expect("worker: user id", wrote[-1], "10001")


def check_image(stack: Stack) -> None:
    """What the API's image holds, by its own list, and what it adds to its base."""
    held = json.loads(stack.compose("exec", "--no-TTY", "api", "cat", "/opt/cartl/sbom.cdx.json"))
    expect("format of the bill of materials", held["bomFormat"], "CycloneDX")
    names = {component["name"] for component in held["components"]}
    expect(
        "the API and torch in it",
        [name in names for name in ("cartl", "fastapi", "torch")],
        [True, True, False],
    )
    base = base_image(stack.clone / "docker/Dockerfile")
    built, below = (
        int(stack.engine.docker("image", "inspect", "--format", "{{.Size}}", name))
        for name in (stack.services()["api"]["image"], base)
    )
    say(f"The API's image adds {(built - below) / 1e6:.0f} MB; its list has {len(names)} packages.")
    expect("at most 150 MB are added", built - below <= ADDED_BYTES, True)


def _job_survives(stack: Stack, client: Client) -> None:
    job_id = str(client.submit(JOB)["id"])
    say(f"POST /jobs: {job_id}; its robustness is asked for at once.")
    expect("complete, of a job that has just begun", client.robustness(job_id)["complete"], False)
    _wait_for_checkpoint(client, job_id, attempt=1)

    _crash(stack, "worker")
    _wait_for_attempt(client, job_id, 2)

    say("docker compose restart redis")
    stack.compose("restart", "redis")
    wait_for("redis is healthy", lambda: stack.is_healthy("redis"), seconds=60)
    expect("state of the job", client.job(job_id)["state"], "running")

    say("docker kill the worker's container; docker compose up")
    stack.engine.docker("kill", stack.container("worker"))
    stack.up()
    _wait_for_attempt(client, job_id, 3)

    job = _wait_for_end(client, job_id)
    expect("state of the job", job["state"], "succeeded")
    expect("attempts lost", job["attempts_used"], 2)
    _tell_history(client, job_id)
    report = client.robustness(job_id)
    expect("complete", report["complete"], True)
    say(f"GET robustness: {report['text']['headline']}")


def _crash(stack: Stack, service: str) -> None:
    """Kill the container's first process from outside, as the kernel does when memory runs out.

    ``docker kill`` counts as a person's wish: the engine does not start the container again.
    """
    seen = stack.state(service)
    pid = int(seen["State"]["Pid"])
    # The engine may be on another machine, where the number is another process's than here.
    groups = Path(f"/proc/{pid}/cgroup")
    if not groups.exists() or seen["Id"] not in groups.read_text():
        raise Failed(f"process {pid} of the container {seen['Id'][:12]} is not on this machine")
    say(f"kill -9 of the first process of {service}'s container")
    os.kill(pid, signal.SIGKILL)
    wait_for("the engine restarts it", lambda: stack.state(service)["RestartCount"] >= 1, seconds=60)


def _wait_for_checkpoint(client: Client, job_id: str, attempt: int) -> None:
    took = wait_for("a checkpoint", _seen(client, job_id, "checkpoint_written", attempt), seconds=JOB_SECONDS)
    job = client.job(job_id)
    say(f"A checkpoint after {took:.0f} s, in {job['stage_label']}, {job['fraction']:.0%} done.")
    expect("state of the job", job["state"], "running")


def _wait_for_attempt(client: Client, job_id: str, number: int) -> None:
    took = wait_for(f"try {number}", _seen(client, job_id, "claimed", number), seconds=RECOVERY_SECONDS)
    say(f"Try {number} of the job began {took:.0f} s later.")


def _wait_for_end(client: Client, job_id: str) -> dict[str, Any]:
    try:
        return client.wait(job_id, timeout=JOB_SECONDS)
    except JobUnfinished as error:
        job = client.job(job_id)
        where = f"{job['state']}, {job['stage_label']}, {job['fraction']:.0%}"
        raise Failed(f"the job is not done after {JOB_SECONDS:.0f} s: {where}") from error


def _seen(client: Client, job_id: str, kind: str, attempt: int) -> Callable[[], bool]:
    return lambda: any(
        event["type"] == kind and event["attempt"] >= attempt for event in client.past_events(job_id)
    )


def _tell_history(client: Client, job_id: str) -> None:
    events = list(client.past_events(job_id))
    expect("event numbers", [event["number"] for event in events], list(range(1, len(events) + 1)))
    expect("events that the job succeeded", sum(event["type"] == "succeeded" for event in events), 1)
    kinds = ("submitted", "claimed", "worker_died", "lease_expired", "succeeded")
    listed = [f"{event['number']} {event['type']}" for event in events if event["type"] in kinds]
    say(f"Events without a gap: {len(events)}; among them {', '.join(listed)}.")


def expect(what: str, seen: Any, wanted: Any) -> None:
    """Raise ``Failed`` unless both are the same."""
    if seen != wanted:
        raise Failed(f"{what}: {seen!r} instead of {wanted!r}")
