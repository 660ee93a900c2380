"""``python -m api [--migrate]``: serve with the settings of the environment until told to stop.

With ``--migrate`` the database is brought to this version's tables first.
"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress

from sqlalchemy.exc import DatabaseError, OperationalError

from api.auth import PublicWithoutKeys
from api.main import create_app, refuse_an_open_network
from api.serving.server import Server, configuration
from jobs import logs
from jobs.database.engine import check, make_engine, migrate
from jobs.entry import ending_in_words, first_line
from jobs.errors import DatabaseAhead, DatabaseBehind
from jobs.files.private import keep_private
from jobs.settings import Settings

log = logging.getLogger("cartl.api")

MIGRATE = "--migrate"
WRONG_SETTINGS = 2
NOT_STARTED = 3


class _NotMade(Exception):
    """Why the database was not brought up to date."""


def main() -> int:
    """Serve; returns the exit code."""
    settings = Settings.from_env()
    logs.configure(settings)
    keep_private(settings)
    settings.make_directories()
    try:
        if MIGRATE in sys.argv[1:]:
            _migrate(settings)
        refuse_an_open_network(settings)
        _refuse_a_newer_database(settings)
    except PublicWithoutKeys as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_SETTINGS
    except DatabaseAhead as error:
        sys.stderr.write(f"{error}\n")
        return NOT_STARTED
    except _NotMade as error:
        sys.stderr.write(f"the database could not be made ready: {error}\n")
        return NOT_STARTED
    app = create_app(settings)
    server = Server(configuration(app, settings), app)
    # uvicorn raises the signal that stopped it once more when all is closed.
    with suppress(KeyboardInterrupt):
        server.run()
    return 0 if server.started else NOT_STARTED


def _migrate(settings: Settings) -> None:
    """Bring the database up to date.

    Raises:
        DatabaseAhead: a newer version has migrated it.
        _NotMade: it cannot be read or written.
    """
    engine = make_engine(settings)
    try:
        migrate(engine)
    except DatabaseError as error:
        raise _NotMade(first_line(error)) from error
    finally:
        engine.dispose()


def _refuse_a_newer_database(settings: Settings) -> None:
    """One that lacks migrations, or is away, is waited for: no request is served before it is ready.

    Raises:
        DatabaseAhead: a newer version has migrated it.
    """
    engine = make_engine(settings)
    try:
        check(engine)
    except (DatabaseBehind, OperationalError) as error:
        log.warning("the database is not ready: %s", first_line(error))
    finally:
        engine.dispose()


if __name__ == "__main__":
    sys.exit(ending_in_words(main))
