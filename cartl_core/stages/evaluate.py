"""Stage 3: one attack on one network, image by image, in eval mode and fp32.

Outcomes are kept per image, so that attacks are combined and methods compared on the very same images.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from cartl_core.attacks import launch, misclassified
from cartl_core.blocks import Network
from cartl_core.checkpoint import Checkpoint
from cartl_core.data import Split
from cartl_core.faults import disk_faults, memory_faults
from cartl_core.results import read_result, write_result
from cartl_core.spec import AttackSpec
from cartl_core.stages import NETWORK, OUTCOMES
from cartl_core.weights import load_network, write_whole
from cartl_core.workplace import Workplace


@dataclass(frozen=True)
class Outcomes:
    """What one attack (or none) left standing.

    Attributes:
        held: (n,) bool: right without an attack and never fooled.
        index: (n,) original positions of the images in their data set.
        seconds: of computing, over all attempts.
    """

    held: Tensor
    index: Tensor
    seconds: float


def evaluate(
    network_directory: Path,
    images: Split,
    attack: AttackSpec | None,
    *,
    seed: int,
    batch_size: int,
    place: Workplace,
) -> None:
    """Measure one stored network and write the outcomes to ``place``; goes on at the batch it had reached.

    Args:
        images: the test images used, the same for every network that is compared.
        attack: None measures accuracy without an attack.
    """
    network = load_network(network_directory / NETWORK)
    place.install(network)
    network.eval()
    network.requires_grad_(False)
    saved = place.saved
    held = list(torch.split(saved.tensors["held"], batch_size)) if saved else []
    seconds = float(saved.state["seconds"]) if saved else 0.0
    count = len(images.labels)
    with memory_faults(batch_size, place.key.label):
        for first in range(len(held) * batch_size, count, batch_size):
            _pause(held, seconds, first / count, place)
            started = time.monotonic()
            held.append(_batch(network, images, slice(first, first + batch_size), attack, seed, place))
            seconds += time.monotonic() - started
    _store(torch.cat(held), images.index, seconds, place)


def read_outcomes(directory: Path) -> Outcomes:
    """The outcomes of a finished measurement.

    Raises:
        ResumeMismatch: they are not as they were written.
    """
    facts = read_result(directory)
    tensors = safetensors.torch.load((directory / OUTCOMES).read_bytes())
    return Outcomes(tensors["held"], tensors["index"], float(facts["seconds"]))


def _batch(
    network: Network, images: Split, part: slice, attack: AttackSpec | None, seed: int, place: Workplace
) -> Tensor:
    """(n,) bool, on the CPU: which images of this batch hold."""
    x, labels = place.put(images.images[part]), images.labels[part].to(place.device)
    if attack is None:
        with torch.no_grad():
            return (~misclassified(network(x), labels)).cpu()
    outcome = launch(network, x, labels, attack, seed=seed, label=attack.label, indices=images.index[part])
    return (~outcome.broken).cpu()


def _pause(held: list[Tensor], seconds: float, fraction: float, place: Workplace) -> None:
    """Between two batches: tell how far we are, save when it is time, stop when asked to."""
    place.progress(fraction)
    if held and (place.stop.why is not None or place.checkpoints.due()):
        place.checkpoints.save(Checkpoint({"held": torch.cat(held)}, {"seconds": seconds}, fraction))
    place.stop.check()


def _store(held: Tensor, index: Tensor, seconds: float, place: Workplace) -> None:
    with disk_faults("the outcomes of an attack"):
        write_whole(
            place.directory / OUTCOMES, safetensors.torch.save({"held": held, "index": index.contiguous()})
        )
    facts = {"n": len(held), "held": int(held.sum()), "seconds": seconds}
    write_result(place.directory, facts, [OUTCOMES])
