"""Transfer written as its definition reads, with PyTorch alone: what the benchmarks set beside this library.

Images are floats in memory, contiguous. Each step sends its images through the whole network, the frozen
trunk included; ``consistent`` attacks the trunk anew in each step. What the definitions have in common with
ours (the surgery of NEFT, the divergence of ``consistent``) is called from the library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.ratios.plain_loop import uniform_start
from cartl_core.nn.losses import divergence
from cartl_core.nn.neft import apply_nonexpansive
from cartl_core.nn.network import Network
from cartl_core.spec import DisplacementSpec, TransferSpec


@dataclass(frozen=True, eq=False)
class PlainTransfer:
    """A network under transfer: its trunk asks for no gradient and stays in eval mode.

    Attributes:
        network: changed in place.
        freeze_depth: leading blocks that are frozen.
        start: gives images (N, C, H, W) the first perturbation of their displacement, within a radius.
    """

    network: Network
    freeze_depth: int
    spec: TransferSpec
    start: Callable[[Tensor, float], Tensor] = uniform_start

    def begin(self) -> torch.optim.SGD:
        """Make the tail ready, and the optimiser of its parameters."""
        lower, upper = self.network.split(self.freeze_depth)
        if self.spec.beta is not None:
            apply_nonexpansive(upper, self.spec.beta)
        self.network.train()
        lower.eval()
        lower.requires_grad_(False)
        return torch.optim.SGD(
            [parameter for parameter in self.network.parameters() if parameter.requires_grad],
            lr=self.spec.lr,
            momentum=self.spec.momentum,
            weight_decay=self.spec.weight_decay,
        )

    def epoch(
        self, images: Tensor, labels: Tensor, optimizer: torch.optim.SGD, order: Tensor | None = None
    ) -> None:
        """One pass over (N, C, H, W) and (N,), a step a batch; ``order`` (N,): None draws one."""
        drawn = torch.randperm(len(images)) if order is None else order
        for chosen in drawn.split(self.spec.batch_size):
            optimizer.zero_grad()
            self.loss(images[chosen], labels[chosen]).backward()
            optimizer.step()

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy, and for ``consistent`` what displaced features add to it."""
        moved = self.spec.displacement
        if moved is None:
            return functional.cross_entropy(self.network(images), labels)
        lower, upper = self.network.split(self.freeze_depth)
        clean, displaced = lower(images), lower(farthest(lower, images, moved, self.start))
        upper.eval()
        asked = clean.detach().requires_grad_(True)
        (uphill,) = torch.autograd.grad(functional.cross_entropy(upper(asked), labels), asked)
        upper.train()
        features = clean + moved.reach * (displaced - clean).abs() * uphill.sign()
        logits, other = upper(torch.cat([clean, features])).chunk(2)
        return functional.cross_entropy(logits, labels) + moved.weight * divergence(other, logits).mean()


def farthest(
    lower: nn.Module,
    images: Tensor,
    spec: DisplacementSpec,
    start: Callable[[Tensor, float], Tensor] = uniform_start,
) -> Tensor:
    """Images (N, C, H, W) moved within eps so that their features end far from where they were."""
    clean = lower(images).detach()
    moved = (images + start(images, spec.eps)).clamp(0, 1)
    for _ in range(spec.steps):
        moved = moved.detach().requires_grad_(True)
        distance = (lower(moved) - clean).flatten(1).norm(dim=1).sum()
        (uphill,) = torch.autograd.grad(distance, moved)
        moved = images + (moved.detach() + spec.step * uphill.sign() - images).clamp(-spec.eps, spec.eps)
        moved = moved.clamp(0, 1)
    return moved.detach()
