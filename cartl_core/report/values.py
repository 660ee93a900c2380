"""What every part of a report is made of: frozen values, and proportions with their intervals."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Value(BaseModel):
    """A frozen piece of the report."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Interval(Value):
    """A proportion with its Wilson score interval (Wilson 1927)."""

    value: float = Field(ge=0, le=1)
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    n: int = Field(ge=0)
    successes: int = Field(ge=0)
    confidence: float = Field(default=0.95, gt=0, lt=1)
