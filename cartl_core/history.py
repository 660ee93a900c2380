"""From what a training wrote down after each epoch to the history in the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cartl_core.epoch_choice import CLEAN, ROBUST, contenders
from cartl_core.report_history import EpochFigures, History
from cartl_core.spec import AttackSpec, TrainingSpec
from cartl_core.statistics import wilson

EVERY = 1.0
"""A margin that leaves no epoch out."""


def history_of(facts: Mapping[str, Any], training: TrainingSpec) -> History | None:
    """The history of a finished training; None where its result does not tell how many images it saw.

    Args:
        facts: the result of the stage.
    """
    if "validated" not in facts:
        return None
    rows, over = facts["history"], facts["validated"]
    images, attacked = over["images"], over["attacked"]
    return History(
        select=training.select,
        select_margin=training.select_margin,
        attack=AttackSpec.model_validate(over["attack"]),
        selected_epoch=facts["selected_epoch"],
        front=contenders(rows, "pareto", EVERY),
        epochs=tuple(
            EpochFigures(
                epoch=epoch,
                clean=wilson(round(row[CLEAN] * images), images),
                robust=wilson(round(row[ROBUST] * attacked), attacked),
            )
            for epoch, row in enumerate(rows, start=1)
        ),
    )
