"""Stage 2: from a teacher to a student on the target (Chen et al. 2021; Shafahi et al. 2020 for LwF).

The trunk (normalisation, stem, first ``freeze_depth`` blocks) keeps its parameters bit by bit; what
else may move is said by the specification: the tail's affine batch norm, the statistics of tail and
trunk. Modes are set anew before every epoch, so nothing thaws on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from cartl_core.catalog.evaluations import validation_attack
from cartl_core.data import Loaded, Split
from cartl_core.execution.stage_context import Workplace
from cartl_core.nn.batch_norm import batch_norms
from cartl_core.nn.files import load_network, save_network
from cartl_core.nn.frozen import untouched
from cartl_core.nn.losses import anchor_penalty, cross_entropy, divergence, feature_drift
from cartl_core.nn.neft import apply_nonexpansive, bake, sigmas
from cartl_core.nn.neft_operator import apply_operator, bake_operator
from cartl_core.nn.network import Network
from cartl_core.nn.rng import generator
from cartl_core.spec import Arm, DisplacementSpec
from cartl_core.statistics.checkpoint_selection import CLEAN, ROBUST
from cartl_core.storage.disk_errors import disk_faults
from cartl_core.storage.stage_result import NETWORK, write_result
from cartl_core.training.feature_perturbation import cached_features, displaced, moved_features
from cartl_core.training.gradient import Loss, Moment, Objective
from cartl_core.training.loop import Course, fit
from cartl_core.training.pretrain import attack_batch
from cartl_core.training.schedule import attack_strength
from cartl_core.training.validation import clean_accuracy, robust_accuracy, told_of


def transfer(arm: Arm, teacher: Path, target: Loaded, *, seed: int, place: Workplace) -> None:
    """Tune a copy of the teacher and write ``network.safetensors`` and the result to ``place``.

    Args:
        teacher: the teacher's network file; its normalisation is kept for the target.
    """
    student = Student(arm, teacher, len(target.class_names), seed, place)
    fitted = fit(student.course(target), arm.transfer, seed=seed, place=place)
    student.settle()
    with disk_faults("the student"):
        save_network(place.directory / NETWORK, student.network)
    facts = {
        "selected_epoch": fitted.selected_epoch,
        "epochs": arm.transfer.epochs,
        "history": fitted.history,
        "validated": told_of(target.validation, validation_attack(arm), arm.transfer.validate_images),
        "parts": fitted.parts,
        "norms": sigmas(student.upper),
    }
    write_result(place.directory, facts, [NETWORK])


class Student:
    """A network under transfer: trunk ``lower``, tail ``upper``, and what of them may move."""

    def __init__(self, arm: Arm, teacher: Path, classes: int, seed: int, place: Workplace) -> None:
        self.arm, self.spec, self.seed, self.place = arm, arm.transfer, seed, place
        self.network = load_network(teacher)
        self.network.replace_head(classes, generator(seed, "head"))
        place.install(self.network)
        self.lower, self.upper = self.network.split(arm.freeze_depth)
        self._restrict()
        self.tuned = _tuned(self.network, self.upper, frozen_affine=self.spec.tail_affine == "frozen")
        self.body = _without_head(self.upper)
        self.guide = None if self.spec.lwf_weight is None else _guide(teacher, arm.freeze_depth, place)
        self.anchors = self._anchors()
        self._features_cached = False

    def course(self, target: Loaded) -> Course:
        """What ``fit`` is to do with this student."""
        return Course(
            network=self.network,
            tuned=self.tuned,
            objective=self._objective(),
            begin_epoch=self.begin_epoch,
            validate=lambda: self._validate(target),
            inputs=lambda: (self._inputs(target.train), target.train.labels),
            prologue=lambda: self._prologue(target.train.images),
            undecayed=frozenset(self.anchors),
        )

    def begin_epoch(self, epoch: int) -> None:
        """Modes and gradients of one epoch, counted from 0."""
        head_only = self._head_only(epoch)
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
        self.network.eval()
        self.network.requires_grad_(False)
        if self.spec.norm == "operator":
            bake_operator(self.upper)
        elif self.spec.beta is not None:
            bake(self.upper)

    def _restrict(self) -> None:
        """Make the tail non-expansive, by the norm that was asked for."""
        if self.spec.beta is None:
            return
        if self.spec.norm == "reshaped":
            apply_nonexpansive(self.upper, self.spec.beta)
            return
        model = self.network.arch.model
        image = torch.zeros(1, model.channels, model.image_size, model.image_size)
        with untouched(self.lower), torch.no_grad():
            features = self.lower(self.place.put(image))
        apply_operator(self.upper, self.spec.beta, features, generator(self.seed, "power iteration"))

    def _noised(self, images: Tensor, moment: Moment) -> Tensor:
        """(N, C, H, W) with Gaussian noise, not clipped: what smoothing will show the network."""
        if self.spec.noise_sigma is None:
            return images
        return images + self.spec.noise_sigma * moment.normal("noise", images).to(images)

    def _head_only(self, epoch: int) -> bool:
        return epoch < self.spec.lwf_head_epochs

    def _anchors(self) -> dict[str, Tensor]:
        """Where each weight of the tail is held, by name; the head is new, so nothing holds it."""
        if self.spec.anchor_weight is None:
            return {}
        new = {id(parameter) for parameter in self.network.head.parameters()}
        held = {name: value for name, value in self.tuned.items() if id(value) not in new}
        return {name: value.detach().clone() for name, value in held.items()}

    def _prologue(self, images: Tensor) -> None:
        if self.spec.trunk_statistics == "recalibrated":
            recalibrate(self.lower, images, self.spec.batch_size, seed=self.seed, place=self.place)

    def _inputs(self, train: Split) -> Tensor:
        """Images (N, C, H, W), or features (N, ...) where they are fixed and fit into memory.

        Where features are displaced both have one more dimension: the clean first, then each copy.
        """
        images = train.images
        varied = self.spec.augmentation != "none" or self.spec.noise_sigma is not None
        if varied or self.spec.trunk_statistics == "running":
            return images
        if self.arm.freeze_depth == 0 or self.spec.attack:
            return images
        self.lower.eval()
        if self.spec.displacement is not None:
            found = displaced(self.lower, train, self.spec.displacement, seed=self.seed, place=self.place)
            self._features_cached = found.cached
            return found.inputs
        features = cached_features(self.lower, images, self.place)
        self._features_cached = features is not None
        return images if features is None else features

    def _objective(self) -> Objective:
        """Cross-entropy of the tail, and what was asked for beside it.

        Displaced features go through the tail in one batch with the clean ones, so that its batch norm
        sees them mixed.
        """
        moved = self.spec.displacement

        def objective(inputs: Tensor, labels: Tensor, moment: Moment) -> Loss:
            count = len(labels)
            seen = self._features(self._batch(inputs, labels, moment))
            if moved is not None:
                seen = self._moved(seen, labels, moved)
            inner = self.body(seen)
            logits = self.network.head(inner)
            total, shown = cross_entropy(logits[:count], labels).mean(), dict[str, Tensor]()
            if moved is not None:
                total, shown = _with_displaced(moved, logits[:count], logits[count:], labels)
            for name, weight, distance in self._held(seen[:count], inner[:count]):
                total = total + weight * distance
                shown[name] = distance.detach()
            return Loss(total, shown)

        return objective

    def _batch(self, inputs: Tensor, labels: Tensor, moment: Moment) -> Tensor:
        """What the network is shown: (N, ...), or (2N, ...) with the displaced after the clean."""
        if (moved := self.spec.displacement) is not None:
            copy = 1 + moment.epoch % moved.copies
            return self.place.put(torch.cat([inputs[:, 0], inputs[:, copy]]))
        if self.spec.attack is not None:
            strength = attack_strength(self.spec.schedule, moment.done(self.spec.epochs))
            inputs = attack_batch(self.network, inputs, labels, self.spec.attack, moment, strength)
        return self._noised(inputs, moment)

    def _moved(self, seen: Tensor, labels: Tensor, spec: DisplacementSpec) -> Tensor:
        """Clean features (N, ...) above those that the tail also learns from."""
        clean, displaced = seen[: len(labels)], seen[len(labels) :]
        return torch.cat([clean, moved_features(self.upper, clean, displaced, labels, spec)])

    def _held(self, seen: Tensor, inner: Tensor) -> Iterator[tuple[str, float, Tensor]]:
        """What holds the tail near the teacher's: a name, a weight and a distance each.

        Args:
            seen: features that enter the tail.
            inner: features that enter its head.
        """
        if self.guide is not None and self.spec.lwf_weight is not None:
            with torch.no_grad():
                wanted = self.guide(seen)
            yield "distillation_distance", self.spec.lwf_weight, feature_drift(inner, wanted).mean()
        if self.spec.anchor_weight is not None and self.anchors:
            weights = {name: self.tuned[name] for name in self.anchors}
            yield "anchor_penalty", self.spec.anchor_weight, anchor_penalty(weights, self.anchors)

    def _features(self, images: Tensor) -> Tensor:
        """What the frozen trunk makes of a batch; features that were computed once stay as they are."""
        if self._features_cached:
            return images
        with torch.no_grad():
            features: Tensor = self.lower(images)
        return features

    def _validate(self, target: Loaded) -> dict[str, float]:
        figures = {
            CLEAN: clean_accuracy(self.network, target.validation, self.place),
            ROBUST: robust_accuracy(
                self.network,
                target.validation,
                validation_attack(self.arm),
                limit=self.spec.validate_images,
                seed=self.seed,
                place=self.place,
            ),
        }
        if self.spec.beta is not None and self.spec.norm == "reshaped":
            norms = sigmas(self.upper).values()
            figures["sigma_deviation"] = max(abs(norm / self.spec.beta - 1) for norm in norms)
        return figures


def recalibrate(lower: nn.Module, images: Tensor, batch_size: int, *, seed: int, place: Workplace) -> None:
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
            place.stop.check()
            lower(place.put(images[batch]))
    lower.eval()
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


def _tuned(network: Network, upper: nn.Module, *, frozen_affine: bool) -> dict[str, nn.Parameter]:
    """Parameters of the tail by their names in the network, less its affine batch norm where frozen."""
    tail = {id(parameter) for parameter in upper.parameters()}
    if frozen_affine:
        tail -= {id(parameter) for layer in batch_norms(upper) for parameter in layer.parameters()}
    return {name: parameter for name, parameter in network.named_parameters() if id(parameter) in tail}


def _with_displaced(
    spec: DisplacementSpec, clean: Tensor, displaced: Tensor, labels: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of logits (N, C) on clean and on displaced features, and what of it is shown.

    Cross-entropies count 1 to ``weight`` in a mean; a divergence is added to that of the clean ones.
    """
    own, moved = (cross_entropy(logits, labels).mean() for logits in (clean, displaced))
    shown = {"clean_cross_entropy": own.detach(), "displaced_cross_entropy": moved.detach()}
    if spec.loss == "cross_entropy":
        return (own + spec.weight * moved) / (1 + spec.weight), shown
    apart = divergence(displaced, clean).mean()
    return own + spec.weight * apart, shown | {"divergence": apart.detach()}


def _without_head(upper: nn.Module) -> nn.Sequential:
    """All of a tail but its last block; the modules are shared."""
    assert isinstance(upper, nn.Sequential)
    return nn.Sequential(*list(upper)[:-1])


def _guide(teacher: Path, freeze_depth: int, place: Workplace) -> nn.Sequential:
    """A frozen copy of the teacher's tail without its head: trunk features to the head's input."""
    network = load_network(teacher)
    place.install(network)
    network.eval()
    network.requires_grad_(False)
    return _without_head(network.split(freeze_depth)[1])
