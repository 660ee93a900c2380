"""How a training went, on validation images: the figures that chose the epoch which was kept."""

from __future__ import annotations

from cartl_core.analysis.results import TeacherResult
from cartl_core.report import Validation
from cartl_core.report.history import EpochFigures, History
from cartl_core.spec import TrainingSpec
from cartl_core.statistics.checkpoint_selection import CLEAN, ROBUST, contenders
from cartl_core.statistics.proportions import wilson

EVERY = 1.0
"""A margin that leaves no epoch out."""


def validation(trained: TeacherResult) -> Validation:
    """A network's figures on validation images at its selected epoch."""
    over = trained.validated
    row = trained.history[trained.selected_epoch - 1]
    return Validation(
        clean=wilson(round(row[CLEAN] * over.images), over.images),
        robust=wilson(round(row[ROBUST] * over.attacked), over.attacked),
        attack=over.attack,
    )


def history_of(trained: TeacherResult, training: TrainingSpec) -> History:
    """The history of a finished training."""
    over = trained.validated
    return History(
        select=training.select,
        select_margin=training.select_margin,
        attack=over.attack,
        selected_epoch=trained.selected_epoch,
        front=contenders(trained.history, "pareto", EVERY),
        epochs=tuple(
            EpochFigures(
                epoch=epoch,
                clean=wilson(round(row[CLEAN] * over.images), over.images),
                robust=wilson(round(row[ROBUST] * over.attacked), over.attacked),
            )
            for epoch, row in enumerate(trained.history, start=1)
        ),
    )
