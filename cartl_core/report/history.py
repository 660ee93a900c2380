"""How a training went, on validation images: the figures that chose the epoch which was kept."""

from __future__ import annotations

from pydantic import Field

from cartl_core.report.values import Interval, Value
from cartl_core.spec.measures.attack import AttackSpec
from cartl_core.spec.training import Selection


class EpochFigures(Value):
    """The network after one epoch."""

    epoch: int = Field(ge=1)
    clean: Interval = Field(description="On all validation images.")
    robust: Interval = Field(description="On those that were attacked.")


class History(Value):
    """A training, epoch by epoch; the same validation images in each."""

    select: Selection
    select_margin: float = Field(description="Of clean accuracy, as a fraction; counts with `pareto` only.")
    attack: AttackSpec = Field(description="On validation images.")
    selected_epoch: int
    front: tuple[int, ...] = Field(
        description="Epochs that no other beats in one figure and equals in the other: the Pareto front."
    )
    epochs: tuple[EpochFigures, ...]
