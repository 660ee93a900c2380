"""``python -m api``: serve with the settings of the environment until told to stop."""

from __future__ import annotations

import logging
import socket
import sys
from contextlib import suppress

import uvicorn
from fastapi import FastAPI
from sqlalchemy.exc import OperationalError

from api.auth import PublicWithoutKeys
from api.main import create_app, refuse_an_open_network
from jobs import logs
from jobs.database.engine import check, make_engine
from jobs.errors import DatabaseAhead, DatabaseBehind
from jobs.settings import Settings

log = logging.getLogger("cartl.api")

GRACE_SECONDS = 3
WRONG_SETTINGS = 2
NOT_STARTED = 3


class Server(uvicorn.Server):
    """Ends the streams of events first: they would hold a shutdown up for as long as somebody watches."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, streaming and serving, in this order."""
        await self._app.state.context.feed.close()
        await super().shutdown(sockets)


def configuration(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How ``app`` is served."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_level=settings.log_level.lower(),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def main() -> int:
    """Serve; returns the exit code."""
    settings = Settings.from_env()
    logs.configure(settings)
    try:
        refuse_an_open_network(settings)
        _refuse_a_newer_database(settings)
    except PublicWithoutKeys as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_SETTINGS
    except DatabaseAhead as error:
        sys.stderr.write(f"{error}\n")
        return NOT_STARTED
    app = create_app(settings)
    server = Server(configuration(app, settings), app)
    # uvicorn raises the signal that stopped it once more when all is closed.
    with suppress(KeyboardInterrupt):
        server.run()
    return 0 if server.started else NOT_STARTED


def _refuse_a_newer_database(settings: Settings) -> None:
    """One that lacks migrations, or is away, is waited for: no request is served before it is ready.

    Raises:
        DatabaseAhead: a newer version has migrated it.
    """
    engine = make_engine(settings)
    try:
        check(engine)
    except (DatabaseBehind, OperationalError) as error:
        log.warning("the database is not ready: %s", str(error).splitlines()[0])
    finally:
        engine.dispose()


if __name__ == "__main__":
    sys.exit(main())
