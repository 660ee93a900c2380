"""The service on one machine: a database made ready, an API and a worker, as real processes.

    with Service(Settings(data_dir=Path(".cartl"))) as service:
        service.watch()

Nothing of the server is imported: processes get their settings as `CARTL_*` variables.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TextIO

from cartl.client import Client
from cartl.http.problems import ClientError
from cartl.serving.extras import missing, what_to_install
from cartl.serving.processes import Process, StartError, start

READY_SECONDS = 60.0
POLL_SECONDS = 0.1
API_GRACE_SECONDS = 5.0
# As in the service's own settings: how long a worker may take to checkpoint and let go.
WORKER_GRACE_SECONDS = 30.0
GPUS = re.compile(r"\d{1,3}(,\d{1,3}){0,63}")
SECONDS = re.compile(r"\d{1,6}(\.\d{1,6})?")
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


@dataclass(frozen=True)
class Settings:
    """Where the service listens and where it keeps everything."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8000
    gpus: str | None = None
    """`all`, `none`, or numbers with commas; None: as the environment says, by default all it sees."""
    inherited: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def url(self) -> str:
        """Where this machine reaches the service."""
        host = ANY_ADDRESS.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def logs(self) -> Path:
        """One log a process."""
        return self.data_dir / "logs"

    @property
    def data_root(self) -> Path:
        """Where data sets are looked for."""
        return Path(self.inherited.get("CARTL_DATA_ROOT") or self.data_dir / "data")

    @property
    def worker_grace_seconds(self) -> float:
        """How long the worker may take to stop, with a little for its own clean-up."""
        written = self.inherited.get("CARTL_STOP_GRACE_SECONDS") or str(WORKER_GRACE_SECONDS)
        if not (SECONDS.fullmatch(written) and float(written) > 0):
            raise StartError(
                "CARTL_STOP_GRACE_SECONDS is no number of seconds; allowed: more than 0, e.g. 30"
            )
        return float(written) + 5.0

    @property
    def environment(self) -> dict[str, str]:
        """What the processes see: the caller's environment, and these settings over it."""
        return {
            **self.inherited,
            "CARTL_DATA_DIR": str(self.data_dir),
            "CARTL_DATA_ROOT": str(self.data_root),
            "CARTL_HOST": self.host,
            "CARTL_PORT": str(self.port),
            "PYTHONUNBUFFERED": "1",
            **self.devices,
        }

    @property
    def devices(self) -> dict[str, str]:
        """The settings of the devices, as far as ``gpus`` decides them.

        Raises:
            StartError: it is no list of GPUs.
        """
        match self.gpus:
            case None:
                return {}
            case "all":
                return {"CARTL_DEVICE": "cuda", "CARTL_DEVICES": "auto"}
            case "none":
                return {"CARTL_DEVICE": "cpu", "CARTL_DEVICES": "auto"}
            case listed if GPUS.fullmatch(listed):
                named = ",".join(f"cuda:{number}" for number in listed.split(","))
                return {"CARTL_DEVICE": "cuda", "CARTL_DEVICES": named}
            case _:
                raise StartError("--gpus is no list of GPUs; allowed: all, none, or numbers, e.g. 0,1")


class Service:
    """A running service: `processes` in order of start. Leaving the context ends them, whatever happened."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.processes: list[Process] = []
        self.grace: dict[str, float] = {}
        self._lock: TextIO | None = None

    def __enter__(self) -> Service:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Migrate, start API and worker, and return when the service is ready.

        Raises:
            StartError: an extra is not installed, the data directory or the port is taken, a process
                ended, or nobody answered in time; the message has the end of the log.
        """
        if lacking := missing(("api", "worker")):
            raise StartError(what_to_install(lacking))
        self.grace = {"worker": self.settings.worker_grace_seconds, "api": API_GRACE_SECONDS}
        try:
            self.settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = _lock(self.settings)
            _refuse_busy_port(self.settings)
            # One process imports the server instead of two after each other; the worker needs the tables.
            self.processes.append(self._start("api", "--migrate"))
            self._wait_until_ready()
            self.processes.append(self._start("worker"))
        except OSError as error:
            where = error.filename or self.settings.data_dir
            raise StartError(f"the data directory cannot be used: {where}: {error.strerror}") from error

    def check(self) -> None:
        """Raise ``StartError`` when a process has ended by itself, and keep the logs of the others small."""
        for process in self.processes:
            process.bound_log()
            if not process.alive:
                raise process.died()

    def watch(self) -> None:
        """Return never; raise ``StartError`` when a process ends by itself."""
        while True:
            self.check()
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End the worker, which lets go of its job, then the API. Interrupted, it kills them."""
        try:
            while self.processes:
                self.processes[-1].stop(self.grace[self.processes[-1].name])
                self.processes.pop()
        finally:
            for process in self.processes:
                process.kill()
            self.processes.clear()
            if self._lock is not None:
                self._lock.close()
                self._lock = None

    def _start(self, name: str, *options: str) -> Process:
        log = self.settings.logs / f"{name}.log"
        return start(name, [sys.executable, "-m", name, *options], log, self.settings.environment)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        with Client(self.settings.url) as client:
            while True:
                self.check()
                try:
                    client.ready()
                    return
                except ClientError as error:
                    if time.monotonic() > deadline:
                        raise StartError(f"not ready after {READY_SECONDS:.0f} seconds: {error}") from error
                time.sleep(POLL_SECONDS)


def _lock(settings: Settings) -> TextIO:
    """Hold the data directory for this process: the lock goes with it, even when it is killed."""
    lock = (settings.data_dir / "up.lock").open("a+", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        holder = lock.read().strip() or "another process"
        lock.close()
        raise StartError(
            f"{settings.data_dir} is in use by {holder}; stop that one, or choose another --data-dir"
        ) from error
    lock.truncate(0)
    lock.write(f"process {os.getpid()}, which serves {settings.url}\n")
    lock.flush()
    return lock


def _refuse_busy_port(settings: Settings) -> None:
    """Try the address once: a message of our own is clearer than a server's traceback."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except (OSError, ValueError, OverflowError) as error:  # ValueError: no name that a host can have
            why = error.strerror if isinstance(error, OSError) else "it is no address"
            raise StartError(
                f"cannot listen on {settings.host!a} port {settings.port}: {why}; choose another with --port "
                "or --host"
            ) from error


def free_port(host: str = "127.0.0.1") -> int:
    """A port that is free on ``host`` right now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
