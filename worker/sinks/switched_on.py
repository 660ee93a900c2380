"""Which sinks a deployment has switched on, and whether what they need is installed."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from jobs.errors import SettingsInvalid
from jobs.settings import Settings
from worker.host.task_slot_process import TaskSlotProcess

WEBHOOKS = "webhooks"
PACKAGES = {"mlflow": ("CARTL_MLFLOW_URI", "MLflow"), "wandb": ("CARTL_WANDB_MODE", "Weights & Biases")}
"""By the name of a tracker, which is that of its package and of our extra: its setting, and its own name."""


def switched_on(settings: Settings) -> tuple[str, ...]:
    """The sinks of this deployment, by name."""
    return (*settings.trackers, *([WEBHOOKS] if settings.webhooks else []))


def check_packages(settings: Settings) -> None:
    """Refuse a tracker that is switched on and not installed.

    Raises:
        SettingsInvalid: it names the setting and the extra.
    """
    missing = [name for name in settings.trackers if name in PACKAGES and not _is_installed(name)]
    if missing:
        raise SettingsInvalid("\n".join(map(_in_words, missing)))


def _is_installed(package: str) -> bool:
    """A folder of that name in the working directory, where runs of W&B may lie, is no package."""
    found = find_spec(package)
    return found is not None and found.origin is not None


def _in_words(name: str) -> str:
    variable, words = PACKAGES[name]
    return f"{variable} is set, but {words} is not installed: pip install 'cartl[{name}]', or unset it"


def sink_processes(settings: Settings) -> list[TaskSlotProcess]:
    """A process for each sink that is switched on, not started yet."""
    return [
        TaskSlotProcess((sys.executable, "-m", "worker.sinks", name), f"the sink {name}")
        for name in switched_on(settings)
    ]
