"""Where the rows of a batch have been: whoever moves in a circle has shown all that it will ever try.

A deterministic attack's next point is a function of the point alone, once the model's answer is. If a point
is that of two steps ago, and the model answers with the very same logits, the same two points follow for
ever, neither of which fooled the model. A model that answers at random does not repeat its logits, so its
images go on. Points and logits are compared bit by bit: no tolerance decides, only that the next steps would
round as the last ones did, as they do whatever the batch. Circles of more than two points are rare; such
images go on as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

Visit = tuple[Tensor, Tensor]
"""Points (rows, C, H, W) and the model's logits there (rows, K)."""


@dataclass
class CycleDetector:
    """The last two visits of a batch, the newest last."""

    circled: Tensor
    """(rows,) bool: seen moving in a circle."""
    visits: tuple[Visit, ...] = ()

    @classmethod
    def begin(cls, where: Tensor) -> CycleDetector:
        """Nobody has been anywhere. where: (rows,), any type, on the device of the batch."""
        return cls(torch.zeros_like(where, dtype=torch.bool))

    def follow(self, points: Tensor, logits: Tensor) -> Tensor:
        """Write down a visit of all rows; returns (rows,) bool: who is newly seen in a circle."""
        new = torch.zeros_like(self.circled)
        if len(self.visits) == 2:
            before, said = self.visits[0]
            new = (points == before).flatten(1).all(1) & (logits == said).all(1) & ~self.circled
        self.circled = self.circled | new
        self.visits = (*self.visits[-1:], (points, logits))
        return new

    def ahead(self, steps: int) -> Tensor:
        """(rows, C, H, W): where whoever moves in a circle will be so many steps on."""
        points, _ = self.visits[-1 - steps % 2]
        return points

    def of(self, rows: Tensor) -> CycleDetector:
        """The detector of some rows."""
        visits = tuple((points[rows], logits[rows]) for points, logits in self.visits)
        return CycleDetector(self.circled[rows], visits)
