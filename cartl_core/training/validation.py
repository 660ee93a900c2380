"""Figures on the validation split while a network trains: they select an epoch and show the way."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from cartl_core.attacks import misclassified, run_attack
from cartl_core.data import Split
from cartl_core.data.stratified import stratified
from cartl_core.execution.pieces import pieces
from cartl_core.execution.stage_context import StageContext
from cartl_core.nn.module_state import preserve_model_state
from cartl_core.nn.rng import generator
from cartl_core.spec import AttackSpec

BATCH = 256


def clean_accuracy(network: nn.Module, split: Split, ctx: StageContext) -> float:
    """Fraction of all images of ``split`` that the network gets right, in eval mode and fp32."""
    right = 0
    with preserve_model_state(network), torch.no_grad():
        for first in range(0, len(split), BATCH):
            ctx.stop.check()
            part = slice(first, first + BATCH)
            images, labels = (pieces(rows, ctx.device) for rows in (split.images[part], split.labels[part]))
            for some, answers in zip(images, labels, strict=True):
                logits = network(ctx.put(some))
                right += int((~misclassified(logits, answers.to(ctx.device))).sum())
    return right / max(1, len(split.labels))


def robust_accuracy(
    network: nn.Module, split: Split, attack: AttackSpec, *, limit: int, seed: int, ctx: StageContext
) -> float:
    """Fraction of ``limit`` images, a stratified draw, that no iterate of ``attack`` fools."""
    robust = robust_mask(network, split, attack, limit=limit, seed=seed, ctx=ctx)
    return sum(robust) / max(1, len(robust))


def robust_mask(
    network: nn.Module, split: Split, attack: AttackSpec, *, limit: int, seed: int, ctx: StageContext
) -> list[bool]:
    """Which of those images it is; the same draw, in the same order, for every network."""
    chosen = stratified(split.labels, limit, generator(seed, "validated"))
    robust: list[bool] = []
    for part in torch.split(chosen, BATCH):
        ctx.stop.check()
        images, labels = ctx.put(split.images[part]), split.labels[part].to(ctx.device)
        outcome = run_attack(
            network, images, labels, attack, seed=seed, label="validation", indices=split.index[part]
        )
        robust += (~outcome.broken).tolist()
    return robust


def validation_set(split: Split, attack: AttackSpec, limit: int) -> dict[str, Any]:
    """What the figures of a training are over, for its result: so many images, so many of them attacked."""
    images = len(split.labels)
    return {"images": images, "attacked": min(limit, images), "attack": attack.model_dump(mode="json")}
