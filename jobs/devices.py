"""The devices of a worker as a deployment declares them, and the slots on them: one run at a time in each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

AUTO = "auto"
CPU, CUDA = "cpu", "cuda"
MOST_DEVICES = 64
HOW = f"`{AUTO}`, or up to {MOST_DEVICES} of `{CPU}` and `{CUDA}:N` with commas, no GPU twice"

_GPU = re.compile(r"cuda:(0|[1-9][0-9]{0,2})")


@dataclass(frozen=True)
class Device:
    """What one run computes on.

    Attributes:
        kind: `cpu` or `cuda`.
        number: from 0 within its kind; of a GPU, its place among those that the worker sees.
    """

    kind: str
    number: int

    @property
    def id(self) -> str:
        """As in claims, lists and metrics, e.g. ``cuda:1``."""
        return f"{self.kind}:{self.number}"


@dataclass(frozen=True)
class Slot:
    """A place for one run; ``number`` counts from 0 within its worker."""

    number: int
    device: Device


ONE_CPU = (Device(CPU, 0),)


def parse_devices(written: str) -> tuple[Device, ...]:
    """The devices that a setting names; none for ``auto``.

    Raises:
        ValueError: it is no such list; the message says what is.
    """
    if written.strip() == AUTO:
        return ()
    parts = [part.strip() for part in written.split(",")]
    if len(parts) > MOST_DEVICES or any(part != CPU and not _GPU.fullmatch(part) for part in parts):
        raise ValueError(f"it is {HOW}")
    cpus, devices = 0, []
    for part in parts:
        if part == CPU:
            devices.append(Device(CPU, cpus))
            cpus += 1
        else:
            devices.append(Device(CUDA, int(part.removeprefix(f"{CUDA}:"))))
    if max(Counter(devices).values()) > 1:
        raise ValueError(f"it is {HOW}; CARTL_SLOTS sets how many runs share each device")
    return tuple(devices)


def gpus(count: int) -> str:
    """The setting that declares all GPUs of a worker that sees ``count``, at least 1."""
    return ",".join(f"{CUDA}:{number}" for number in range(min(count, MOST_DEVICES)))


def slots_on(devices: Sequence[Device], each: int) -> tuple[Slot, ...]:
    """``each`` slots a device; the first ones lie on different devices, so runs spread before they share."""
    return tuple(Slot(number, devices[number % len(devices)]) for number in range(each * len(devices)))


def visible_gpu(device: str | None, seen: str | None) -> str:
    """The value of ``CUDA_VISIBLE_DEVICES`` for a process that is to see one device.

    Args:
        device: its id; no GPU is visible for a CPU or None.
        seen: the worker's own value, where it has one: its entries may be numbers or names of parts of GPUs.

    Raises:
        ValueError: ``seen`` has no such entry.
    """
    if device is None or not _GPU.fullmatch(device):
        return ""
    number = int(device.removeprefix(f"{CUDA}:"))
    if seen is None:
        return str(number)
    entries = [entry.strip() for entry in seen.split(",")]
    if number >= len(entries):
        raise ValueError(f"CUDA_VISIBLE_DEVICES has {len(entries)} entries, so there is no {device}")
    return entries[number]
