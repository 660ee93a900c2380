"""Rules of choice on drawn validation images.

With the settings of ``today`` it is ``cartl_core.statistics.candidate_selection.choose``, to which a test
holds it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from study.choice.candidates import Outcomes
from study.choice.counts import Numbers, Shared, leads
from study.choice.plan import Rule, Shrink

SLACK = 2e-9
"""Accuracies are counts over n, rounded to 9 digits: far less than one image."""


@dataclass(frozen=True)
class Seen:
    """Candidates on images: how many they get right and hold, their tuned blocks, which are plain."""

    clean: Shared
    robust: Shared
    tuned: npt.NDArray[np.int_]
    baseline: Outcomes
    _figures: dict[str, tuple[Numbers, Numbers, Numbers]] = field(default_factory=dict, repr=False)

    def without(self, part: Seen) -> Seen:
        """The same candidates on the images that are not of ``part``."""
        clean, robust = self.clean.without(part.clean), self.robust.without(part.robust)
        return Seen(clean, robust, self.tuned, self.baseline)

    def figures(self, shrink: Shrink) -> tuple[Numbers, Numbers, Numbers]:
        """Clean and robust accuracy of each, and its place in the order of preference.

        More robust is better; of equals the cleaner, then the one with fewer tuned blocks, then the first.

        Args:
            shrink: accuracies are drawn to the mean of all or of those with as many tuned blocks.
        """
        if shrink not in self._figures:
            groups = np.zeros_like(self.tuned) if shrink == "all" else self.tuned
            clean, robust = (
                np.round(part.right / part.n if shrink == "none" else part.shrunk(groups), 9)
                for part in (self.clean, self.robust)
            )
            place = np.empty(len(clean))
            place[np.lexsort((self.tuned, -clean, -robust))] = np.arange(len(clean))
            self._figures[shrink] = clean, robust, place
        return self._figures[shrink]


def pick(rule: Rule, seen: Seen, folds: list[Seen], margin: float) -> int:
    """The position of the candidate that ``rule`` takes.

    Args:
        folds: the parts of ``seen``; read by rules with folds.
        margin: of clean accuracy, as a fraction.
    """
    return _by_folds(rule, seen, folds, margin) if rule.folds else chosen(rule, seen, margin)[0]


def most_robust_near(seen: Seen, margin: float) -> int:
    """The most robust within the margin of the cleanest: what the images would pick that judge a choice."""
    return _best(seen, "none", _near(seen, "none", np.ones_like(seen.baseline), margin))


def best_plain(seen: Seen, margin: float, shrink: Shrink = "none") -> int:
    """The most robust plain candidate within the margin of the cleanest plain one."""
    return _best(seen, shrink, _near(seen, shrink, seen.baseline, margin))


def chosen(rule: Rule, seen: Seen, margin: float, lead: float | None = None) -> tuple[int, int]:
    """(chosen, best plain one), folds or not; ``lead`` in place of the rule's."""
    clean, robust, _ = seen.figures(rule.shrink)
    plain = best_plain(seen, margin, rule.shrink)
    reference = plain if rule.reference == "plain" else int(np.argmax(clean))
    near = _near(seen, rule.shrink, np.ones_like(seen.baseline), margin, rule.leniency, reference)
    ahead = leads(*seen.robust.only(plain), seen.robust.n, rule.lead if lead is None else lead)
    cleaner = (robust >= robust[plain] - SLACK) & (clean - clean[plain] > margin + SLACK)
    among = near & (ahead | cleaner)
    among[plain] = True
    return _best(seen, rule.shrink, among), plain


def _by_folds(rule: Rule, seen: Seen, folds: list[Seen], margin: float) -> int:
    """What most folds take, if what they took leads plain transfer on the images that were left out."""
    votes = np.zeros(len(seen.tuned), dtype=int)
    own = other = 0.0
    for fold in folds:
        taken, plain = chosen(rule, seen.without(fold), margin, lead=0.0)
        votes[taken] += 1
        only_own, only_other = fold.robust.only(plain)
        own, other = own + only_own[taken], other + only_other[taken]
    if not leads(np.array(own), np.array(other), seen.robust.n, rule.lead):
        return best_plain(seen, margin, rule.shrink)
    return _best(seen, rule.shrink, votes == votes.max())


def _near(
    seen: Seen,
    shrink: Shrink,
    among: Outcomes,
    margin: float,
    leniency: float = 0.0,
    reference: int | None = None,
) -> Outcomes:
    """Which of ``among`` are clean enough beside the reference; None: the cleanest of them."""
    clean = seen.figures(shrink)[0]
    if reference is None:
        reference = int(np.argmax(np.where(among, clean, -np.inf)))
    allowed: float | Numbers = margin + SLACK
    if leniency:
        allowed = allowed + leniency * seen.clean.standard_errors(reference)
    near: Outcomes = among & (clean[reference] - clean <= allowed)
    return near


def _best(seen: Seen, shrink: Shrink, among: Outcomes) -> int:
    """The preferred one of ``among``, of which there is one at least."""
    return int(np.argmin(np.where(among, seen.figures(shrink)[2], np.inf)))
