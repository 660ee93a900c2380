"""The gallery of worst images: which images are tried, and how hard. Torch-free; radii in pixel units."""

from __future__ import annotations

from pydantic import Field

from cartl_core.attack_facts import LARGEST_RADIUS, Norm
from cartl_core.probe_spec import ProbeSpec

PACE = 2.5
"""All steps together could walk this many radii (Madry et al. 2018, arXiv 1706.06083, section 5)."""


class GallerySpec(ProbeSpec):
    """Pictures of what fools the network most: projected gradient descent that goes on to its last step."""

    norm: Norm = "linf"
    eps: float = Field(gt=0.0, le=LARGEST_RADIUS["l1"], description="Radius in pixel units, in the norm.")
    steps: int = Field(default=40, ge=1, le=1000)
    shown: int = Field(default=8, ge=1, le=32, description="Images kept, of as many classes as there are.")

    @property
    def step(self) -> float:
        """Step size in pixel units, in the norm."""
        return PACE * self.eps / self.steps
