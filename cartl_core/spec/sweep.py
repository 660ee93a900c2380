"""The specification of a sweep: one job, and the grid of what is varied of it.

A sweep is a comparison of settings, chosen by validation figures; ``planning.sweep_grid`` turns it into
jobs, ``statistics.sweep_summary`` their reports into the comparison.
"""

from __future__ import annotations

from math import prod
from typing import Annotated, Any

from pydantic import Field, create_model, model_validator

from cartl_core.spec.arm import Method
from cartl_core.spec.base import ARRAY, OBJECTS, SpecModel, refusal
from cartl_core.spec.data_and_model import NewName
from cartl_core.spec.request import BaselineOrMethod, JobRequest

LONGEST_AXIS = 100
AXIS = Field(min_length=1, max_length=LONGEST_AXIS)

Depth = Annotated[int, Field(ge=0)]
Beta = Annotated[float, Field(gt=0.0, le=10.0)]
Weight = Annotated[float, Field(ge=0.0, le=1000.0)]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]


SweepBase = create_model(
    "SweepBase",
    __base__=JobRequest,
    __doc__="What all jobs of a sweep have in common: a job's request, less what the grid varies.",
    freeze_depth=(
        int | None,
        Field(default=None, ge=0, description="Leading blocks frozen; needed where the grid has none."),
    ),
    method=(Method, "cartl"),
    baselines=(
        Annotated[tuple[BaselineOrMethod, ...], OBJECTS],
        Field(
            default=(),
            max_length=8,
            description="Of every job. None unless asked for: the settings are compared with each other.",
        ),
    ),
)


class Grid(SpecModel):
    """What is varied. Every value of an axis is combined with every value of the others."""

    method: Annotated[tuple[Method, ...], ARRAY, AXIS] | None = None
    freeze_depth: Annotated[tuple[Depth, ...], ARRAY, AXIS] | None = None
    beta: Annotated[tuple[Beta, ...], ARRAY, AXIS] | None = Field(
        default=None, description="`transfer.beta`; of methods that do not use it there is one setting."
    )
    fdm_weight: Annotated[tuple[Weight, ...], ARRAY, AXIS] | None = Field(
        default=None, description="`pretrain.fdm_weight`, the paper's lambda; likewise."
    )
    seed: Annotated[tuple[Seed, ...], ARRAY, AXIS] | None = Field(
        default=None, description="Jobs that differ in their seed alone are one setting."
    )

    @property
    def axes(self) -> dict[str, tuple[Any, ...]]:
        """The axes that are varied, by name."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: values for name, values in given.items() if values is not None}

    @property
    def combinations(self) -> int:
        """How many there are."""
        return prod(len(values) for values in self.axes.values())

    @model_validator(mode="after")
    def _something_is_varied(self) -> Grid:
        if not self.axes:
            raise refusal("nothing is varied", f"at least one of {', '.join(type(self).model_fields)}")
        for name, values in self.axes.items():
            if len(set(values)) < len(values):
                raise refusal(f"{name} has a value twice", "distinct values of an axis")
        return self


class SweepRequest(SpecModel):
    """What a person posts to have settings compared."""

    base: SweepBase
    grid: Grid
    name: NewName | None = None
    margin: float = Field(
        default=0.01,
        ge=0.0,
        le=1.0,
        description="The best setting is the most robust of those whose clean accuracy is at most this below "
        "the highest; both on validation images. Fixed here, before anything is measured.",
    )
