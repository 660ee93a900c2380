"""The plan of the study against rivals as a value: the first study's form, comparisons, soups."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from cartl_core.spec.base import ARRAY, SpecModel
from cartl_core.spec.faults import build
from study.plan import Plan

PLAN = Path(__file__).with_name("plan.toml")
RESULTS = Path(__file__).with_name("results")

Names = Annotated[tuple[str, ...], ARRAY]
Ingredient = Annotated[tuple[str, int], ARRAY]
"""A method and its k."""


class Compared(SpecModel):
    """Which methods stand beside each other; names of the plan's methods."""

    ours: Names
    plain: Names
    cheap: Names
    dearer: Names
    domains: Names = Field(description="Beside the first of `plain` on pairs across domains.")


class SoupPlan(SpecModel):
    """One average of students that share a teacher, each after its last epoch."""

    title: str
    recipe: Literal["uniform", "greedy"]
    of: Annotated[tuple[Ingredient, ...], ARRAY] = Field(min_length=2)


class RivalsPlan(Plan):
    """All of ``plan.toml``."""

    question: str
    compared: Compared
    soups: dict[str, SoupPlan]
    across: Names
    """Pairs across domains; they have no soups and nothing is chosen there."""

    def within(self) -> list[str]:
        """The other pairs."""
        return [pair for pair in self.pairs if pair not in self.across]


def read_rivals_plan(path: Path = PLAN) -> RivalsPlan:
    """The plan in ``path``.

    Raises:
        SpecError: a field is unknown, missing or out of range.
    """
    return build(RivalsPlan, tomllib.loads(path.read_text(encoding="utf-8")), "plan")
