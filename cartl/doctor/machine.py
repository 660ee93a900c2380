"""Versions, extras, disks, the device, data sets: what this machine has."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cartl.doctor.finding import Finding, Status
from cartl.doctor.place import Place
from cartl.http.answers import Shape
from cartl.serving.extras import missing
from cartl.serving.programs import LIBRARY
from cartl.words import byte_count
from cartl_core.strict_json import ANSWER, JsonRefused, loads

OLDEST_PYTHON = (3, 11)
LITTLE_ROOM, ROOM_FOR_JOBS = 256 * 1024**2, 5 * 10**9
"""Bytes: with less than the first uploads are refused, with less than the second a job may not end."""
MACHINE_SECONDS = 120.0


class Runtime(Shape):
    """What runs compute on."""

    device: str = ""
    device_name: str = ""
    precision: str = ""
    torch: str = ""


class Machine(Shape):
    """What `python -m cartl_core machine` says."""

    runtime: Runtime = Runtime()
    trouble: str | None = None
    memory_bytes: int | None = None
    datasets: dict[str, bool] = {}


def versions() -> Iterator[Finding]:
    """Python, this package, and its extras."""
    python = platform.python_version()
    old = sys.version_info[:2] < OLDEST_PYTHON
    needed = ".".join(map(str, OLDEST_PYTHON))
    yield Finding(
        "Python",
        Status.FAILED if old else Status.OK,
        python,
        f"install Python {needed} or newer" if old else "",
    )
    try:
        yield Finding("cartl", Status.OK, version("cartl"))
    except PackageNotFoundError:
        yield Finding("cartl", Status.FAILED, "it is not installed", "pip install . in the checkout")
    for extra, why in (("api", "to start a service here"), ("worker", "to run jobs here")):
        lacking = missing((extra,)).get(extra, ())
        yield Finding(
            f"extra {extra}",
            Status.NOTE if lacking else Status.OK,
            f"missing: {', '.join(lacking)}" if lacking else "installed",
            f"{why}: pip install 'cartl[{extra}]'; a service elsewhere needs none" if lacking else "",
        )


def disks(place: Place) -> Iterator[Finding]:
    """A row for each folder, or one for all that are on one disk."""
    seen: set[int] = set()
    for what, folder in place.folders.items():
        there = next((parent for parent in (folder, *folder.absolute().parents) if parent.exists()), None)
        if there is None:
            yield Finding(f"disk of {what}", Status.FAILED, f"{folder} cannot be made", "give another folder")
            continue
        if there.stat().st_dev not in seen:
            seen.add(there.stat().st_dev)
            yield _disk(what, folder, there)


def _disk(what: str, folder: Path, there: Path) -> Finding:
    free = shutil.disk_usage(there).free
    told, what = f"{byte_count(free)} free for {folder}", f"disk of {what}"
    if not there.is_dir() or not os.access(there, os.W_OK):
        return Finding(what, Status.FAILED, f"{there} cannot be written to", "give another folder")
    if free < LITTLE_ROOM:
        return Finding(what, Status.FAILED, told, "make room: `cartl prune` removes what no job needs")
    if free < ROOM_FOR_JOBS:
        return Finding(what, Status.NOTE, told, "larger jobs need more: `cartl prune` makes room")
    return Finding(what, Status.OK, told)


def device_and_data(place: Place) -> Iterator[Finding]:
    """What runs compute on, by a small computation, and which data sets are here; none without torch."""
    if any(name in LIBRARY.needed for name in missing(("worker",)).get("worker", ())):
        yield Finding(
            "device", Status.NOTE, "torch is not installed: no job can run here", "see extra worker"
        )
        return
    done = LIBRARY.run(
        ["machine", f"--data-root={place.data_root}"],
        shown=False,
        seconds=MACHINE_SECONDS,
        with_errors=True,
    )
    try:
        told = Machine.model_validate(loads((done.lines or [""])[-1].encode(), ANSWER))
    except (JsonRefused, ValueError):
        last = next((line for line in reversed(done.lines) if line.strip()), "it said nothing")
        yield Finding("device", Status.FAILED, last[:200], "install torch anew: pip install 'cartl[worker]'")
        return
    yield _device(told)
    yield _data(told.datasets, place.data_root)


def _device(told: Machine) -> Finding:
    runtime = told.runtime
    memory = f", {byte_count(told.memory_bytes)}" if told.memory_bytes else ""
    found = f"{runtime.device}: {runtime.device_name}{memory}, torch {runtime.torch}"
    if told.trouble:
        return Finding(
            "device", Status.FAILED, f"{found}: {told.trouble}", "CARTL_DEVICE=cpu, or mend the driver"
        )
    if runtime.device == "cpu":
        return Finding("device", Status.NOTE, found, "no GPU is seen: small jobs only, such as preset smoke")
    return Finding("device", Status.OK, found)


def _data(found: dict[str, bool], root: Path) -> Finding:
    there = [name for name, is_there in found.items() if is_there]
    absent = [name for name, is_there in found.items() if not is_there]
    told = f"in {root}: {', '.join(there) or 'none'}" + (f"; not {', '.join(absent)}" if absent else "")
    to_do = "a job downloads what it needs; or `cartl fetch NAME`" if absent else ""
    return Finding("data", Status.NOTE if absent else Status.OK, told, to_do)
