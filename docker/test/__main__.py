"""``make test-compose``: the shipped stack under a real Docker engine, from a fresh clone to nothing left.

Read from the environment: PIP_FIND_LINKS (a folder of wheels, offered to the builds on loopback),
SSL_CERT_FILE (the authorities that the builds trust) and PIP_INDEX_URL. None of it enters a shipped file.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from commands import Failed, say
from engine import engine
from images import make_stand_ins, named, wheels_served
from outside import play as play_outside
from stack import stack
from story import play


def main() -> int:
    """Exit status 0 when the stack did all that it should and nothing of it is left."""
    began = time.monotonic()
    # Ended from outside, it cleans up as at any error.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with tempfile.TemporaryDirectory(prefix="cartl-compose-", dir=_scratch()) as name:
            directory = Path(name)
            with (
                wheels_served(_wheels()) as pip_settings,
                engine(directory) as found,
                stack(found, directory, pip_settings.get("find-links")) as shipped,
            ):
                if found.made:
                    names = named(shipped.services(), shipped.clone / "docker/Dockerfile")
                    make_stand_ins(found, directory, names, pip_settings)
                play(shipped)
                play_outside(shipped)
    except Failed as error:
        say(f"FAILED: {error}")
        return 1
    say(f"PASSED in {time.monotonic() - began:.0f} s: the stack came up, survived, and is gone.")
    return 0


def _wheels() -> Path | None:
    folder = os.environ.get("PIP_FIND_LINKS")
    return Path(folder) if folder and Path(folder).is_dir() else None


def _scratch() -> str:
    # Not TMPDIR: a socket's path may have 107 characters, and images take gigabytes of a real disk.
    return "/var/tmp"


if __name__ == "__main__":
    sys.exit(main())
