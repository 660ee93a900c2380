"""A student network under transfer: what is tuned, what is frozen, and the modes of each epoch.

The trunk (normalisation, stem, first ``freeze_depth`` blocks) keeps its parameters bit by bit; what
else may move is said by the specification: the tail's affine batch norm, the statistics of tail and
trunk. Modes are set anew before every epoch, so nothing thaws on the way.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor, nn

from cartl_core.data import ImageSet
from cartl_core.execution.stage_context import StageContext
from cartl_core.nn.activations_in_place import set_in_place
from cartl_core.nn.block_list import BlockNetwork
from cartl_core.nn.files import load_network
from cartl_core.nn.module_state import batch_norms, biases_and_norms, preserve_model_state
from cartl_core.nn.neft import apply_nonexpansive, bake
from cartl_core.nn.neft_operator import apply_operator, bake_operator
from cartl_core.nn.network import Network
from cartl_core.nn.rng import generator
from cartl_core.spec import Arm, TransferSpec


class Student:
    """A copy of the teacher with a new head: trunk ``lower``, tail ``upper``, and what of them may move.

    Attributes:
        tuned: every parameter that is tuned in some epoch, by its name in the network.
        body: the tail without its head; the modules are shared.

    Args:
        teacher: the teacher's network file, or the network itself, which is copied.
        classes: of the target.
    """

    def __init__(
        self, arm: Arm, teacher: Path | BlockNetwork, classes: int, seed: int, ctx: StageContext
    ) -> None:
        self.arm, self.spec, self.teacher, self.seed, self.place = arm, arm.transfer, teacher, seed, ctx
        self.network = _copy_of(teacher)
        self.network.replace_head(classes, generator(seed, "head"))
        ctx.install(self.network)
        self.lower, self.upper = self.network.split(arm.freeze_depth)
        self._make_nonexpansive()
        if isinstance(self.network, Network):
            set_in_place(self.network, in_place=True)
        self.tuned = _tuned(self.network, self.upper, self.spec)
        self.body = without_head(self.upper)

    def begin_epoch(self, epoch: int) -> None:
        """Modes and gradients of one epoch, counted from 0."""
        head_only = epoch < self.spec.lwf_head_epochs
        self.network.eval()
        self.network.requires_grad_(False)
        for parameter in self.network.head.parameters() if head_only else self.tuned.values():
            parameter.requires_grad_(True)
        if head_only:
            # It has no batch norm; in train mode its sigma, where it has one, follows its weights.
            self.network.head.train()
            return
        if self.spec.trunk_statistics == "running":
            self.lower.train()
        self.upper.train()
        if self.spec.tail_statistics == "teacher":
            for layer in batch_norms(self.upper):
                layer.eval()

    def settle(self) -> None:
        """End of transfer: converged norms are baked in, so that what is evaluated is what is exported."""
        if isinstance(self.network, Network):
            set_in_place(self.network, in_place=False)
        self.network.eval()
        self.network.requires_grad_(False)
        if self.spec.norm == "operator":
            bake_operator(self.upper)
        elif self.spec.beta is not None:
            bake(self.upper)

    @property
    def inherited(self) -> frozenset[str]:
        """Names of the tuned weights that came from the teacher: all but those of the new head."""
        new = {id(parameter) for parameter in self.network.head.parameters()}
        return frozenset(name for name, value in self.tuned.items() if id(value) not in new)

    def teacher_weights(self) -> dict[str, Tensor]:
        """Copies of the ``inherited`` weights, by name, in the order of ``tuned``."""
        inherited = self.inherited
        return {name: value.detach().clone() for name, value in self.tuned.items() if name in inherited}

    def distillation_teacher(self) -> nn.Sequential:
        """A frozen copy of the teacher's tail without its head: trunk features to the head's input."""
        network = _copy_of(self.teacher)
        self.place.install(network)
        network.eval()
        network.requires_grad_(False)
        return without_head(network.split(self.arm.freeze_depth)[1])

    def _make_nonexpansive(self) -> None:
        """Make the tail non-expansive, by the norm that was asked for."""
        if self.spec.beta is None:
            return
        if self.spec.norm == "reshaped":
            apply_nonexpansive(self.upper, self.spec.beta)
            return
        image = torch.zeros(1, *self.network.image_shape)
        with preserve_model_state(self.lower), torch.no_grad():
            features = self.lower(self.place.put(image))
        apply_operator(self.upper, self.spec.beta, features, generator(self.seed, "power iteration"))


def recalibrate(lower: nn.Module, images: ImageSet, batch_size: int, *, seed: int, ctx: StageContext) -> None:
    """Estimate the trunk's batch-norm statistics anew: one pass over ``images``, a cumulative average.

    Afterwards they are fixed. Batches are drawn at random and hold at least two images.
    """
    layers = batch_norms(lower)
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
    lower.train()
    order = torch.randperm(len(images), generator=generator(seed, "recalibrate"))
    batches = list(torch.split(order, batch_size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    with torch.no_grad():
        for batch in batches:
            ctx.stop.check()
            lower(ctx.put(images[batch]))
    lower.eval()
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


def without_head(upper: nn.Module) -> nn.Sequential:
    """All of a tail but its last block; the modules are shared."""
    assert isinstance(upper, nn.Sequential)
    return nn.Sequential(*list(upper)[:-1])


def _copy_of(teacher: Path | BlockNetwork) -> BlockNetwork:
    return load_network(teacher) if isinstance(teacher, Path) else deepcopy(teacher).eval()


def _tuned(network: BlockNetwork, upper: nn.Module, spec: TransferSpec) -> dict[str, nn.Parameter]:
    """Parameters of the tail by their names in the network, less its weights and affine where frozen."""
    tail = {id(parameter) for parameter in upper.parameters()}
    if spec.tail_weights == "frozen":
        tail = {id(parameter) for parameter in (*biases_and_norms(upper), *network.head.parameters())}
    if spec.tail_affine == "frozen":
        tail -= {id(parameter) for layer in batch_norms(upper) for parameter in layer.parameters()}
    return {name: parameter for name, parameter in network.named_parameters() if id(parameter) in tail}
