"""The plan of the replay as a value: which images are drawn, which settings are tuned, what decides."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from cartl_core.spec.base import ARRAY, SpecModel

PLAN = Path(__file__).with_name("plan.toml")

Shrink = Literal["none", "all", "depth"]
Reference = Literal["cleanest", "plain"]
Seeds = Annotated[tuple[int, ...], ARRAY]


class Rule(SpecModel):
    """One rule of choice; the plan says what each setting means."""

    leniency: float
    reference: Reference
    lead: float = Field(ge=0)
    shrink: Shrink
    folds: int = Field(ge=0, description="0: the rule is applied once, to all images.")


class Family(SpecModel):
    """Rules of one kind: every combination of the settings."""

    leniency: Annotated[tuple[float, ...], ARRAY]
    reference: Annotated[tuple[Reference, ...], ARRAY]
    lead: Annotated[tuple[float, ...], ARRAY]
    shrink: Annotated[tuple[Shrink, ...], ARRAY]
    folds: Seeds

    def rules(self) -> Iterator[Rule]:
        """In the order of the plan: the last setting varies fastest."""
        for leniency, reference, lead, shrink, folds in itertools.product(
            self.leniency, self.reference, self.lead, self.shrink, self.folds
        ):
            yield Rule(leniency=leniency, reference=reference, lead=lead, shrink=shrink, folds=folds)


class Replay(SpecModel):
    """What is drawn and how a choice is judged; shares are fractions."""

    validation_images: Seeds
    draws: int = Field(ge=1)
    tuning_draws_seed: int
    counted_draws_seed: int
    tuning_seeds: Seeds
    counted_seeds: Seeds
    margin: float = Field(ge=0, le=1)
    near: float = Field(ge=0, le=1)
    broken_points: float = Field(ge=0, le=1)


class Decision(SpecModel):
    """What a rule must reach to take today's place, beside being near more often."""

    least_gain: float


class Stopping(SpecModel):
    """When a candidate is stopped that cannot win any more."""

    first_epoch: int = Field(ge=1)
    rise_quantile: Annotated[tuple[float, ...], ARRAY]


class ChoicePlan(SpecModel):
    """The whole of ``plan.toml`` beside this module."""

    hypotheses: dict[str, str]
    replay: Replay
    decision: Decision
    families: dict[str, Family]
    stopping: Stopping


def read_plan(path: Path = PLAN) -> ChoicePlan:
    """The committed plan.

    Raises:
        pydantic.ValidationError: a table misses a field or has another one.
    """
    return ChoicePlan.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
