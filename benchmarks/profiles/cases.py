"""What is profiled: a step of feature distance minimisation, an epoch of consistent tuning, PGD-100."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import attack_networks, attack_runs
from benchmarks.profiles.shares import Watched, whole
from benchmarks.ratios import transfer_epochs
from benchmarks.ratios.training_steps import CASES, Training
from benchmarks.reference_pgd import reference_pgd

PLAIN, OURS = "a plain loop", "ours"
NETWORK, EPS, STEPS, IMAGES = "neft", 0.049, 100, 256
"""Of ``make bench-attacks``: half of the images stand."""


@dataclass(frozen=True)
class Profiled:
    """Ways to the same end.

    Attributes:
        what: is done, with its sizes.
        ways: by name.
        rounds: over which seconds are a median.
    """

    what: str
    ways: Mapping[str, Watched]
    rounds: int = 3


@dataclass(frozen=True)
class Places:
    """Folders outside the checkout: what is trained for attacks and kept, and the data."""

    networks: Path
    data_root: Path


def fdm_step(places: Places) -> Profiled:
    """A step of pretraining."""
    name = next(iter(CASES))
    training = Training.of(CASES[name], fdm=True)
    as_usual = partial(training.plain, torch.contiguous_format)
    return Profiled(f"FDM step, {name}", {PLAIN: whole(as_usual), OURS: whole(training.ours)})


def consistent_epoch(places: Places) -> Profiled:
    """An epoch, and ours apart from what it computes once."""
    case = transfer_epochs.Case("consistent", 4, images=32, batch_size=16)
    epochs, folder = case.arm().transfer.epochs, Path(tempfile.gettempdir())

    def of_ours(around: AbstractContextManager[Any], *, before: bool) -> None:
        with ExitStack() as open_parts:
            if before:
                open_parts.enter_context(around)
            began = open_parts.close if before else partial(open_parts.enter_context, around)
            transfer_epochs.ours(case, folder, epoch_begins=began)

    return Profiled(
        f"consistent epoch, 4 blocks of WRN-28-4, {case.images} images, batch {case.batch_size}",
        {
            f"{PLAIN}, an epoch": partial(transfer_epochs.plain, case),
            f"{OURS}, an epoch": partial(of_ours, before=False),
            f"{OURS}, once before {epochs} epochs": partial(of_ours, before=True),
        },
        rounds=1,
    )


def pgd_100(places: Places) -> Profiled:
    """PGD-100 where half of the images stand."""
    network = attack_networks.networks({NETWORK}, places.networks, places.data_root)[NETWORK]
    x, y = attack_networks.images(places.data_root, IMAGES)
    attack = attack_runs.pgd_spec("linf", EPS, STEPS)
    start = torch.empty_like(x).uniform_(-EPS, EPS, generator=torch.Generator().manual_seed(0))
    ways = {
        PLAIN: whole(partial(_as_usual, network, x, y, start)),
        OURS: whole(partial(attack_runs.ours, network, x, y, attack)),
    }
    what = f"PGD-{STEPS} in linf, radius {EPS}, WRN-16-2, 28 x 28, stem stride 4, {len(x)} images"
    return Profiled(what, ways, rounds=1)


def _as_usual(network: nn.Module, x: Tensor, y: Tensor, start: Tensor) -> Tensor:
    network = network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    step = EPS / attack_runs.SHORTER
    return reference_pgd(network, x, y, start, norm="linf", eps=EPS, step=step, steps=STEPS)


PROFILES: dict[str, Callable[[Places], Profiled]] = {
    "fdm-step": fdm_step,
    "consistent-epoch": consistent_epoch,
    "pgd-100": pgd_100,
}
"""By the name of the file of results."""
