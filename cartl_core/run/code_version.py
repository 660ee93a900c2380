"""Which code computes: the commit that was written into the package, or that of the checkout it lies in.

An image has a file in the package, written as it is built (``docker/Dockerfile``). Of a checkout git tells.
Anything else is of an unknown commit: nothing here fails, and nothing waits longer than ``SECONDS`` twice.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = "commit.txt"
"""In the package: a commit, with ``-changed`` behind it where the tree was another one."""
WRITTEN = re.compile(r"([0-9a-f]{40}(?:[0-9a-f]{24})?)(-changed)?\n?")
MOST_BYTES = 128
HEAD = re.compile(r"^# branch\.oid ([0-9a-f]{40}(?:[0-9a-f]{24})?)$", re.MULTILINE)
SECONDS = 5.0
"""That git may take for an answer."""


@dataclass(frozen=True)
class CodeVersion:
    """Of the code that this process runs.

    Attributes:
        commit: its hexadecimal digits; None where it is not known.
        changed: tracked files of the tree were others than the commit's; None where that is not known.
    """

    commit: str | None = None
    changed: bool | None = None


UNKNOWN = CodeVersion()


@cache
def code_version() -> CodeVersion:
    """Of this package; looked up once a process."""
    return version_of(Path(__file__).parents[1])


def version_of(package: Path, *, seconds: float = SECONDS) -> CodeVersion:
    """Of the package in a folder.

    Args:
        seconds: that git may take for each of two answers.
    """
    return _written(package / FILE) or _of_checkout(package, seconds)


def _written(path: Path) -> CodeVersion | None:
    """What the file says; None where there is none. One that says anything else tells of no commit."""
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1).decode(errors="replace")
    except OSError:
        return None
    found = WRITTEN.fullmatch(text)
    return CodeVersion(found[1], found[2] is not None) if found else UNKNOWN


def _of_checkout(package: Path, seconds: float) -> CodeVersion:
    # Installed into a folder of somebody else's repository the package is no file of that repository.
    if _git(package, seconds, "ls-files", "--error-unmatch", "--", "__init__.py") is None:
        return UNKNOWN
    # Untracked files are not looked for: notes and data beside the code would count as changes of it.
    told = _git(package, seconds, "status", "--porcelain=v2", "--branch", "--untracked-files=no")
    head = HEAD.search(told or "")
    if told is None or head is None:
        return UNKNOWN
    return CodeVersion(head[1], any(not line.startswith("# ") for line in told.splitlines()))


def _git(folder: Path, seconds: float, *arguments: str) -> str | None:
    """What git answers; None where it fails, is not there or takes too long. It writes nothing."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", *arguments],
            cwd=folder,
            env=environment | {"GIT_OPTIONAL_LOCKS": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
