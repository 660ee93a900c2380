"""What a tail learned from beside the cross-entropy of clean images, in words for the report."""

from __future__ import annotations

from cartl_core.render import words
from cartl_core.training_spec import DisplacementSpec, TransferSpec


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
        f"moved within eps {words.radius(spec.eps)} (linf, {spec.steps} steps of {words.radius(spec.step)}) "
        f"so that its features go far, found once through the trunk{where}"
    )


_LOSSES = {
    "cross_entropy": "their cross-entropy beside that of the clean ones",
    "consistency": "the divergence of their answers from those to the clean ones",
}
