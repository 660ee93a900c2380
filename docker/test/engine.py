"""A Docker engine: the one that answers, or one made of Debian's packages and taken away again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from commands import Failed, run, say, wait_for

PACKAGES = ("docker.io", "debootstrap")
STOP_SECONDS = 90.0
COMPOSE = Path(sys.executable).parent / "docker-compose"
CGROUPS = Path("/sys/fs/cgroup")
MOUNTS = Path("/proc/self/mountinfo")
# Debian picks between these two with update-alternatives, which runs when packages are configured.
IPTABLES = ("iptables", "iptables-save", "iptables-restore")


@dataclass(frozen=True)
class Engine:
    """How to speak to an engine.

    ``made`` is the folder of its own programs (usr/bin, ...), or None when it was there before.
    """

    env: dict[str, str] = field(default_factory=dict)
    made: Path | None = None

    def docker(self, *arguments: str | Path, seconds: float = 60) -> str:
        """Standard output of a ``docker`` command."""
        return run(["docker", *arguments], env=self.env, seconds=seconds)

    def inspect(self, name: str) -> dict[str, object]:
        """All that the engine says of a container."""
        found: list[dict[str, object]] = json.loads(self.docker("inspect", "--type", "container", name))
        return found[0]


@contextmanager
def engine(directory: Path) -> Iterator[Engine]:
    """The engine that ``docker`` reaches as things are, or one that lives as long as this context."""
    try:
        run(["docker", "info"], seconds=30)
    except (Failed, OSError):
        with _made(directory) as made:
            yield made
    else:
        say("Using the Docker engine that answers here.")
        yield Engine()


@contextmanager
def _made(directory: Path) -> Iterator[Engine]:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Failed("no Docker engine answers, and one is made only by root on Debian")
    say("No Docker engine answers: making one of Debian's packages.")
    tree = _unpacked(directory)
    state = directory / "engine-state"
    state.mkdir()
    libraries = tree / "usr/lib" / f"{os.uname().machine}-linux-gnu"
    programs = f"{tree / 'usr/sbin'}:{tree / 'usr/bin'}:{os.environ['PATH']}"
    socket, pid_file = state / "docker.sock", state / "docker.pid"
    command: list[str | Path] = [
        tree / "usr/sbin/dockerd",
        *("--data-root", state / "data", "--exec-root", state / "exec"),
        *("-H", f"unix://{socket}", "--pidfile", pid_file),
        # Nothing of the machine's own network is changed. Names of containers are still found: that
        # takes iptables inside the containers' namespaces only.
        *("--iptables=false", "--bridge=none"),
    ]
    own = {
        "PATH": programs,
        "LD_LIBRARY_PATH": str(libraries),
        "XTABLES_LIBDIR": str(libraries / "xtables"),
    }
    with (directory / "dockerd.log").open("wb") as log:
        daemon = subprocess.Popen(
            command, env={**os.environ, **own}, stdout=log, stderr=log, start_new_session=True
        )
    made = Engine(
        env={"PATH": programs, "DOCKER_HOST": f"unix://{socket}", "DOCKER_BUILDKIT": "0"}, made=tree
    )
    try:
        wait_for("dockerd listens", lambda: _listens(daemon, socket, directory), seconds=60)
        say(f"dockerd {made.docker('version', '--format', '{{.Server.Version}}').strip()} listens.")
        yield made
    finally:
        _stop(daemon, pid_file)
        unmount_below(state)
        _remove_control_groups()


def _unpacked(directory: Path) -> Path:
    """The packages' files, unpacked but not installed: nothing starts, and nothing stays behind."""
    archives, tree = directory / "packages", directory / "programs"
    (archives / "partial").mkdir(parents=True)
    run(["apt-get", "update"], seconds=300)
    run(
        [
            *("apt-get", "install", "--yes", "--download-only", "--reinstall", "--no-install-recommends"),
            *("-o", f"Dir::Cache::Archives={archives}", *PACKAGES),
        ],
        seconds=600,
    )
    for package in sorted(archives.glob("*.deb")):
        run(["dpkg", "--extract", package, tree], seconds=120)
    for name in IPTABLES:
        (tree / "usr/sbin" / name).symlink_to("xtables-nft-multi")
    return tree


def _listens(daemon: subprocess.Popen[bytes], socket: Path, directory: Path) -> bool:
    if daemon.poll() is not None:
        raise Failed(f"dockerd ended:\n{(directory / 'dockerd.log').read_text()[-3000:]}")
    return socket.exists()


def _stop(daemon: subprocess.Popen[bytes], pid_file: Path) -> None:
    """End the daemon that this process started, by its own pid file; it takes its containers along."""
    if daemon.poll() is None and pid_file.exists():
        os.kill(int(pid_file.read_text()), signal.SIGTERM)
    try:
        daemon.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
    say(f"dockerd has ended with status {daemon.returncode}.")


def unmount_below(directory: Path) -> None:
    """What a program that was killed has left mounted at ``directory`` or below it, the newest first."""
    points = [Path(line.split()[4]) for line in MOUNTS.read_text().splitlines()]
    for point in reversed(points):
        if point.is_relative_to(directory):
            run(["umount", point], seconds=30)


def _remove_control_groups() -> None:
    """The daemon leaves the parents of its containers' control groups: they go if they are empty."""
    for group in (*CGROUPS.glob("docker"), *CGROUPS.glob("*/docker")):
        with suppress(OSError):
            group.rmdir()
