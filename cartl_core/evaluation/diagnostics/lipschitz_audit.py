"""The audit as a diagnostic: constants from the weights, and what an attack does to each image's features."""

from __future__ import annotations

import copy
from math import prod, sqrt

import torch
from torch import Tensor

from cartl_core.attacks import misclassified, perturb, random_starts
from cartl_core.evaluation.diagnostics.base import Batch, Subject
from cartl_core.evaluation.feature_displacement import (
    certified_distance,
    displacement,
    mean_feature,
    off_centre,
)
from cartl_core.nn.lipschitz import audit_tail
from cartl_core.nn.rng import generator
from cartl_core.report.certificates import (
    Audit,
    CertifiedPoint,
    Displacement,
    Distribution,
    NetworkCertificate,
    TailAudit,
)
from cartl_core.report.values import Interval
from cartl_core.spec.measures.certificates import AuditSpec
from cartl_core.statistics.proportions import wilson

BATCH = 256
PACE = 2.5
"""Steps of the attack could walk this many radii (Madry et al. 2018)."""
RIGHT, MOVED, APART, REACH = "right", "moved", "off_centre", "reach"


def batch(subject: Subject, asked: AuditSpec) -> Batch:
    """Of each image: is it right, how far its features move, how far they are from their mean anyway.

    And how far the head's input may move before another class can win, from logits in double precision.
    """
    network = subject.network
    lower, _ = network.split(subject.freeze_depth)
    device = network.normalize.mean.device
    centre = mean_feature(lower, subject.images, BATCH, device)
    exact = copy.deepcopy(network).double()

    def rows(images: Tensor, labels: Tensor, indices: Tensor) -> dict[str, Tensor]:
        start = random_starts(
            images.shape[1:], asked.eps, seed=subject.seed, label="audit", restart=0, indices=indices
        )
        step = PACE * asked.eps / asked.steps
        adversarial = perturb(
            network, images, labels, eps=asked.eps, step=step, steps=asked.steps, start=start.to(images)
        )
        with torch.no_grad():
            logits = exact(images.double())
        return {
            RIGHT: ~misclassified(logits, labels),
            MOVED: displacement(lower, adversarial, images),
            APART: off_centre(lower, images, centre),
            REACH: certified_distance(logits, labels, exact.head.weight),
        }

    return rows


def summarise(subject: Subject, asked: AuditSpec, rows: dict[str, Tensor]) -> Audit:
    """The constants, and what they say of the images."""
    network, model = subject.network, subject.network.arch.model
    lower, upper = network.split(subject.freeze_depth)
    draw = generator(subject.seed, "audit")
    shape: tuple[int, ...] = (model.channels, model.image_size, model.image_size)
    trunk: TailAudit | None = None
    if subject.freeze_depth:
        trunk = audit_tail(lower, shape, draw)
        shape = _shape_of_features(subject)
    tail = audit_tail(upper, shape, draw)
    entry = trunk.tail_constant if trunk else 1.0
    body, constant = entry * body_constant(tail) * _UP, entry * tail.tail_constant * _UP
    return Audit(
        tail=tail,
        displacement=_displacement(asked, rows),
        # No image is farther than that from any other.
        network=_certificate(asked, rows, body, constant, sqrt(model.channels) * model.image_size),
    )


_UP = 1 + 1e-12
"""For the roundings of the products."""


def body_constant(audit: TailAudit) -> float:
    """Proven of all blocks but the head."""
    return prod(block.upper_bound for block in audit.blocks[:-1]) * _UP


def _shape_of_features(subject: Subject) -> tuple[int, ...]:
    network, model = subject.network, subject.network.arch.model
    image = torch.zeros(1, model.channels, model.image_size, model.image_size)
    with torch.no_grad():
        features = network.split(subject.freeze_depth)[0](image.to(network.normalize.mean.device))
    return tuple(features.shape[1:])


def _displacement(asked: AuditSpec, rows: dict[str, Tensor]) -> Displacement | None:
    """How far the features moved; None where those of an image are not finite."""
    if not (rows[MOVED].isfinite() & rows[APART].isfinite()).all():
        return None
    spread = float(rows[APART].mean())
    return Displacement(
        attack=f"PGD-{asked.steps}, ce, linf, last iterate",
        eps=asked.eps,
        distance=distribution(rows[MOVED]),
        spread=spread,
        relative=distribution(rows[MOVED] / spread) if spread > 0 else None,
    )


def distribution(values: Tensor) -> Distribution:
    """Median, 95th percentile and maximum of ``values`` (n,), each a value that is there or between two."""
    exact = values.double()
    return Distribution(
        n=len(exact),
        median=float(exact.quantile(0.5)),
        p95=float(exact.quantile(0.95)),
        max=float(exact.max()),
    )


def _certificate(
    asked: AuditSpec, rows: dict[str, Tensor], body: float, constant: float, farthest: float
) -> NetworkCertificate:
    radius = (rows[REACH] / max(body, torch.finfo(torch.float64).tiny)).clamp(max=farthest)
    right = rows[RIGHT]
    curve = tuple(certified_at(r, right, radius) for r in asked.radii)
    median = float(radius[right].median()) if right.any() else 0.0
    return NetworkCertificate(
        body_constant=body,
        constant=constant,
        median_radius=median,
        curve=curve,
        vacuous=curve[0].certified.successes == 0,
    )


def certified_at(radius: float, right: Tensor, certified: Tensor) -> CertifiedPoint:
    """Images that are right and certified to ``radius`` or more; right and certified: (n,)."""
    robust: Interval = wilson(int((right & (certified >= radius)).sum()), len(right))
    return CertifiedPoint(radius=radius, certified=robust)
