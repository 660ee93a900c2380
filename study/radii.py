"""How fast a student falls as the evaluated radius leaves the one that its teacher was trained for.

An evaluation whose attacks are one PGD-20 at growing radii: an image broken at a smaller radius is broken
at all larger ones, and every cell of a pair and seed sees the same images.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cartl_core.data.stratified import stratified
from cartl_core.nn.rng import generator
from cartl_core.spec.measures.attack import AttackSpec
from study.evaluation import Evaluation, robust_images
from study.plan import Pair, Rules
from study.rows import Row, radius_rows
from study.study_results import USUAL_K, StudyResults

METHODS = (
    *("vanilla", "cartl", "turned", "turned-mild", "consistent"),
    *("vanilla-several", "vanilla-far", "cartl-several"),
)
"""Whose cells are looked at, at ``USUAL_K`` and after their last epoch."""
MULTIPLES = (0.5, 1.0, 1.5, 2.0)
"""Of the pair's radius, which is that of its teachers; radius 0 is the evaluation without an attack."""
STEPS = 20


def radius_grid(evaluation: Evaluation, pair: Pair, rules: Rules) -> Evaluation:
    """Half of the images that ``evaluation`` attacks, stratified, under PGD at each of ``MULTIPLES``."""
    attacked = evaluation.images.labels[: evaluation.attacked]
    drawn = stratified(attacked, rules.attacked_images // 2, generator(evaluation.seed, "study", "radii"))
    images = evaluation.images.at(drawn)
    attacks = tuple(_attack(pair.eps * multiple, label_of(multiple)) for multiple in MULTIPLES)
    return replace(evaluation, images=images, attacked=len(drawn), attacks=attacks)


def label_of(multiple: float) -> str:
    """The name of the attack at one of ``MULTIPLES``."""
    return f"pgd{STEPS}-at-{multiple:g}"


def cells_without_radii(results: StudyResults, pair: str, seed: int) -> Iterator[Row]:
    """The finished cells that are to be looked at and have not been, in the plan's order."""
    done = {row["cell"] for row in radius_rows(results.rows[pair])}
    for row in results.cells(pair, seed):
        if row["method"] in METHODS and row["k"] == USUAL_K and row["cell"] not in done:
            yield row


def robust_shares(row: Row) -> list[float]:
    """Accuracy at radius 0 and at each of ``MULTIPLES``, as fractions of the same images."""
    robust = [robust_images(row["outcome"], attack) for attack in (None, *map(label_of, MULTIPLES))]
    return [sum(images) / len(images) for images in robust]


def _attack(eps: float, label: str) -> AttackSpec:
    return AttackSpec(label=label, eps=eps, step=eps / 10, steps=STEPS)
