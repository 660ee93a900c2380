"""Per-image state of an attack: misclassified flags, adversarial examples, forward passes.

Shared by all attacks: an image that is misclassified without an attack is never attacked, and an image
leaves at its first misclassified iterate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from cartl_core.attacks.uphill import answers

BUCKET = 8
"""Batches shrink in steps of so many images: the kernels of other sizes are slower, whether they are new or
not. Measured with one thread on a busy machine in processor time, WRN-16-2 with stem stride 4, channels_last,
37 passes forth and back while a batch of 127 falls to 19: 838 microseconds an image when every fallen one
leaves at once, 648 in steps of 16, 618 and then (kernels known) 579 in steps of 8. A full batch of 256 takes
470, one of 64 500, one of 32 656: so what stands of 256 images is packed, but not across batches."""

Visit = tuple[Tensor, Tensor]
"""Points (rows, C, H, W) and the model's logits there (rows, K)."""


@dataclass(frozen=True)
class AttackOutcome:
    """What an attack did to N images."""

    broken: Tensor
    """(N,) bool: wrong without an attack, fooled by some iterate, or skipped."""
    adversarial: Tensor
    """(N, C, H, W): the first image that fooled the model; where it stood, the last one tried (of attacks
    that keep it, the best); where it was wrong from the start or skipped, the image itself."""
    passes: int
    """Images sent through the model, over all steps: what the attack cost."""
    not_finite: Tensor
    """(N,) bool: broken, because the model's logits for ``adversarial`` are not all finite."""

    def __str__(self) -> str:
        """For example ``3 of 4 broken, 41 forward passes``."""
        count = f"{self.passes:,} forward {'pass' if self.passes == 1 else 'passes'}"
        without = int(self.not_finite.sum())
        why = f" ({without} with logits that are not finite)" if without else ""
        return f"{int(self.broken.sum())} of {len(self.broken)} broken{why}, {count}"


@dataclass
class AttackState:
    """An attack under way; ``where`` (rows,) in its methods maps rows of a batch to images."""

    model: nn.Module
    images: Tensor
    labels: Tensor
    logits: Tensor
    """(N, C): of the images themselves."""
    broken: Tensor
    adversarial: Tensor
    passes: int
    not_finite: Tensor
    samples: int = 1
    """Passes that each look at an iterate takes."""

    @classmethod
    def begin(
        cls,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        skip: Tensor | None = None,
        samples: int = 1,
    ) -> Self:
        """With ``samples`` passes over the images themselves; those of ``skip`` (N,) bool count as broken."""
        logits = answers(model, images, samples)
        broken = misclassified(logits, labels)
        if skip is not None:
            broken |= skip.to(broken.device)
        infinite = not_finite(logits)
        passes = samples * len(images)
        return cls(model, images, labels, logits, broken, images.clone(), passes, infinite, samples)

    def entering(self) -> Tensor:
        """(rows,) int64: the images to attack: those that nothing has fooled yet.

        Some others fill the last bucket, if the batch has so many; whatever becomes of them is not noted.
        """
        robust = ~self.broken
        size = _bucketed(robust)
        return _first(robust, size if size <= len(robust) else int(robust.sum()))

    def note(self, logits: Tensor, iterate: Tensor, where: Tensor, *, counts: Tensor | None = None) -> Tensor:
        """Write down who is fooled for the first time; returns (rows,) bool: who still stands.

        ``counts`` (rows,) bool: iterates inside the ball, of attacks that leave it; None: all are.
        """
        self.passes += self.samples * len(where)
        fooled = misclassified(logits, self.labels[where]) & ~self.broken[where]
        if counts is not None:
            fooled &= counts
        self.adversarial[where[fooled]] = iterate.detach()[fooled]
        self.broken[where[fooled]] = True
        self.not_finite[where[fooled & not_finite(logits)]] = True
        return ~self.broken[where]

    def outcome(self) -> AttackOutcome:
        """The record as it is now."""
        return AttackOutcome(self.broken, self.adversarial, self.passes, self.not_finite)


@dataclass
class CycleDetector:
    """The last two visits of a batch, the newest last: who moves in a circle has shown all it will ever try.

    A deterministic attack's next point is a function of the point alone, once the model's answer is. If a
    point is that of two steps ago, and the model answers with the very same logits, the same two points
    follow for ever, neither of which fooled the model. A model that answers at random does not repeat its
    logits, so its images go on. Points and logits are compared bit by bit: no tolerance decides, only that
    the next steps would round as the last ones did, as they do whatever the batch. Circles of more than two
    points are rare; such images go on as well.
    """

    circled: Tensor
    """(rows,) bool: seen moving in a circle."""
    visits: tuple[Visit, ...] = ()

    @classmethod
    def begin(cls, where: Tensor) -> CycleDetector:
        """Nobody has been anywhere. where: (rows,), any type, on the device of the batch."""
        return cls(torch.zeros_like(where, dtype=torch.bool))

    def follow(self, points: Tensor, logits: Tensor) -> Tensor:
        """Write down a visit of all rows; returns (rows,) bool: who is newly seen in a circle."""
        new = torch.zeros_like(self.circled)
        if len(self.visits) == 2:
            before, said = self.visits[0]
            new = (points == before).flatten(1).all(1) & (logits == said).all(1) & ~self.circled
        self.circled = self.circled | new
        self.visits = (*self.visits[-1:], (points, logits))
        return new

    def ahead(self, steps: int) -> Tensor:
        """(rows, C, H, W): where whoever moves in a circle will be so many steps on."""
        points, _ = self.visits[-1 - steps % 2]
        return points

    def of(self, rows: Tensor) -> CycleDetector:
        """The detector of some rows."""
        visits = tuple((points[rows], logits[rows]) for points, logits in self.visits)
        return CycleDetector(self.circled[rows], visits)


def misclassified(logits: Tensor, labels: Tensor) -> Tensor:
    """(N,) bool: another class wins, or the logits are not all finite. logits: (N, C); labels: (N,)."""
    wrong: Tensor = logits.argmax(dim=1) != labels
    return wrong | not_finite(logits)


def not_finite(logits: Tensor) -> Tensor:
    """(N,) bool: a logit of the image is infinite or not a number. logits: (N, C)."""
    return ~logits.isfinite().all(dim=1)


def packed(robust: Tensor) -> Tensor | None:
    """Of (rows,) bool: the rows to go on with, all that stand and what fills their bucket; None: all rows."""
    size = _bucketed(robust)
    return _first(robust, size) if size < len(robust) else None


def _bucketed(robust: Tensor) -> int:
    return -(-int(robust.sum()) // BUCKET) * BUCKET


def _first(robust: Tensor, size: int) -> Tensor:
    """(size,) int64: row numbers, rising; those that stand come before others."""
    order = (~robust).to(torch.uint8).argsort(stable=True)
    return order[:size].sort().values
