"""The stack of a fresh clone: built, up, and gone."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commands import Failed, run, say
from engine import COMPOSE, Engine

ROOT = Path(__file__).resolve().parents[2]
# Belongs to the person at the keyboard, not to this test.
FOREIGN = ("COMPOSE_", "CARTL_")
KINDS = ("container", "volume", "network")
UP_SECONDS = 600.0


@dataclass(frozen=True)
class Stack:
    """A Compose project of its own name, so that it meets no other stack on the same engine.

    Attributes:
        shipped: the files of the clone that make it, to which ``override`` is added.
        variables: what its files read from the shell.
    """

    engine: Engine
    clone: Path
    override: Path
    project: str
    port: int
    shipped: tuple[str, ...] = ("docker-compose.yml",)
    variables: Mapping[str, str] = field(default_factory=dict)

    def compose(self, *arguments: str, seconds: float = 120) -> str:
        """Standard output of a ``docker compose`` command on the shipped files and the override."""
        paths = [*(self.clone / name for name in self.shipped), self.override]
        files = [word for path in paths for word in ("-f", str(path))]
        return run(
            [COMPOSE, "--progress", "plain", "-p", self.project, *files, *arguments],
            env=self._environment(),
            cwd=self.clone,
            seconds=seconds,
        )

    def services(self) -> dict[str, dict[str, Any]]:
        """The services that come up without a profile, as Compose resolves them."""
        resolved = json.loads(self.compose("config", "--format", "json"))
        services: dict[str, dict[str, Any]] = resolved["services"]
        return services

    def container(self, service: str) -> str:
        """The id of a service's container, running or not."""
        found = self.compose("ps", "--all", "--quiet", service).split()
        if len(found) != 1:
            raise Failed(f"{service}: {len(found)} containers instead of one")
        return found[0]

    def up(self, *options: str) -> None:
        """Start what is not there, and wait until everything is healthy."""
        wait = ("--detach", "--wait", "--wait-timeout", str(int(UP_SECONDS)))
        self.compose("up", *wait, *options, seconds=UP_SECONDS + 60)

    def down(self) -> None:
        """Remove containers, networks and volumes."""
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "60", seconds=300)

    def state(self, service: str) -> dict[str, Any]:
        """What the engine says of a service's container."""
        return self.engine.inspect(self.container(service))

    def is_healthy(self, service: str) -> bool:
        """Running, and its own check says so."""
        state = self.state(service)["State"]
        return bool(state["Running"]) and state["Health"]["Status"] == "healthy"

    def own_images(self) -> set[str]:
        """The names of the images that the stack builds."""
        return {str(service["image"]) for service in self.services().values() if "build" in service}

    def leftovers(self) -> list[str]:
        """What the engine still has of this project."""
        mine = ("--quiet", "--filter", f"label=com.docker.compose.project={self.project}")
        found = []
        for kind in KINDS:
            everything = ("--all",) if kind == "container" else ()
            found += [f"{kind} {name}" for name in self.engine.docker(kind, "ls", *everything, *mine).split()]
        return found

    def _environment(self) -> dict[str, str]:
        foreign = dict.fromkeys((name for name in os.environ if name.startswith(FOREIGN)), "")
        own = {"CARTL_PUBLISHED_PORT": str(self.port), **self.variables}
        return {**foreign, **self.engine.env, **own}


@contextmanager
def stack(engine: Engine, directory: Path, index: str | None) -> Iterator[Stack]:
    """A stack from a fresh clone of this checkout's HEAD; whatever it made is removed in the end.

    Args:
        engine: where it runs.
        directory: for the clone.
        index: one more index of packages for the builds, or None.
    """
    project = f"cartl-test-{os.getpid()}"
    clone = directory / "clone"
    run(["git", "clone", "--quiet", ROOT, clone], seconds=120)
    say(f"Cloned {run(['git', '-C', clone, 'log', '-1', '--format=%h %s'], seconds=30).strip()}.")
    override = directory / "override.json"
    override.write_text("{}")
    variables = {"PIP_EXTRA_INDEX_URL": index} if index else {}
    made = Stack(engine, clone, override, project, _free_port(), variables=variables)
    override.write_text(json.dumps(_override(made), indent=2))
    try:
        yield made
    except BaseException:
        _tell_logs(made)
        raise
    finally:
        _remove(made)


def _override(stack: Stack) -> dict[str, Any]:
    """What belongs to this machine and to this test: not the shipped networks, volumes or limits."""
    built = {name: service for name, service in stack.services().items() if "build" in service}
    return {
        "services": {
            name: {
                "image": f"{service['image'].partition(':')[0]}:{stack.project}",
                "build": {"network": "host"},
                # The test shares the machine: a run that takes every core for itself starves all others.
                "environment": {"CARTL_THREADS": "1"},
            }
            for name, service in built.items()
        }
    }


def _tell_logs(stack: Stack) -> None:
    say("What the containers said last:")
    say(stack.compose("logs", "--no-color", "--tail", "25"))


def _remove(stack: Stack) -> None:
    images = stack.own_images()
    stack.down()
    there = set(stack.engine.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split())
    if images & there:
        stack.engine.docker("image", "rm", *sorted(images & there), seconds=300)
    shutil.rmtree(stack.clone)
    left = stack.leftovers()
    if left:
        raise Failed(f"left behind: {', '.join(left)}")
    say("Containers, volumes, networks and images of the stack are gone.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
