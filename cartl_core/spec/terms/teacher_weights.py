"""The tail's weights decay towards the teacher's (L2-SP; Li, Grandvalet and Davoine, ICML 2018)."""

from __future__ import annotations

from cartl_core.spec.terms.term import Term

TERM = Term(
    code="teacher_weights",
    field="anchor_weight",
    default=0.01,
    largest=10.0,
    description="Decay of the tail, its head left out, towards the teacher's weights (L2-SP), in place "
    "of weight decay; null: towards zero, as `weight_decay` says.",
    implementation="cartl_core.training.terms:teacher_weights",
    metric="anchor_penalty",
    sentence="the teacher's own weights, towards which the tail decays by {weight:g}",
    also_used_by=lambda facts: not (facts.adversarial or facts.distilled or facts.head_only),
    replaces_decay=True,
)
