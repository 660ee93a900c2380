"""Candidates on the same images, as counts: on how many images each two of them are both right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from study.choice.candidates import Outcomes

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Shared:
    """Of ``n`` images: on how many two candidates are both right, (candidates, candidates)."""

    n: int
    both: Numbers

    @classmethod
    def of(cls, outcomes: Outcomes) -> Shared:
        """Of a table (candidates, images)."""
        table = outcomes.astype(np.float64)
        return cls(outcomes.shape[1], table @ table.T)

    def without(self, part: Shared) -> Shared:
        """On the images that are not of ``part``."""
        return Shared(self.n - part.n, self.both - part.both)

    @property
    def right(self) -> Numbers:
        """(candidates,): on how many images each is right."""
        return self.both.diagonal()

    def only(self, reference: int) -> tuple[Numbers, Numbers]:
        """Images on which each is right and the reference is not, and the other way; (candidates,) both."""
        return self.right - self.both[reference], self.right[reference] - self.both[reference]

    def standard_errors(self, reference: int) -> Numbers:
        """Of the difference between each candidate's share and the reference's, (candidates,)."""
        own, other = self.only(reference)
        return np.sqrt(np.maximum(own + other - (own - other) ** 2 / self.n, 0.0)) / self.n

    def shrunk(self, groups: npt.NDArray[np.int_]) -> Numbers:
        """Each share drawn to the mean of its group as far as the spread of the group is noise."""
        found = self.right / self.n
        for group in np.unique(groups):
            members = np.flatnonzero(groups == group)
            if len(members) > 1:
                found[members] = _drawn_to_mean(Shared(self.n, self.both[np.ix_(members, members)]))
        return found


def _drawn_to_mean(group: Shared) -> Numbers:
    """Empirical Bayes with normal shares, by the method of moments.

    The noise of a share beside the mean is that of the paired difference on the same images. The variance of
    the true shares is what their spread has beyond the mean noise; where it has nothing, all are the mean.
    """
    shares = group.right / group.n
    mean = shares.mean()
    squares = (group.right - 2 * group.both.mean(axis=1) + group.both.mean()) / group.n
    noise = (squares - (shares - mean) ** 2) / group.n
    true = max(0.0, float(shares.var(ddof=1) - noise.mean()))
    total = true + noise
    weight = np.divide(true, total, out=np.zeros_like(total), where=total > 0)
    found: Numbers = mean + weight * (shares - mean)
    return found


def leads(own: Numbers, other: Numbers, n: int, lead: float) -> Outcomes:
    """Whether an accuracy is higher by so many standard errors of the paired difference.

    Args:
        own, other: images of ``n`` on which only the one, only the other is right.
    """
    ahead = own - other
    found: Outcomes = (ahead > 0) & (n * ahead**2 > lead**2 * (n * (own + other) - ahead**2))
    return found
