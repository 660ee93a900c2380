"""``python -m api``: serve with the settings of the environment until told to stop."""

from __future__ import annotations

import logging
import sys

import uvicorn

from api.auth import PublicWithoutKeys
from api.main import create_app, refuse_an_open_network
from jobs.settings import Settings

GRACE_SECONDS = 3
WRONG_SETTINGS = 2


def main() -> int:
    """Serve; returns the exit code."""
    settings = Settings.from_env()
    logging.basicConfig(
        level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr
    )
    try:
        refuse_an_open_network(settings)
    except PublicWithoutKeys as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_SETTINGS
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_level=settings.log_level.lower(),
        access_log=False,
        server_header=False,
        # Streams of events would otherwise hold a shutdown up for as long as somebody watches.
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
