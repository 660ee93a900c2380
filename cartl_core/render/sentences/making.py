"""How a student was made: a clause for each part that was held fixed, and for each source of learning."""

from __future__ import annotations

from collections.abc import Mapping

from cartl_core.render import numbers
from cartl_core.report import ArmReport
from cartl_core.report.making import (
    BalancedClasses,
    CachedViews,
    DisplacedFeatures,
    FrozenPart,
    HeadFirst,
    LearnedFrom,
    TeacherFeatures,
    TeacherWeights,
    WeightedTerm,
)
from cartl_core.spec.terms import TERMS
from cartl_core.spec.training import DisplacementLoss


def frozen(arm: ArmReport) -> tuple[str, ...]:
    """What was held fixed in a transfer, a clause a part."""
    return tuple(frozen_part(part, arm.freeze_depth or 0, arm.blocks) for part in arm.frozen)


def frozen_part(part: FrozenPart, freeze_depth: int, blocks: int) -> str:
    """One part that was held fixed, of a network with so many blocks."""
    if part == "trunk_weights":
        which = "block 1" if freeze_depth == 1 else f"blocks 1 to {freeze_depth}"
        return f"all weights of the stem and {which} of {blocks}, batch-norm affine included"
    return _PARTS[part]


_PARTS: Mapping[FrozenPart, str] = {
    "trunk_statistics_of_teacher": "batch-norm statistics of the trunk, at the teacher's values",
    "trunk_statistics_recalibrated": "batch-norm statistics of the trunk, after one pass over the target's "
    "images",
    "trunk_statistics_running": "not the trunk's batch-norm statistics: they follow the target's images",
    "tail_weights": "all weights of the tail but those of biases, normalisation layers and the head",
    "tail_affine": "batch-norm affine (gamma, beta) of the tail",
    "tail_statistics": "batch-norm statistics of the tail, at the teacher's values",
}


def learned(arm: ArmReport) -> tuple[str, ...]:
    """What a student learned from beside clean cross-entropy, a clause each."""
    return tuple(map(learning, arm.learned))


def learning(source: LearnedFrom) -> str:
    """One of the things that a student learned from."""
    match source:
        case HeadFirst():
            epochs = "the first epoch" if source.epochs == 1 else f"{source.epochs} epochs"
            return f"for {epochs} the head alone was tuned"
        case TeacherWeights():
            return _SENTENCES[source.code].format(weight=source.decay)
        case DisplacedFeatures():
            return _displaced(source)
        case BalancedClasses():
            return numbers.listed(_balanced(source))
        case CachedViews():
            return _of_views(source)
        case TeacherFeatures() | WeightedTerm():
            return _SENTENCES[source.code].format(weight=source.weight)


def _balanced(source: BalancedClasses) -> list[str]:
    """How classes of unequal size were made to weigh alike."""
    weights = {
        "none": "",
        "inverse": "cross-entropies weighted by the inverse size of the class",
        "inverse_sqrt": "cross-entropies weighted by the inverse root of the class's size",
    }
    drawn = "as many images of every class in an epoch" if source.sampling == "balanced" else ""
    return [words for words in (weights[source.class_weights], drawn) if words]


def _of_views(source: CachedViews) -> str:
    views = "one altered view" if source.views == 1 else f"{source.views} altered views"
    return f"{views} of each image ({source.augmentation}), drawn before the first epoch"


_SENTENCES: Mapping[str, str] = {term.code: term.sentence for term in TERMS.values()}


def _displaced(source: DisplacedFeatures) -> str:
    spec = source.displacement
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


_LOSSES: Mapping[DisplacementLoss, str] = {
    "cross_entropy": "their cross-entropy beside that of the clean ones",
    "consistency": "the divergence of their answers from those to the clean ones",
}
