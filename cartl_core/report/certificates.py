"""What is proven of a network, and what is only measured beside it: values of the report.

A Lipschitz constant here is in L2, of the network in eval mode and exact arithmetic. Radii are L2, in
pixel units.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cartl_core.report.values import Interval, Value

LayerKind = Literal["convolution", "linear", "batch_norm", "normalisation", "activation", "pooling"]


class LayerAudit(Value):
    """One layer: how far it stretches its input at most."""

    name: str = Field(description="Its name in the tail, e.g. block4.branch.conv1.")
    kind: LayerKind
    reshaped_sigma: float | None = Field(
        default=None,
        description="Largest singular value of the reshaped kernel: what the paper's NEFT bounds.",
    )
    power_estimate: float | None = Field(
        default=None, description="The layer's own norm by power iteration: an estimate, from below."
    )
    upper_bound: float = Field(ge=0, description="Proven: no two inputs get further apart by more than this.")


class BlockAudit(Value):
    """One block of the network: its layers multiplied, branches added."""

    name: str
    upper_bound: float = Field(ge=0)


class TailAudit(Value):
    """A proven Lipschitz constant of the tail, from the trunk's features to the logits, layer by layer."""

    feature_shape: tuple[int, ...] = Field(description="(C, H, W) or (F,) of what goes in.")
    layers: tuple[LayerAudit, ...]
    blocks: tuple[BlockAudit, ...]
    tail_constant: float = Field(ge=0, description="Proven Lipschitz constant in L2, logits over features.")


class Distribution(Value):
    """Three quantiles of a number that each image has."""

    n: int = Field(ge=1)
    median: float
    p95: float
    max: float


class Displacement(Value):
    """How far an attack moved the trunk's features: measured, an empirical figure and no bound."""

    attack: str
    eps: float = Field(description="Its radius, pixel units.")
    distance: Distribution = Field(description="||lower(x_adv) - lower(x)||_2 over the images.")
    spread: float = Field(
        ge=0, description="Mean ||lower(x) - mean||_2: how far apart the features are anyway."
    )
    relative: Distribution | None = Field(
        description="The distances over the spread; null where all features are the same."
    )
    basis: Literal["empirical"] = "empirical"


class CertifiedPoint(Value):
    """Certified accuracy at one radius."""

    radius: float = Field(ge=0, description="L2, pixel units.")
    certified: Interval = Field(
        description="Images that are right, with a certificate of this radius or more."
    )


class NetworkCertificate(Value):
    """A deterministic certificate of the whole network, from its Lipschitz constant."""

    body_constant: float = Field(
        ge=0, description="Proven, from pixels to the head's input, the input's normalisation included."
    )
    constant: float = Field(ge=0, description="Proven, from pixels to logits.")
    median_radius: float = Field(ge=0, description="Median certified radius of the images that are right.")
    curve: tuple[CertifiedPoint, ...]
    vacuous: bool = Field(description="Nothing is certified at the smallest radius of the curve.")


class Audit(Value):
    """What can be proven of a student from its weights, and what of the attack reaches the tail."""

    tail: TailAudit
    displacement: Displacement | None = Field(
        description="Null where features of an image are not finite: there is no distance."
    )
    network: NetworkCertificate


class SmoothingResult(Value):
    """Randomised smoothing (Cohen et al. 2019): a certificate of the smoothed classifier, on request."""

    sigma: float = Field(gt=0, description="Deviation of the noise, pixel units.")
    n0: int
    n: int = Field(description="Draws behind each certificate.")
    alpha: float = Field(description="Each certificate is wrong with at most this probability.")
    largest_radius: float = Field(description="What so many draws can certify at most.")
    curve: tuple[CertifiedPoint, ...]
    abstained: Interval = Field(description="Images on which the smoothed classifier gives no answer.")
    classifier: Literal["smoothed"] = "smoothed"
