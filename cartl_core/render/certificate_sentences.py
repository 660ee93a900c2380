"""What the audit and randomised smoothing prove, in words."""

from __future__ import annotations

from cartl_core.render import numbers
from cartl_core.report.certificates import Audit, NetworkCertificate, SmoothingResult


def audit(found: Audit) -> str:
    """How far the tail can stretch distances of features."""
    tail = found.tail
    said = f"The tail is proven to stretch no distance of features more than {tail.tail_constant:.3g} times"
    if tail.tail_constant <= 1:
        return f"{said}: it is non-expansive."
    stretching = sum(row.upper_bound > 1 for row in tail.layers)
    return f"{said}; {stretching} of its {len(tail.layers)} layers are not proven non-expansive."


def network_certificate(found: NetworkCertificate) -> str:
    """What the whole network's constant certifies at the smallest radius of its curve."""
    first = found.curve[0]
    if found.vacuous:
        return (
            f"Vacuous: no image is certified at an L2 radius of {first.radius:g}. The whole network's proven "
            f"constant is {found.constant:.2g}, and the median certified radius {found.median_radius:.1e}."
        )
    return (
        f"{numbers.percent(first.certified.value)} of {numbers.count(first.certified.n)} images are right "
        f"and certified at an L2 radius of {first.radius:g}: no perturbation within it changes the network's "
        "answer, but for rounding."
    )


def smoothing_result(found: SmoothingResult) -> str:
    """How often the smoothed classifier is right, and what its certificates are of."""
    right = found.curve[0].certified
    return (
        f"The smoothed classifier, which answers by a vote over noise of sigma {found.sigma:g}, is right on "
        f"{numbers.percent(right.value)} of {numbers.count(right.n)} images. Each certificate is wrong "
        f"with a probability of at most {found.alpha:g}, and is of that classifier, not of the exported "
        "network, which answers without noise. Tuning with transfer.noise_sigma fits a network to it."
    )
