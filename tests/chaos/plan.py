"""What a campaign is to do, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.chaos.recovery import Recoveries


@dataclass(frozen=True)
class Plan:
    """How much, how long, how random."""

    kills: int
    seed: int
    limit_seconds: float
    drain_seconds: float
    pause_seconds: float
    """Mean time between two strikes, at most."""
    alive: int
    variants: int
    epochs: int
    away_seconds: float
    settings: dict[str, object] = field(default_factory=dict)
    patience_seconds: float = 120.0
    """How long a fault that finds nothing to strike is kept at the end."""


@dataclass
class Outcome:
    """What came of a campaign."""

    plan: Plan
    recoveries: Recoveries
    violations: list[str] = field(default_factory=list)
    states: dict[str, int] = field(default_factory=dict)
    facts: dict[str, object] = field(default_factory=dict)
    effects: dict[str, object] = field(default_factory=dict)
    not_struck: list[str] = field(default_factory=list)
    """For lack of time, or of anything to strike."""
    seconds: float = 0.0
