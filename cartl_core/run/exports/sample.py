"""The images on which exports are measured: some of the test images, and what an attack makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from cartl_core.attacks import run_attack
from cartl_core.catalog.networks import layout_of
from cartl_core.data import Split
from cartl_core.nn.files import load_network
from cartl_core.run.samples import some_of
from cartl_core.spec import AttackSpec, ModelSpec

MOST_IMAGES = 128
FEWEST_IMAGES = 8
MACS = 2e11
"""Multiply-adds that one pass of all images may cost: of a large network there are fewer images."""
STEPS = 10


@dataclass(frozen=True)
class ExportImages:
    """(n, C, H, W) in [0, 1] twice, and labels (n,); ``adversarial`` is None where there is no attack."""

    clean: Tensor
    adversarial: Tensor | None
    labels: Tensor

    def save(self, path: Path) -> None:
        """As the exporting process reads it."""
        tensors = {"clean": self.clean.contiguous(), "labels": self.labels.contiguous()}
        if self.adversarial is not None:
            tensors["adversarial"] = self.adversarial.contiguous()
        safetensors.torch.save_file(tensors, path)


def export_images(
    network_file: Path,
    test: Split,
    last: AttackSpec | None,
    *,
    model: ModelSpec,
    seed: int,
    batch_size: int,
    device: torch.device,
) -> ExportImages:
    """At most ``MOST_IMAGES`` of the test images, the same for the same seed, and adversarial ones of them.

    Args:
        last: the last attack of the evaluation. Its own may cost hours; what is compared here are two
            copies of one network, so that a short PGD within its norm and radius serves.
    """
    images = some_of(test, min(_affordable(model), len(test.labels)), seed, "export images")
    clean, labels = images.images.tensor().float(), images.labels
    if last is None or last.eps == 0:
        return ExportImages(clean, None, labels)
    network = load_network(network_file).to(device).requires_grad_(False)
    attack = AttackSpec(
        label="exports", name="pgd", norm=last.norm, loss="ce", eps=last.eps, step=last.eps / 4, steps=STEPS
    )
    adversarial = [
        run_attack(
            network,
            clean[part].to(device),
            labels[part].to(device),
            attack,
            seed=seed,
            label=attack.label,
            indices=images.index[part],
        ).adversarial.cpu()
        for first in range(0, len(labels), batch_size)
        for part in (slice(first, first + batch_size),)
    ]
    return ExportImages(clean, torch.cat(adversarial), labels)


def _affordable(model: ModelSpec) -> int:
    shape: tuple[int, ...] = (model.channels, model.image_size, model.image_size)
    layout, macs = layout_of(model, 1), 0
    for layer in (layout.stem, *layout.blocks):
        passage = layer.passage(shape)
        shape, macs = passage.shape, macs + passage.macs
    return int(max(FEWEST_IMAGES, min(MOST_IMAGES, MACS // max(macs, 1))))
