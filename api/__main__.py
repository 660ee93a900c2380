"""``python -m api``: serve with the settings of the environment until told to stop."""

from __future__ import annotations

import sys
from contextlib import suppress

from api.auth import PublicWithoutKeys
from api.main import create_app, refuse_an_open_network
from api.serving.server import Server, configuration
from jobs import logs
from jobs.entry import ending_in_words
from jobs.files.private import keep_private
from jobs.settings import Settings

WRONG_SETTINGS = 2
NOT_STARTED = 3


def main() -> int:
    """Serve; returns the exit code."""
    settings = Settings.from_env()
    logs.configure(settings)
    keep_private(settings)
    settings.make_directories()
    try:
        refuse_an_open_network(settings)
    except PublicWithoutKeys as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_SETTINGS
    app = create_app(settings)
    server = Server(configuration(app, settings), app)
    # uvicorn raises the signal that stopped it once more when all is closed.
    with suppress(KeyboardInterrupt):
        server.run()
    return 0 if server.started else NOT_STARTED


if __name__ == "__main__":
    sys.exit(ending_in_words(main))
