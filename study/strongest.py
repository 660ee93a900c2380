"""Is it real? What the comparison chose, under an ensemble of other attacks.

A tail that was tuned against moved features might hide its gradients instead of being robust. So the chosen
points are attacked by the library's ``ensemble`` too: APGD on the cross-entropy and on the difference of
logits, plain and targeted, FAB and Square, which needs no gradient: AutoAttack's four and one more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cartl_core.catalog.ensembles import ENSEMBLES
from cartl_core.data.stratified import stratified
from cartl_core.nn.rng import generator
from study.compare import HEADLINE, Point, accuracy, difference
from study.evaluation import Evaluation
from study.marks import moved, table
from study.plan import Pair
from study.rows import strongest
from study.study_results import StudyResults

IMAGES = 256
DRAWN = "stratified"
"""Which ``IMAGES``: where a data set lists one class after the other, the first are of one class."""
CHOICES: tuple[Callable[[StudyResults, str, int], Point | None], ...] = (
    StudyResults.baseline,
    StudyResults.best,
    StudyResults.farther,
    StudyResults.faithful,
    StudyResults.automatic,
)
LAST = "en-square"
"""The ensemble's last member: what stands after it stands."""


def ensemble_evaluation(evaluation: Evaluation, pair: Pair, classes: int) -> Evaluation:
    """``IMAGES`` of the attacked ones, stratified: PGD-100, then every member that the classes allow."""
    attacked = evaluation.images.labels[: evaluation.attacked]
    drawn = stratified(attacked, IMAGES, generator(evaluation.seed, "study", "strongest"))
    usual = tuple(attack for attack in evaluation.attacks if attack.label == HEADLINE)
    members = ENSEMBLES["ensemble"].expand("linf", pair.eps, classes)
    return replace(
        evaluation, images=evaluation.images.at(drawn), attacked=len(drawn), attacks=(*usual, *members)
    )


def unattacked(results: StudyResults, pair: str, seed: int) -> list[Point]:
    """What the comparison chose and the ensemble has not seen; each point once."""
    seen = _evaluated(results, pair, seed)
    chosen = [choice(results, pair, seed) for choice in CHOICES]
    points = {point.same_as: point for point in chosen if point is not None}
    return [point for same_as, point in points.items() if same_as not in seen]


def under_the_ensemble(results: StudyResults) -> str:
    """The ensemble on every point that it has seen, beside the strongest plain transfer where it saw that."""
    rows = []
    for pair, seed in results.counted():
        seen, baseline = _evaluated(results, pair, seed), results.baseline(pair, seed)
        plain = None if baseline is None else seen.get(baseline.same_as)
        for point in seen.values():
            alone = plain is None or plain is point or drawn_of(plain) != drawn_of(point)
            beside = "" if alone or plain is None else moved(difference(point, plain, LAST))
            rows.append([*_line(point), beside])
    head = "pair|seed|point|images|PGD-100|and the ensemble|over the strongest plain, points"
    return table(head, rows)


def drawn_of(point: Point) -> str:
    """Which of the attacked images were taken; of the first rows the first ones, in the data set's order."""
    return str(point.row.get("drawn", "first"))


def _evaluated(results: StudyResults, pair: str, seed: int) -> dict[tuple[str, int], Point]:
    """Points with the one outcome that the ensemble gave, in the order in which it saw them."""
    rows = [row for row in strongest(results.rows[pair]) if row["seed"] == seed]
    points = [Point({**row, "outcomes": {str(row["epoch"]): row["outcome"]}}, row["epoch"]) for row in rows]
    return {point.same_as: point for point in points}


def _line(point: Point) -> list[str]:
    row = point.row
    assert point.outcome is not None
    figures = [f"{100 * accuracy(point, attack):.1f}" for attack in (HEADLINE, LAST)]
    name = f"{row['method']}, k {row['k']}, epoch {point.epoch}"
    return [row["pair"], str(row["seed"]), name, str(len(point.outcome["fate"])), *figures]
