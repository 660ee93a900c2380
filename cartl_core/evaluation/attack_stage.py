"""Stage 3: one attack on one network, image by image, in eval mode and judged in fp32.

Outcomes are kept per image, so that attacks are combined and methods compared on the very same images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from cartl_core.attacks import (
    LowPrecision,
    attack_begun_low,
    attack_with_surrogate,
    fold_batch_norm,
    misclassified,
    not_finite,
)
from cartl_core.attacks.attack_state import AttackOutcome
from cartl_core.catalog.low_precision import begun_in
from cartl_core.data import Split
from cartl_core.errors import PartFinished
from cartl_core.evaluation.attack_progress import watched
from cartl_core.evaluation.batches import Rows, in_batches
from cartl_core.evaluation.parts import write_part
from cartl_core.execution.stage_context import StageContext
from cartl_core.nn.files import load_network
from cartl_core.nn.network import Network
from cartl_core.spec import AttackSpec
from cartl_core.storage.atomic_write import write_whole
from cartl_core.storage.disk_errors import disk_faults
from cartl_core.storage.stage_result import NETWORK, OUTCOMES, read_result, write_result


@dataclass(frozen=True)
class Outcomes:
    """What one attack (or none) left correct.

    Attributes:
        robust: (n,) bool: right without an attack and never misclassified.
        index: (n,) original positions of the images in their data set.
        seconds: of computing, over all attempts.
        not_finite: (n,) bool: misclassified because a logit was not finite.
        answers: (n,) int64, the predicted classes, of the measurement without an attack. None under an
            attack, and in results that were stored before answers were.
    """

    robust: Tensor
    index: Tensor
    seconds: float
    not_finite: Tensor
    answers: Tensor | None = None


def evaluate(
    network_directory: Path,
    images: Split,
    attack: AttackSpec | None,
    *,
    seed: int,
    batch_size: int,
    ctx: StageContext,
) -> None:
    """Measure one stored network and write the outcomes to ``ctx``; goes on at the batch it had reached.

    Args:
        images: the test images used, the same for every network that is compared.
        attack: None measures accuracy without an attack.

    Raises:
        PartFinished: only a part was asked for (``ctx.rows``), and it is written.
    """
    doubles = _doubles(ready_network(network_directory, ctx), attack, ctx)
    first, last = ctx.rows or (0, len(images.labels))

    def measure(part: slice) -> Rows:
        there = slice(first + part.start, first + part.stop)

        def tell(share: float) -> None:
            ctx.progress((part.start + share * (part.stop - part.start)) / (last - first))

        return _batch(doubles, images, there, attack, seed, ctx, tell)

    rows, seconds = in_batches(last - first, batch_size, measure, ctx)
    if ctx.rows is not None:
        write_part(ctx.directory, rows, seconds)
        raise PartFinished
    store_rows({**rows, "index": images.index}, ctx)
    facts = {"n": len(rows["held"]), "held": int(rows["held"].sum()), "seconds": seconds}
    write_result(ctx.directory, facts, [OUTCOMES])


def read_outcomes(directory: Path) -> Outcomes:
    """The outcomes of a finished measurement.

    Raises:
        ResumeMismatch: they are not as they were written.
    """
    facts = read_result(directory)
    tensors = safetensors.torch.load((directory / OUTCOMES).read_bytes())
    robust = tensors["held"]
    return Outcomes(
        robust,
        tensors["index"],
        float(facts["seconds"]),
        tensors.get("not_finite", torch.zeros_like(robust)),
        tensors.get("answer"),
    )


def ready_network(directory: Path, ctx: StageContext) -> Network:
    """A stored network as it is measured: here, in eval mode, its parameters without gradients."""
    network = load_network(directory / NETWORK)
    ctx.install(network)
    network.eval()
    network.requires_grad_(False)
    return network


def store_rows(rows: Rows, ctx: StageContext) -> None:
    """Write the rows of all images beside the stage's result."""
    with disk_faults("the outcomes of a measurement"):
        whole = {name: tensor.contiguous() for name, tensor in rows.items()}
        write_whole(ctx.directory / OUTCOMES, safetensors.torch.save(whole))


@dataclass(frozen=True)
class _Doubles:
    """A network, and the copies of it that are attacked in its place.

    Attributes:
        surrogate: with batch norm folded.
        low: the same in bf16, where the attack begins so.
    """

    network: Network
    surrogate: Network
    low: LowPrecision | None

    def attack(self, x: Tensor, labels: Tensor, attack: AttackSpec, seed: int, at: Tensor) -> AttackOutcome:
        """Images (n, C, H, W) at positions ``at`` (n,): the copies are attacked, the network decides."""
        run = attack_with_surrogate if self.low is None else partial(attack_begun_low, self.low)
        return run(self.network, self.surrogate, x, labels, attack, seed=seed, label=attack.label, indices=at)


def _doubles(network: Network, attack: AttackSpec | None, ctx: StageContext) -> _Doubles:
    surrogate = fold_batch_norm(network)
    ctx.install(surrogate)
    low = LowPrecision(surrogate) if begun_in(attack, ctx.runtime) == "bf16" else None
    return _Doubles(network, surrogate, low)


def _batch(
    doubles: _Doubles,
    images: Split,
    part: slice,
    attack: AttackSpec | None,
    seed: int,
    ctx: StageContext,
    tell: Callable[[float], None],
) -> Rows:
    """Which images of this batch are correct."""
    x, labels = ctx.put(images.images[part]), images.labels[part].to(ctx.device)
    if attack is None:
        with torch.no_grad():
            logits = doubles.network(x)
        return {
            "held": ~misclassified(logits, labels),
            "answer": logits.argmax(dim=1),
            "not_finite": not_finite(logits),
        }
    with watched(doubles.surrogate, attack, tell, low=doubles.low):
        outcome = doubles.attack(x, labels, attack, seed, images.index[part])
    return {"held": ~outcome.broken, "not_finite": outcome.not_finite}
