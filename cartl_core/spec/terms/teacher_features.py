"""The student's last features are kept near the teacher's (LwF; Shafahi et al., ICLR 2020)."""

from __future__ import annotations

from cartl_core.spec.terms.term import Term

TERM = Term(
    code="teacher_features",
    field="lwf_weight",
    default=0.01,
    largest=1000.0,
    description="Lambda of the distance of the last features to the teacher's (LwF); null: none.",
    implementation="cartl_core.training.terms:teacher_features",
    metric="distillation_distance",
    sentence="the teacher's last features on the same images, weight {weight:g} (LwF)",
    also_used_by=lambda facts: not (facts.adversarial or facts.head_only),
)
