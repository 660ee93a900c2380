"""Whether an export is the network: its logits and answers on the same images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from cartl_core.errors import CartlError
from cartl_core.report.exports import MeasuredExport, WithheldReason
from cartl_core.statistics.proportions import wilson

Forward = Callable[[Tensor], Tensor]
"""Images (N, C, H, W) float32 in [0, 1] to logits (N, K), both on the CPU."""

TOLERANCE = 1e-4
"""Of logits, where the largest of them is at most 1; else that much of the largest."""
BATCH = 32


class ExportRefused(CartlError):
    """There is no such export; ``reason`` is the report's code for why."""

    def __init__(self, reason: WithheldReason, message: str) -> None:
        self.reason = reason
        super().__init__(message)


@dataclass(frozen=True)
class Reference:
    """The network's own logits (n, K) on test images and, where there was an attack, adversarial ones."""

    clean: Tensor
    adversarial: Tensor | None
    clean_logits: Tensor
    adversarial_logits: Tensor | None
    labels: Tensor

    @classmethod
    def of(cls, network: Forward, clean: Tensor, adversarial: Tensor | None, labels: Tensor) -> Reference:
        """Measure the network."""
        there = None if adversarial is None else logits_of(network, adversarial)
        return cls(clean, adversarial, logits_of(network, clean), there, labels)


def logits_of(forward: Forward, images: Tensor) -> Tensor:
    """In batches, the last of which may be smaller."""
    with torch.no_grad():
        return torch.cat([forward(part).float() for part in images.split(BATCH)])


def compare(reference: Reference, export: Forward) -> MeasuredExport:
    """Measure an export beside the network.

    Raises:
        ExportRefused: a logit differs by more than ``TOLERANCE``, or an answer does that is no tie.
    """
    own, logits = [reference.clean_logits], [logits_of(export, reference.clean)]
    if reference.adversarial is not None and reference.adversarial_logits is not None:
        own.append(reference.adversarial_logits)
        logits.append(logits_of(export, reference.adversarial))
    pairs = list(zip(own, logits, strict=True))
    largest = max(float(wanted.abs().max()) for wanted in own)
    allowed = TOLERANCE * max(1.0, largest)
    difference = max(float((wanted - found).abs().max()) for wanted, found in pairs)
    # Not "difference > allowed": what is not a number is refused as well.
    if not difference <= allowed:
        raise ExportRefused(
            "logits_differ",
            f"its logits differ from the network's by up to {difference:.3g}; allowed: {allowed:.3g}",
        )
    for wanted, found in pairs:
        _same_answers(wanted, found, allowed)
    robust = None
    if reference.adversarial is not None:
        right = int((logits[1].argmax(dim=1) == reference.labels).sum())
        robust = wilson(right, len(reference.labels))
    return MeasuredExport(n=len(reference.labels), logits_max_difference=difference, robust_accuracy=robust)


def _same_answers(wanted: Tensor, found: Tensor, allowed: float) -> None:
    """Every predicted class is the same, except where the network's two best are as good as equal."""
    if wanted.shape[1] < 2:
        return
    best = wanted.topk(2, dim=1).values
    clear = best[:, 0] - best[:, 1] > 2 * allowed
    differ = int((clear & (wanted.argmax(dim=1) != found.argmax(dim=1))).sum())
    if differ:
        raise ExportRefused("answers_differ", f"it answers {differ} of {len(wanted)} images differently")
