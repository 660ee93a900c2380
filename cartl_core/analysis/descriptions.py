"""What tells arms of one method from each other, in words for a table. Torch-free."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

from cartl_core.render import numbers
from cartl_core.spec import Arm
from cartl_core.spec.training import DisplacementSpec, TransferSpec


def differing(arms: Sequence[Arm]) -> dict[Arm, str | None]:
    """Of arms with one method and depth, the settings in which they differ: ``transfer.beta 0.4``.

    None of an arm that is alone, or equal to all others of its kind.
    """
    return _apart(arms, lambda arm: (arm.method, arm.freeze_depth))


def differing_students(arms: Sequence[Arm]) -> dict[Arm, str | None]:
    """The same of arms with one method, which may have frozen different depths: ``freeze_depth 2``."""
    return _apart(arms, lambda arm: arm.method)


def _apart(arms: Sequence[Arm], kind: Callable[[Arm], Hashable]) -> dict[Arm, str | None]:
    flat = {arm: _flat(arm) for arm in arms}
    found: dict[Arm, str | None] = {}
    for arm in arms:
        alike = [flat[other] for other in arms if kind(other) == kind(arm)]
        apart = [
            f"{name} {_brief(value)}"
            for name, value in flat[arm].items()
            if any(other.get(name) != value for other in alike)
        ]
        found[arm] = ", ".join(apart) or None
    return found


def _brief(value: object) -> str:
    if isinstance(value, tuple):
        return " and ".join(map(_brief, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _flat(arm: Arm) -> dict[str, object]:
    """Every setting by its whole name: ``transfer.displacement.weight``."""
    parts = {"pretrain": arm.pretrain.model_dump(), "transfer": arm.transfer.model_dump()}
    return {"freeze_depth": arm.freeze_depth, **dict(_leaves(parts, ""))}


def _leaves(values: Mapping[str, Any], above: str) -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def learned_in_words(transfer: TransferSpec) -> tuple[str, ...]:
    """A phrase for each option that was on; none where the tail was tuned plainly."""
    said = []
    if transfer.lwf_head_epochs:
        epochs = "the first epoch" if transfer.lwf_head_epochs == 1 else f"{transfer.lwf_head_epochs} epochs"
        said.append(f"for {epochs} the head alone was tuned")
    if transfer.lwf_weight is not None:
        said.append(f"the teacher's last features on the same images, weight {transfer.lwf_weight:g} (LwF)")
    if transfer.anchor_weight is not None:
        said.append(f"the teacher's own weights, towards which the tail decays by {transfer.anchor_weight:g}")
    if transfer.displacement is not None:
        said.append(_displaced(transfer.displacement))
    return tuple(said)


def _displaced(spec: DisplacementSpec) -> str:
    copies = "a copy" if spec.copies == 1 else f"{spec.copies} copies"
    where = "" if spec.reach == 1.0 else f", {spec.reach:g} times as far"
    if spec.direction == "tail":
        where = f"; each number moves {spec.reach:g} times as far, to where the tail's cross-entropy climbs"
    return (
        f"displaced features, {_LOSSES[spec.loss]}, weight {spec.weight:g}: {copies} of each image, "
        f"moved within eps {numbers.radius(spec.eps)} (linf, {spec.steps} steps of "
        f"{numbers.radius(spec.step)}) "
        f"so that its features go far, found once through the trunk{where}"
    )


_LOSSES = {
    "cross_entropy": "their cross-entropy beside that of the clean ones",
    "consistency": "the divergence of their answers from those to the clean ones",
}


def frozen_in_words(blocks: int, freeze_depth: int, transfer: TransferSpec) -> tuple[str, ...]:
    """What was held fixed in a transfer, for people."""
    held = []
    if freeze_depth:
        which = "block 1" if freeze_depth == 1 else f"blocks 1 to {freeze_depth}"
        held.append(f"all weights of the stem and {which} of {blocks}, batch-norm affine included")
        held.append(_TRUNK[transfer.trunk_statistics])
    if transfer.tail_affine == "frozen":
        held.append("batch-norm affine (gamma, beta) of the tail")
    if transfer.tail_statistics == "teacher":
        held.append("batch-norm statistics of the tail, at the teacher's values")
    return tuple(held)


_TRUNK = {
    "teacher": "batch-norm statistics of the trunk, at the teacher's values",
    "recalibrated": "batch-norm statistics of the trunk, after one pass over the target's images",
    "running": "not the trunk's batch-norm statistics: they follow the target's images",
}
