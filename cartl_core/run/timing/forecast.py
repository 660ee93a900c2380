"""How far predictions are off, learned from what a run has computed so far.

What a stage takes is its prediction times three factors: one of the machine, which all work shares; one of
its group, since where training is ten times slower than guessed, writing files is not; and one of its kind.
They are estimated from the seconds that each kind has taken so far (normal priors on their logarithms, in
closed form). A fourth factor, of the last minute, tells how busy the machine is now.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, inf, log
from typing import NamedTuple

from cartl_core.planning.estimates.work import EXPORT, PUBLISH, START

MINUTE = 60.0
"""Seconds of computing: as far back as the machine's pace of now is measured."""
MACHINE_SPREAD = {True: 0.4, False: 1.2}
"""Standard deviation of the logarithm of the machine's factor: where it was measured, and where not."""
OUTSIDE = frozenset({START, EXPORT, PUBLISH})
"""Kinds of the group that is no passes of the network: the start, files, the report."""
COMPUTING_SPREAD = {True: 0.1, False: 1.2}
"""The same of the factor of all passes of the network, where rates were measured, and where not."""
OUTSIDE_SPREAD = 0.1
"""The same of what is outside of them."""
KIND_SPREAD = {False: 0.8, True: 0.4}
"""The same of the factor of a kind that was never measured, by whether it is outside: kinds of passes lay so
far apart in recorded first runs."""
NOISE = 1.5
"""The same of what one second of computing shows."""
SETTING_UP = 1.0
"""Seconds that a stage may take before its first work is counted, which say nothing of its rate."""
PATIENCE = {True: 30.0, False: 5.0}
"""Seconds of computing that count as if they had gone as predicted, while the last minute is not over: where
rates were measured, and where not."""
MOST_OFF = log(1e4)
"""A prediction is off by no more."""
MOST = 20.0
"""By which the last minute may differ from the rest of the run."""


class Guess(NamedTuple):
    """A normal distribution of the logarithm of a factor."""

    mean: float
    variance: float


NOTHING = Guess(0.0, inf)


@dataclass
class Share:
    """Of one kind of work: what was computed so far, as predicted and as it was, in seconds."""

    predicted: float = 0.0
    taken: float = 0.0


@dataclass(frozen=True)
class Factors:
    """On predicted seconds.

    Attributes:
        kinds: of each that was computed.
        others: of those that were not, by whether they are outside of the passes of the network.
    """

    kinds: Mapping[str, float]
    others: Mapping[bool, float]

    def of(self, kind: str) -> float:
        """The factor of a kind."""
        return self.kinds.get(kind, self.others[kind in OUTSIDE])


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

    def factors(self) -> Factors:
        """What was learned so far: up a tree of kinds, groups and the machine, and down again."""
        seen = {kind: _seen(share) for kind, share in self._done.items() if share.taken > 0}
        groups = {outside: self._group(seen, outside) for outside in (False, True)}
        spread = {False: COMPUTING_SPREAD[self.measured] ** 2, True: OUTSIDE_SPREAD**2}
        before = Guess(0.0, MACHINE_SPREAD[self.measured] ** 2)
        machine = _pooled([before, *(_wider(one, spread[outside]) for outside, one in groups.items())])
        others = {outside: _between(machine.mean, spread[outside], one) for outside, one in groups.items()}
        kinds = {
            kind: _between(others[kind in OUTSIDE], self._variance(kind), one) for kind, one in seen.items()
        }
        return Factors(
            {kind: exp(factor) for kind, factor in kinds.items()},
            {outside: exp(factor) for outside, factor in others.items()},
        )

    def _group(self, seen: Mapping[str, Guess], outside: bool) -> Guess:
        """What the kinds of a group say together of its factor."""
        of_group = {kind: one for kind, one in seen.items() if (kind in OUTSIDE) == outside}
        return _pooled([_wider(one, self._variance(kind)) for kind, one in of_group.items()])

    def _variance(self, kind: str) -> float:
        return self.spreads.get(kind, KIND_SPREAD[kind in OUTSIDE]) ** 2

    def pace_now(self, factors: Factors) -> float:
        """How much slower (above 1) the last minute went than the rest of the run tells."""
        total = sum(share.taken for share in self._done.values())
        while len(self._past) > 1 and _taken(self._past[1]) <= total - MINUTE:
            self._past.popleft()
        if not self._past or _taken(self._past[-1]) < total:
            self._past.append({kind: Share(one.predicted, one.taken) for kind, one in self._done.items()})
        before = self._past[0] if _taken(self._past[0]) < total else {}
        taken = total - _taken(before)
        expected = sum(
            (share.predicted - before.get(kind, Share()).predicted) * factors.of(kind)
            for kind, share in self._done.items()
        )
        patience = PATIENCE[self.measured] * max(0.0, 1 - taken / MINUTE)
        if taken <= 0 or expected <= 0:
            return 1.0
        return min(MOST, max(1 / MOST, (taken + patience) / (expected + patience)))


def _seen(share: Share) -> Guess:
    """What a kind's seconds show by themselves."""
    ratio = log(share.taken + SETTING_UP) - log(share.predicted + SETTING_UP)
    return Guess(max(-MOST_OFF, min(MOST_OFF, ratio)), NOISE**2 / share.taken)


def _wider(guess: Guess, variance: float) -> Guess:
    return Guess(guess.mean, guess.variance + variance)


def _pooled(guesses: Sequence[Guess]) -> Guess:
    """What several independent guesses of one value say together."""
    total = sum(1 / guess.variance for guess in guesses)
    if total == 0:
        return NOTHING
    return Guess(sum(guess.mean / guess.variance for guess in guesses) / total, 1 / total)


def _between(above: float, variance: float, seen: Guess) -> float:
    """A factor that lies by ``variance`` about the one ``above``, and of which something was seen."""
    return above + (seen.mean - above) * variance / (variance + seen.variance)


def _taken(past: Mapping[str, Share]) -> float:
    return sum(share.taken for share in past.values())
