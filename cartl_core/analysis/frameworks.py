"""The places of two frameworks that a robustness report can speak to, and those it cannot. Torch-free.

NIST AI 100-1 (AI RMF 1.0), MEASURE 2.7; Regulation (EU) 2024/1689, Article 15.
"""

from __future__ import annotations

from cartl_core.report.evidence import Framework, Gap, Reference

NIST: Framework = "NIST AI RMF 1.0"
AI_ACT: Framework = "EU AI Act, Regulation (EU) 2024/1689"

SECURITY = Reference(framework=NIST, clause="MEASURE 2.7")
LEVELS = Reference(framework=AI_ACT, clause="Article 15(1)")
DECLARED = Reference(framework=AI_ACT, clause="Article 15(3)")
RESILIENCE = Reference(framework=AI_ACT, clause="Article 15(4)")
ATTACKS = Reference(framework=AI_ACT, clause="Article 15(5)")

GAPS: tuple[Gap, ...] = (
    Gap(id="poisoning", references=(ATTACKS, SECURITY)),
    Gap(id="confidentiality", references=(ATTACKS, SECURITY)),
    Gap(id="other_perturbations", references=(ATTACKS, RESILIENCE)),
    Gap(id="system", references=(RESILIENCE,)),
    Gap(id="lifecycle", references=(LEVELS, SECURITY)),
)
