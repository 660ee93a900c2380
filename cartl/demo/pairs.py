"""Which pair the demo transfers: the best that this machine can have without asking.

Only the demo looks at the machine; a job's defaults come from the catalog alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cartl.demo import fashion

Say = Callable[[str], None]
# All tries to fetch a data set end within this time.
FETCH_SECONDS = 30.0


@dataclass(frozen=True)
class Pair:
    """A source -> target pair, as the request that the demo posts."""

    title: str
    request: Mapping[str, Any]
    has_acceptance_criteria: bool
    """Does the `quick` preset promise figures for this pair? (See ``cartl.demo.promises``.)"""


@dataclass(frozen=True)
class ChosenPair:
    """A pair, and in words why it was taken."""

    pair: Pair
    why: str


# Shorter than its preset, for minutes on two cores: most of the preset goes into curves, checks and epochs
# that change little. What is measured, and how many test images are attacked, stays.
FASHION = Pair(
    title="Fashion-MNIST, six kinds of clothing -> the four others",
    request={
        "name": "demo: Fashion-MNIST classes 0-5 to 6-9",
        "dataset": {"name": "fashion_mnist", "classes": [6, 7, 8, 9]},
        "source": {"name": "fashion_mnist", "classes": [0, 1, 2, 3, 4, 5], "train_limit": 8000},
        "method": "consistent",
        "freeze_depth": 2,
        "baselines": ["vanilla", "cartl"],
        "preset": "quick",
        "pretrain": {"epochs": 3},
        "transfer": {"epochs": 4, "validate_images": 256},
        "evaluate": {"curve": {"images": 128}, "checks": {"queries": 100}},
        "tags": ["demo"],
    },
    has_acceptance_criteria=True,
)

# 720 images are 6 batches an epoch: more epochs, and smaller batches.
DIGITS = Pair(
    title="handwritten digits, 0-4 -> 5-9",
    request={
        "name": "demo: digits 0-4 to 5-9",
        "dataset": {"name": "digits", "classes": [5, 6, 7, 8, 9]},
        "source": {"name": "digits", "classes": [0, 1, 2, 3, 4]},
        "method": "consistent",
        "freeze_depth": 2,
        "baselines": ["vanilla", "cartl"],
        "preset": "quick",
        "pretrain": {"epochs": 40, "batch_size": 64},
        "transfer": {"epochs": 30, "batch_size": 64},
        "tags": ["demo"],
    },
    has_acceptance_criteria=False,
)


def choose(
    data_root: Path,
    say: Say,
    *,
    seconds: float = FETCH_SECONDS,
    command: Sequence[str] = fashion.FETCH,
) -> ChosenPair:
    """Fashion-MNIST where it is present or can be fetched, else digits, which needs no files.

    Args:
        data_root: where the service looks for data sets.
        say: called with a sentence when something is fetched, which takes a while.
        seconds: all tries to fetch end within this time.
        command: fetches the data set into the folder that is added to it.
    """
    present = fashion.find(data_root)
    if present is not None:
        return ChosenPair(FASHION, f"its files are in {_shown(present)}")
    say(f"Fetching Fashion-MNIST into {_shown(data_root)} (tried for at most {seconds:.0f} seconds).")
    try:
        fetched = fashion.fetch(data_root, seconds, command)
    except fashion.NotFetched as error:
        return ChosenPair(DIGITS, f"these come with scikit-learn; Fashion-MNIST could not be had: {error}")
    return ChosenPair(FASHION, f"its files were fetched into {_shown(fetched)} and verified")


def _shown(path: Path) -> str:
    """Relative to where the person stands, when it is below."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
