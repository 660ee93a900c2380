"""The values of a student's loss terms, as the rows of ``cartl_core.spec.terms`` name them.

Shapes: images (N, C, H, W) in [0, 1]; features (N, ...); logits (N, K); labels (N,).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pkgutil import resolve_name

import torch
from torch import Tensor

from cartl_core.nn.losses import anchor_penalty, feature_drift
from cartl_core.spec.terms import TERMS, Term
from cartl_core.training.student import Student


@dataclass(frozen=True)
class TermInputs:
    """What a term may look at: one batch of clean images on its way through the network."""

    features: Tensor
    """(N, ...): they enter the tail."""
    inner: Tensor
    """(N, F): they enter the head."""
    logits: Tensor
    labels: Tensor


Value = Callable[[TermInputs], Tensor]
"""A scalar."""

Prepare = Callable[[Student], Value | None]
"""Called once before training, while the student's weights are the teacher's; None: nothing to add."""


@dataclass(frozen=True)
class ActiveTerm:
    """A term that a student's loss has: ``weight`` times ``value``."""

    term: Term
    weight: float
    value: Value


def active_terms(student: Student) -> tuple[ActiveTerm, ...]:
    """The terms whose weight is given, in the order of ``TERMS``."""
    found = []
    for name, term in TERMS.items():
        weight = getattr(student.spec, name)
        if weight is None:
            continue
        prepare: Prepare = resolve_name(term.implementation)
        if (value := prepare(student)) is not None:
            found.append(ActiveTerm(term, weight, value))
    return tuple(found)


def teacher_features(student: Student) -> Value:
    """Mean distance of the features before the head to what the teacher's tail makes of the same input."""
    teacher = student.distillation_teacher()

    def value(seen: TermInputs) -> Tensor:
        with torch.no_grad():
            wanted = teacher(seen.features)
        return feature_drift(seen.inner, wanted).mean()

    return value


def teacher_weights(student: Student) -> Value | None:
    """Half the squared distance of the tuned weights, the head left out, to the teacher's."""
    anchors = student.teacher_weights()
    if not anchors:
        return None
    return lambda _: anchor_penalty({name: student.tuned[name] for name in anchors}, anchors)
