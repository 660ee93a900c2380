"""``python -m worker``: a worker with the right flags for this service."""

from __future__ import annotations

import logging
import os
import sys
from concurrent.futures import ProcessPoolExecutor

from sqlalchemy.exc import DBAPIError

from cartl_core.storage.bucket import StoreUnavailable
from jobs import logs
from jobs.database.engine import check, make_engine, session_factory, transaction
from jobs.entry import ending_in_words, first_line
from jobs.errors import DatabaseMismatch, DirectoryMismatch
from jobs.files.directory_id import check_directories
from jobs.files.private import keep_private
from jobs.settings import Settings
from worker.app import make_app
from worker.host.devices import with_devices
from worker.host.identity import identity_of
from worker.sinks.switched_on import check_packages

log = logging.getLogger("worker")


def arguments(settings: Settings, name: str) -> list[str]:
    """Celery's command line: one pool process a slot, and none of what workers tell each other."""
    return [
        "--quiet",  # no banner among the records
        "worker",
        f"--hostname=cartl@{name}",
        "--pool=prefork",
        f"--concurrency={len(settings.worker_slots)}",
        f"--loglevel={settings.log_level}",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
    ]


def main() -> int:
    """Run until SIGTERM or Ctrl-C; both let jobs checkpoint and put them back in the queue."""
    settings = Settings.from_env()
    logs.configure(settings)
    check_packages(settings)
    keep_private(settings)
    settings.make_directories()
    try:
        _check_database(settings)
    except (DatabaseMismatch, DirectoryMismatch) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    settings = with_devices(settings)
    make_app(settings).worker_main(arguments(settings, identity_of(os.getpid()).worker_id))
    return 0


def _check_database(settings: Settings) -> None:
    """Refuse a database of another version, or of other directories; one that is away is waited for later.

    Raises:
        DatabaseMismatch: it is at a migration that this version cannot use.
        DirectoryMismatch: the other hosts of this database have other files.
    """
    engine = make_engine(settings)
    try:
        check(engine)
        if settings.store:
            _check_bucket(settings)
        else:
            _check_files(settings)
    except DBAPIError as error:
        log.warning("the database is away: %s", first_line(error))
    finally:
        engine.dispose()


def _check_files(settings: Settings) -> None:
    engine = make_engine(settings)
    try:
        with transaction(session_factory(engine)) as session:
            check_directories(session, settings)
    finally:
        engine.dispose()


def _check_bucket(settings: Settings) -> None:
    """The same in a process of its own: those that this one forks could use no bucket that it has opened."""
    with ProcessPoolExecutor(max_workers=1) as process:
        if (refused := process.submit(_refusal, settings).result()) is not None:
            raise DirectoryMismatch(refused)


def _refusal(settings: Settings) -> str | None:
    try:
        _check_files(settings)
    except DirectoryMismatch as error:
        return str(error)
    except StoreUnavailable as error:
        log.warning("the bucket is away: %s", error.strerror)
    except DBAPIError as error:
        log.warning("the database is away: %s", first_line(error))
    return None


if __name__ == "__main__":
    sys.exit(ending_in_words(main))
