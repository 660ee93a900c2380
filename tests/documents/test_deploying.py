"""The blocks that need a second host or a Docker engine, with stand-ins for these.

A second host is a second folder and a port of its own; ``ssh`` and ``rsync`` are scripts that go there.
``docker`` is a script that writes its arguments down; Compose itself then says whether it knows them.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import httpx
import pytest

from api.submission import prepare
from cartl.client import Client
from cartl.serving.up import Service, Settings, free_port
from jobs.settings import Settings as ServiceSettings
from tests.deploy.test_stacks import ADDRESSES
from tests.documents.not_run import DOCKER, NOT_RUN
from tests.documents.test_blocks import JOB
from tests.fixtures.administrator import refuse_unknown
from tests.fixtures.documents import ROOT, Block, blocks_of, pages
from tests.test_compose import BIN, Config, compose

MOVING = "docs/how-to/move-to-another-host.md"
OF_DOCKER = [
    block for page in pages() for block in blocks_of(page) if NOT_RUN.get((block.page, block.first)) == DOCKER
]
START_SECONDS = 120.0

RSYNC = """
test "$1" = -a && test $# = 3
to="$OTHER_HOST${3#other-host:}"
mkdir -p "$to"
cp -a "$2." "$to"
"""
SSH = """
test "$1" = other-host && test $# = 2
cd "$OTHER_HOST"
exec bash -euc "${2//\\/srv/$OTHER_HOST/srv} --port $OTHER_PORT"
"""
DOCKER_STAND_IN = """
printf '%s\\n' "$(printf '%s\\t' "$@")" >> "$DOCKER_LOG"
"""


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/usr/bin/env bash\nset -eu\n{text}")
    path.chmod(0o755)


def plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("CARTL_")}


def finished_job(client: Client) -> str:
    job: str = client.submit(JOB)["id"]
    assert client.wait(job, timeout=200, every=0.2)["state"] == "succeeded"
    return job


def wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            httpx.get(f"{url}/healthz", timeout=START_SECONDS)
        except httpx.TransportError:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        else:
            return


@pytest.mark.usefixtures("forked_starts")
def test_a_service_moves_to_another_host_as_the_page_says(tmp_path: Path) -> None:
    here, other, tools = tmp_path / "here", tmp_path / "other", tmp_path / "bin"
    one_thread = {**plain_environment(), "CARTL_THREADS": "1"}
    settings = Settings(here / ".cartl", port=free_port(), inherited=one_thread)
    with Service(settings), Client(settings.url) as client:
        job = finished_job(client)
    script(tools / "rsync", RSYNC)
    script(tools / "ssh", SSH)
    script(other / "cartl/.venv/bin/cartl", f'exec {shlex.quote(sys.executable)} -m cartl "$@"')
    (block,) = (block for block in blocks_of(ROOT / MOVING) if "rsync" in block.text)
    port, log = free_port(), tmp_path / "log"
    with log.open("wb") as output:
        moved = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", block.text],
            cwd=here,
            env={
                **one_thread,
                "OTHER_PORT": str(port),
                "OTHER_HOST": str(other),
                "PATH": f"{tools}:{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
            },
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_it_answers(url, moved, log)
        with Client(url) as client:
            assert client.job(job)["state"] == "succeeded"
            assert client.robustness(job)["complete"] is True
            # Its teacher is found by its digest, so the same job trains nothing.
            again = finished_job(client)
            stages = [event for event in client.past_events(again) if event["type"] == "stage_finished"]
            assert stages and all(event["body"]["reused"] for event in stages)
    finally:
        os.killpg(moved.pid, signal.SIGINT)
        moved.wait(120)
    assert (other / "srv/cartl/cartl.sqlite3").is_file()


def docker_calls(block: Block, folder: Path) -> list[list[str]]:
    """What a block asks of ``docker``; other commands are real, and requests go nowhere."""
    log = folder / "docker.log"
    script(folder / "bin/docker", DOCKER_STAND_IN)
    script(folder / "bin/curl", "exit 0\n")
    (folder / "cartl.dump").touch()
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        cwd=folder,
        env={
            **plain_environment(),
            "KEY": "a key",
            "DOCKER_LOG": str(log),
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [line.rstrip("\t").split("\t") for line in log.read_text().splitlines()] if log.exists() else []


@cache
def options_of(command: str) -> str:
    """What Compose says about a command of its own."""
    asked = [str(BIN / "docker-compose"), command, "--help"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=120, check=False)
    known = re.search(rf"^Usage:.* {command}\b", done.stdout, re.MULTILINE)
    assert done.returncode == 0 and known, f"docker compose knows no {command!r}"
    return done.stdout


def check_compose(arguments: list[str]) -> None:
    given: list[str] = []
    while arguments[0] in ("--profile", "-f"):
        given, arguments = [*given, *arguments[:2]], arguments[2:]
    command, rest = arguments[0], arguments[1:]
    config = compose(*given, **ADDRESSES)
    flags = [word for word in rest if word.startswith("-")]
    if command in ("exec", "run"):  # what comes after the service is the service's own
        place = next(n for n, word in enumerate(rest) if not word.startswith("-"))
        flags = rest[:place]
        check_own_command(config, rest[place], rest[place + 1 :])
    options = options_of(command)
    for flag in flags:
        assert re.search(rf"(^|[\s,]){re.escape(flag)}\b", options, re.MULTILINE), (command, flag)
    # `--scale worker=3` names a service too.
    services = [word.partition("=")[0] for word in rest if not word.startswith("-")][:1]
    assert set(services) <= set(config["services"]), (command, services)


def check_own_command(config: Config, service: str, own: list[str]) -> None:
    """What runs in a container: a client of the database as it is set up, our program, or `cat` of a file."""
    if service == "postgres":
        given = config["services"]["postgres"]["environment"]
        assert own[own.index("--username") + 1] == given["POSTGRES_USER"]
        assert given["POSTGRES_DB"] in own
    elif own[:3] == ["python", "-m", "jobs"]:
        refuse_unknown(own[3:])
    else:
        folder, file = own[1].rsplit("/", 1)
        dockerfile = (ROOT / "docker/Dockerfile").read_text()
        assert own[0] == "cat" and f"WORKDIR {folder}\n" in dockerfile and f"/{file} ./\n" in dockerfile


def check_run(arguments: list[str]) -> None:
    """A container of its own: the stack's image, the stack's volume."""
    config = compose()
    assert config["services"]["postgres"]["image"] in arguments
    named = [word.split(":")[0] for word in arguments if re.match(r"\w+:/", word)]
    assert named and set(named) <= {volume["name"] for volume in config["volumes"].values()}


def check_image(arguments: list[str]) -> None:
    """An image of the stack is looked at."""
    built = {service.get("image") for service in compose()["services"].values() if "build" in service}
    assert arguments[:2] == ["inspect", "--format"] and arguments[3] in built


@pytest.mark.parametrize("block", OF_DOCKER, ids=str)
def test_what_a_block_asks_of_docker_is_known_there(block: Block, tmp_path: Path) -> None:
    calls = docker_calls(block, tmp_path)
    for kind, *arguments in calls:
        {"compose": check_compose, "run": check_run, "image": check_image}[kind](arguments)
    assert calls or "curl" in block.text


@pytest.mark.parametrize("wrong", [["start", "redys"], ["up", "--dettach"], ["halt"]])
def test_what_compose_does_not_know_is_seen(wrong: list[str]) -> None:
    with pytest.raises(AssertionError):
        check_compose(wrong)


def test_what_the_pages_post_to_the_stack_is_a_valid_job() -> None:
    posted = [
        body
        for block in OF_DOCKER
        for body in re.findall(r"curl[^\n]*/jobs(?:[^\n]*\\\n)*[^\n]*-d '([^']*)'", block.text)
    ]
    assert posted
    for body in posted:
        prepare(json.loads(body), ServiceSettings())
