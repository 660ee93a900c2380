"""The evaluation presets: which attacks measure a student, whatever the job's own preset trains.

The headline is always the worst case, image by image, over all attacks that were run.
"""

from __future__ import annotations

from dataclasses import dataclass

from cartl_core.spec import EvaluationPreset


@dataclass(frozen=True)
class EvaluationFacts:
    """What is run under a preset's name."""

    name: EvaluationPreset
    title: str
    attacks: tuple[tuple[str, int], ...]
    """Label and number of steps of each PGD attack, linf, at the data set's evaluation radius."""


EVALUATIONS: dict[str, EvaluationFacts] = {
    facts.name: facts
    for facts in (
        EvaluationFacts("quick", "PGD with 10 steps: a first look", (("pgd10", 10),)),
        EvaluationFacts("pgd20", "PGD with 20 steps", (("pgd20", 20),)),
        EvaluationFacts(
            "pgd100", "PGD with 20 and with 100 steps, as the paper", (("pgd20", 20), ("pgd100", 100))
        ),
    )
}
