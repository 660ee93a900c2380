"""The surroundings of the tests: the same on every machine, for them and for the processes that they start.

``tests/conftest.py`` enters them before any other module is imported. ``tests/hostile.py`` makes the
opposite: a machine on which all of it is set to nonsense.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

# What a machine may have set and no test may see: settings of ours, and those of programs and libraries that
# the tests start.
PREFIXES = (
    "CARTL_",
    "PG",
    "MPL",
    "UVICORN_",
    "CELERY_",
    "HYPOTHESIS_",
    "PYTORCH_",
    "TORCH_",
    "CUBLAS_",
    "MLFLOW_",
    "WANDB_",
    "SSL_",
)
NAMES = frozenset(
    "http_proxy https_proxy ftp_proxy all_proxy no_proxy force_color no_color columns lines language "
    "lc_ctype pythonoptimize pythonwarnings pythonhashseed pythonutf8 pythonioencoding source_date_epoch "
    "web_concurrency forwarded_allow_ips pythondontwritebytecode omp_num_threads omp_wait_policy "
    "gomp_spincount".split()
)
PLAIN = {"TZ": "UTC", "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8", "GOMP_SPINCOUNT": "10000"}
"""Threads of several tests side by side must not spin while they wait for each other."""
UMASK = 0o022
HOME = {"HOME": "", "XDG_CONFIG_HOME": ".config", "XDG_DATA_HOME": ".local/share", "XDG_DATA_DIRS": "share"}
"""Folders of a person and of the system, relative to a home that is made for the run. They are empty."""


def plain(machine: Mapping[str, str], home: Path) -> dict[str, str]:
    """The environment that a run of the tests gets on a machine with the environment ``machine``.

    Caches stay where they are: what is in them (matplotlib's fonts) is slow to make and decides nothing.
    """
    kept = {
        name: value
        for name, value in machine.items()
        if not name.startswith(PREFIXES) and name.lower() not in NAMES
    }
    cache = machine.get("XDG_CACHE_HOME") or str(Path(machine.get("HOME", "/")) / ".cache")
    own = {name: str(home / folder) for name, folder in HOME.items()}
    return kept | own | {"XDG_CACHE_HOME": cache} | PLAIN


class Surroundings:
    """Puts this process into plain surroundings, and back."""

    def __init__(self) -> None:
        self._before = dict(os.environ)
        self._umask = os.umask(UMASK)
        self._home = Path(tempfile.mkdtemp(prefix="cartl-tests-home-"))
        self._set(plain(self._before, self._home))

    def restore(self) -> None:
        self._set(self._before)
        os.umask(self._umask)
        shutil.rmtree(self._home, ignore_errors=True)

    @staticmethod
    def _set(wanted: Mapping[str, str]) -> None:
        for name in os.environ.keys() - wanted.keys():
            del os.environ[name]
        os.environ.update(wanted)
        time.tzset()
