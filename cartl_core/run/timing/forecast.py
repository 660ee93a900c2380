"""How far predictions are off, learned from what a run has computed so far.

What a stage takes is its prediction times two factors: one of the machine, which all stages share, and one of
its kind of work. Both are estimated from the seconds that each kind has taken so far (a normal prior on their
logarithms, in closed form). A third factor, of the last minute, tells how busy the machine is now.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp, log

MINUTE = 60.0
"""Seconds of computing: as far back as the machine's pace of now is measured."""
MACHINE_SPREAD = {True: 0.2, False: 1.2}
"""Standard deviation of the logarithm of the machine's factor: where it was measured, and where not."""
KIND_SPREAD = 0.8
"""The same of the factor of a kind that was never measured: so far apart kinds lay in recorded first runs."""
NOISE = 1.5
"""The same of what one second of computing shows."""
PATIENCE = 5.0
"""Seconds of computing that count as if they had gone as predicted, while the last minute is not over."""
MOST_OFF = log(1e4)
"""A prediction is off by no more."""
MOST = 20.0
"""By which the last minute may differ from the rest of the run."""


@dataclass
class Share:
    """Of one kind of work: what was computed so far, as predicted and as it was, in seconds."""

    predicted: float = 0.0
    taken: float = 0.0


@dataclass
class Forecast:
    """Factors on predicted seconds.

    Attributes:
        measured: whether the predictions stand on rates that were measured on this machine.
        spreads: the standard deviation of the logarithm of each kind's factor, where it was measured.
    """

    measured: bool = False
    spreads: Mapping[str, float] = field(default_factory=dict)
    _done: dict[str, Share] = field(default_factory=dict)
    _past: deque[dict[str, Share]] = field(default_factory=deque)

    def computed(self, kind: str, predicted: float, taken: float) -> None:
        """More of a kind was computed: ``predicted`` and ``taken`` seconds of it."""
        share = self._done.setdefault(kind, Share())
        share.predicted += predicted
        share.taken += taken

    def factors(self) -> dict[str, float]:
        """Of each kind that was computed; of all others under the empty name."""
        machine_variance = MACHINE_SPREAD[self.measured] ** 2
        seen = {
            kind: (_ratio(share), self._variance(kind), NOISE**2 / share.taken)
            for kind, share in self._done.items()
            if share.taken > 0 and share.predicted > 0
        }
        weights = {kind: 1 / (of_kind + noise) for kind, (_, of_kind, noise) in seen.items()}
        total = 1 / machine_variance + sum(weights.values())
        machine = sum(weights[kind] * ratio for kind, (ratio, _, _) in seen.items()) / total
        found = {
            kind: exp(machine + (ratio - machine) * of_kind * weights[kind])
            for kind, (ratio, of_kind, _) in seen.items()
        }
        return found | {"": exp(machine)}

    def _variance(self, kind: str) -> float:
        return self.spreads.get(kind, KIND_SPREAD) ** 2

    def pace_now(self, factors: Mapping[str, float]) -> float:
        """How much slower (above 1) the last minute went than the rest of the run tells."""
        total = sum(share.taken for share in self._done.values())
        while len(self._past) > 1 and _taken(self._past[1]) <= total - MINUTE:
            self._past.popleft()
        if not self._past or _taken(self._past[-1]) < total:
            self._past.append({kind: Share(one.predicted, one.taken) for kind, one in self._done.items()})
        before = self._past[0] if _taken(self._past[0]) < total else {}
        taken = total - _taken(before)
        expected = sum(
            (share.predicted - before.get(kind, Share()).predicted) * factors.get(kind, factors[""])
            for kind, share in self._done.items()
        )
        patience = PATIENCE * max(0.0, 1 - taken / MINUTE)
        if taken <= 0 or expected <= 0:
            return 1.0
        return min(MOST, max(1 / MOST, (taken + patience) / (expected + patience)))


def _ratio(share: Share) -> float:
    """Logarithm of how many times longer it took, within bounds."""
    return max(-MOST_OFF, min(MOST_OFF, log(share.taken) - log(share.predicted)))


def _taken(past: Mapping[str, Share]) -> float:
    return sum(share.taken for share in past.values())
