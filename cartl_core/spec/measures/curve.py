"""The curve of robust accuracy over eps: at which radii it is measured, and how hard.

Torch-free. Radii are in pixel units, in the curve's norm.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from cartl_core.spec.base import ARRAY, refusal
from cartl_core.spec.measures.attack import ATTACKS, LARGEST_RADIUS, AttackLoss, Norm
from cartl_core.spec.measures.diagnostics import DiagnosticSpec

USUAL_PACE = 2.5
"""Steps of a rung could walk this many radii: enough to cross a ball and to turn round at its wall (Madry et
al. 2018, arXiv 1706.06083, section 5, take 2.5 eps over the steps)."""

MULTIPLES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0)
"""Of the evaluation's eps: dense where networks differ, then in strides to the end."""

Radius = Annotated[float, Field(gt=0.0, le=LARGEST_RADIUS["l1"])]


class CurveSpec(DiagnosticSpec):
    """One pass over rising radii, with projected gradient descent at each.

    At every radius an image that still stands is attacked from where the radius before ended, then from
    ``restarts`` random points. The first radius at which it falls is its own, for good.
    """

    norm: Norm = "linf"
    loss: AttackLoss = Field(default="ce", description="What the attack climbs: ce, margin or dlr.")
    eps: Annotated[tuple[Radius, ...], ARRAY, Field(min_length=1, max_length=64)] = Field(
        description="Radii in pixel units, rising; the curve ends early where nothing stands."
    )
    steps: int = Field(default=20, ge=1, le=1000, description="Steps at each radius, from each start.")
    step_of_eps: float = Field(
        default=USUAL_PACE / 20, gt=0.0, le=2.0, description="Step size as a part of the radius."
    )
    restarts: int = Field(default=1, ge=1, le=20, description="Random starts at each radius.")
    refine: int = Field(
        default=0,
        ge=0,
        le=20,
        description="Bisections of each image's last interval: with k its own distance is known to a 2**k-th "
        "of the gap between two radii.",
    )
    expected_to: float = Field(
        gt=0.0,
        le=LARGEST_RADIUS["l1"],
        description="Expected robustness is the mean of robust accuracy over radii from 0 to this one.",
    )

    @field_validator("loss")
    @classmethod
    def _of_gradient_descent(cls, loss: AttackLoss) -> AttackLoss:
        allowed = ATTACKS["pgd"].losses
        if loss not in allowed:
            raise refusal(f"a curve takes no {loss}", ", ".join(allowed))
        return loss

    @field_validator("eps")
    @classmethod
    def _rising(cls, eps: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        if any(second <= first for first, second in pairwise(eps)):
            raise refusal("radii must rise", "each above the one before")
        largest = LARGEST_RADIUS[info.data.get("norm", "l1")]
        if eps and eps[-1] > largest:
            raise refusal(
                f"{eps[-1]:g} is more than an image has room for",
                f"at most {largest:g} in {info.data.get('norm', 'l1')}",
            )
        return eps

    @field_validator("expected_to")
    @classmethod
    def _measured(cls, expected_to: float, info: ValidationInfo) -> float:
        eps = info.data.get("eps")
        if eps and expected_to > eps[-1]:
            raise refusal(f"{expected_to:g} is beyond the curve", f"at most {eps[-1]:g}, its last eps")
        return expected_to


def rising_to(end: float, eps: float, multiples: Sequence[float] = MULTIPLES) -> tuple[float, ...]:
    """Radii around ``eps``, up to ``end`` and with it.

    Args:
        end: the last radius, e.g. that of a ball around any image that holds every other: 1 in linf.
        eps: the radius of the evaluation.
        multiples: of ``eps``, rising; those that reach ``end`` are left out.
    """
    return (*(eps * multiple for multiple in multiples if eps * multiple < end), end)
