"""Stage 1: a robust teacher on the source (Madry et al. 2018; Chen et al. 2021, feature distance).

Shapes: x (N, C, H, W) in [0, 1]; features (N, ...); labels (N,).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from cartl_core.attacks import perturb
from cartl_core.data import Loaded
from cartl_core.execution.stage_context import StageContext
from cartl_core.execution.to_device import to_device
from cartl_core.nn.build import build_network
from cartl_core.nn.files import load_network, save_network
from cartl_core.nn.losses import cross_entropy, fdm_loss, feature_distance, feature_spread
from cartl_core.nn.network import Network
from cartl_core.nn.rng import generator
from cartl_core.spec import AttackSpec, ModelSpec, PretrainSpec
from cartl_core.statistics.checkpoint_selection import CLEAN, ROBUST
from cartl_core.storage.disk_errors import disk_faults
from cartl_core.storage.stage_result import NETWORK, write_result
from cartl_core.training.class_balance import class_weights
from cartl_core.training.gradient import Loss, Noise, Objective, StepContext
from cartl_core.training.loop import TrainingTask, fit
from cartl_core.training.validation import clean_accuracy, robust_accuracy, validation_set

START = Noise("uniform", "attack")
"""Of the inner attack's first perturbation."""


def pretrain(
    spec: PretrainSpec, freeze_depth: int, model: ModelSpec, source: Loaded, *, seed: int, ctx: StageContext
) -> None:
    """Train a teacher from scratch and write ``network.safetensors`` and the result to ``ctx``.

    Args:
        freeze_depth: where an ``fdm`` teacher's features are taken; an ``at`` teacher ignores it.
    """
    network = build_network(
        model, len(source.class_names), source.mean, source.std, generator(seed, "network")
    )
    _train(network, spec, freeze_depth, source, seed=seed, ctx=ctx)


def continue_pretraining(
    spec: PretrainSpec, freeze_depth: int, start: Path, source: Loaded, *, seed: int, ctx: StageContext
) -> None:
    """Train the network in the file ``start`` further, and write it likewise.

    Its head is kept where it has an output for each class of the source, else it gets a new one. Its
    normalisation stays.
    """
    network = load_network(start)
    classes = len(source.class_names)
    if network.head.out_features != classes:
        network.replace_head(classes, generator(seed, "network"))
    _train(network, spec, freeze_depth, source, seed=seed, ctx=ctx)


def _train(
    network: Network, spec: PretrainSpec, freeze_depth: int, source: Loaded, *, seed: int, ctx: StageContext
) -> None:
    ctx.install(network)
    weights = class_weights(spec.class_weights, source.train.labels, len(source.class_names), ctx.device)
    objective = adversarial(network, spec.attack, spec.radii, weights)
    if spec.objective == "fdm":
        objective = feature_distance_minimising(network, freeze_depth, spec, weights)

    def validate() -> dict[str, float]:
        return {
            CLEAN: clean_accuracy(network, source.validation, ctx),
            ROBUST: robust_accuracy(
                network, source.validation, spec.attack, limit=spec.validate_images, seed=seed, ctx=ctx
            ),
        }

    task = TrainingTask(
        network=network,
        tuned=dict(network.named_parameters()),
        objective=objective,
        begin_epoch=lambda epoch: _train_all(network),
        validate=validate,
        inputs=lambda: (source.train.images, source.train.labels),
        noise=noise_of(spec.attack),
    )
    trained = fit(task, spec, seed=seed, ctx=ctx)
    with disk_faults("the teacher"):
        save_network(ctx.directory / NETWORK, network)
    facts = {
        "selected_epoch": trained.selected_epoch,
        "epochs": spec.epochs,
        "history": trained.history,
        "validated": validation_set(source.validation, spec.attack, spec.validate_images),
        "parts": trained.accumulation_steps,
    }
    write_result(ctx.directory, facts, [NETWORK])


def adversarial(
    network: nn.Module,
    attack: AttackSpec,
    radii: Sequence[float] = (1.0,),
    weights: Tensor | None = None,
) -> Objective:
    """``at``: cross-entropy of the attacked images, the attack in eval mode, the loss in train mode.

    Args:
        radii: shares of the attack's radius and step, which the batches take in turn.
        weights: (C,) of the classes; None is 1 for all.
    """

    def objective(images: Tensor, labels: Tensor, step: StepContext) -> Loss:
        attacked = attack_batch(network, images, labels, attack, step, in_turn(radii, step))
        return Loss(cross_entropy(network(attacked), labels, weights).mean())

    return objective


def feature_distance_minimising(
    network: Network, freeze_depth: int, spec: PretrainSpec, weights: Tensor | None = None
) -> Objective:
    """``fdm``: cross-entropy of the attacked images plus the distance of their features to the clean ones.

    Two train-mode passes through the whole network, attacked then clean, each with its own batch
    statistics and both moving the running ones. The clean pass beyond the last layer compared has no other
    effect, so it keeps no gradient there; all features that are compared do.
    """
    assert spec.fdm_weight is not None
    weight, deepest = spec.fdm_weight, network.block_count - 1
    depths = range(1, deepest + 1) if spec.fdm_layers == "every" else (freeze_depth,)
    sections = _between(network, depths)
    _, upper = network.split(depths[-1])

    def features(x: Tensor) -> list[Tensor]:
        found = []
        for section in sections:
            x = section(x)
            found.append(x)
        return found

    def objective(images: Tensor, labels: Tensor, step: StepContext) -> Loss:
        share = in_turn(spec.radii, step)
        attacked = features(attack_batch(network, images, labels, spec.attack, step, share))
        logits = upper(attacked[-1])
        clean = features(images)
        with torch.no_grad():
            upper(clean[-1])
        total = fdm_loss(
            logits,
            labels,
            attacked,
            clean,
            weight=weight,
            distance=spec.fdm_distance,
            class_weights=weights,
        )
        with torch.no_grad():
            classified = cross_entropy(logits, labels, weights).mean()
            return Loss(total, {"cross_entropy": classified, **_shown(attacked, clean)})

    return objective


def _between(network: Network, depths: Sequence[int]) -> list[nn.Module]:
    """The network up to the first of ``depths``, then from each to the next."""
    sections: list[nn.Module] = [network.split(depths[0])[0]]
    for shallow, deep in pairwise(depths):
        sections.append(nn.Sequential(*network.blocks[shallow:deep]))
    return sections


def _shown(attacked: Sequence[Tensor], clean: Sequence[Tensor]) -> dict[str, Tensor]:
    """How far attacked features are from clean ones, and how far in units of the clean ones' spread."""
    tiny = torch.finfo(torch.float32).tiny
    pairs = list(zip(attacked, clean, strict=True))
    distances = torch.stack([feature_distance(*pair).mean() for pair in pairs])
    spreads = torch.stack([feature_spread(plain) for _, plain in pairs])
    return {
        "feature_distance": distances.mean(),
        "feature_distance_over_spread": (distances / spreads.clamp_min(tiny)).mean(),
    }


def in_turn(radii: Sequence[float], step: StepContext) -> float:
    """Which of ``radii`` a batch takes."""
    return radii[step.count % len(radii)]


def noise_of(attack: AttackSpec | None) -> tuple[Noise, ...]:
    """What ``attack_batch`` draws for a batch."""
    return (START,) if attack is not None and attack.random_start else ()


def attack_batch(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    attack: AttackSpec,
    step: StepContext,
    strength: float = 1.0,
) -> Tensor:
    """The training attack on one batch: eval mode, a fresh uniform start, no trace left.

    Args:
        strength: share of its radius and step; at 0 the images are what they were.
    """
    if strength == 0.0:
        return images
    eps, start = strength * attack.eps, None
    if attack.random_start:
        start = to_device((2 * step.uniform(START.purpose, images) - 1) * eps, images.device).to(images)
    return perturb(
        network,
        images,
        labels,
        eps=eps,
        step=strength * attack.step_size,
        steps=attack.steps,
        start=start,
    )


def _train_all(network: nn.Module) -> None:
    network.train()
    network.requires_grad_(True)
