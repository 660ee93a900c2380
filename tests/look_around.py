"""What a process of the tests sees of its machine; ``test_surroundings.py`` runs this in three places."""

from __future__ import annotations

import os
import time
from pathlib import Path

from cartl_core.data.sources import find
from jobs.settings import Settings


def look() -> None:
    seen = [
        name for name in os.environ if name.startswith(("CARTL_", "PG")) or name.lower().endswith("_proxy")
    ]
    assert seen == [], seen
    assert list(Path.home().iterdir()) == []
    (Path.home() / "mine").touch()
    (Path.home() / "mine").unlink()
    assert (time.tzname, os.environ["LC_ALL"]) == (("UTC", "UTC"), "C.UTF-8")
    assert os.umask(0o022) == 0o022
    assert Settings.from_env().port == 8000
    assert find("fashion_mnist", Path("nowhere")) is None
