"""Which devices this worker has: as declared, or every GPU that is seen, else the CPU."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from jobs.devices import AUTO, CPU, CUDA, gpus, parse_devices
from jobs.errors import SettingsInvalid
from jobs.settings import Settings

DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"), Path("/dev/kfd"))
"""One of them is there where a GPU may be: NVIDIA's driver, Windows' for Linux, AMD's."""
COUNT = "import torch; print(torch.cuda.device_count())"
COUNT_SECONDS = 120.0

log = logging.getLogger(__name__)


def count_gpus() -> int:
    """GPUs that a run of this worker would see: torch is asked, in a process of its own, where any may be."""
    if not any(driver.exists() for driver in DRIVERS):
        return 0
    try:
        done = subprocess.run(
            [sys.executable, "-c", COUNT], capture_output=True, text=True, timeout=COUNT_SECONDS, check=True
        )
        return int(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        log.warning("the GPUs could not be counted (%s): none is used", type(error).__name__)
        return 0


def with_devices(settings: Settings, count: Callable[[], int] = count_gpus) -> Settings:
    """The settings with every device named.

    Args:
        count: how many GPUs are seen; called only where that matters.

    Raises:
        SettingsInvalid: a GPU is asked for that is not seen.
    """
    if settings.devices != AUTO:
        _refuse_missing(settings, count)
        return settings
    seen = 0 if settings.device == CPU else count()
    if seen == 0 and settings.device == CUDA:
        raise SettingsInvalid(
            "CARTL_DEVICE: cuda is asked for, and this worker sees no GPU; allowed: auto, cpu"
        )
    return settings.model_copy(update={"devices": gpus(seen) if seen else CPU})


def _refuse_missing(settings: Settings, count: Callable[[], int]) -> None:
    wanted = [device.number for device in parse_devices(settings.devices) if device.kind == CUDA]
    if not wanted:
        return
    seen = count()
    if max(wanted) >= seen:
        allowed = f"cpu, and cuda:0 to cuda:{seen - 1}" if seen else "cpu, auto"
        raise SettingsInvalid(
            f"CARTL_DEVICES: cuda:{max(wanted)} is declared, and this worker sees {seen} GPUs; "
            f"allowed: {allowed}"
        )
