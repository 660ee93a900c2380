"""Data sets as Debian packages them: where their files lie, and getting them without root.

The images are those that were published, compressed anew, so the files have other checksums.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

APT_SECONDS = 20.0
DATASETS = "datasets"
FASHION_MNIST = f"usr/share/{DATASETS}/fashion-mnist"
"""Where the files of dataset-fashion-mnist lie, relative to the root that it was unpacked into."""
DATA_DIRS = "/usr/local/share:/usr/share"
"""What XDG_DATA_DIRS stands for where it is not set (freedesktop.org's Base Directory Specification)."""


def installed(folder: str) -> tuple[Path, ...]:
    """Where the system may have a package's files: one folder below each of XDG_DATA_DIRS."""
    listed = (os.environ.get("XDG_DATA_DIRS") or DATA_DIRS).split(":")
    return tuple(Path(place, DATASETS, folder) for place in listed if place.startswith("/"))


def cannot_unpack() -> str | None:
    """Why no package can be had from Debian's archive here; None if it may be."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        return "this is not a Debian system"
    return None


def unpack(package: str, folder: Path) -> str | None:
    """Unpack ``package`` into ``folder``; None if it is there now, else why not.

    Nothing on the system changes.
    """
    limits = ("Acquire::Retries=0", "Acquire::http::Timeout=10", "Acquire::https::Timeout=10")
    options = [part for limit in limits for part in ("-o", limit)]
    failure = _command(["apt-get", *options, "download", package], folder)
    if failure is not None:
        return failure
    archives = list(folder.glob("*.deb"))
    if len(archives) != 1:
        return "apt-get left no package"
    failure = _command(["dpkg-deb", "-x", archives[0].name, "."], folder)
    archives[0].unlink()
    return failure


def _command(arguments: list[str], folder: Path) -> str | None:
    try:
        subprocess.run(arguments, cwd=folder, check=True, capture_output=True, timeout=APT_SECONDS)
    except subprocess.TimeoutExpired:
        return f"{arguments[0]} took longer than {APT_SECONDS:.0f} seconds"
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines()
        return f"{arguments[0]} failed: {lines[-1] if lines else error.returncode}"
    return None
