"""The places of two frameworks that a robustness report can speak to, and those it cannot. Torch-free.

NIST AI 100-1 (AI RMF 1.0), MEASURE 2.7; Regulation (EU) 2024/1689, Article 15. What a clause is about is
said in our own words; the texts themselves are what counts.
"""

from __future__ import annotations

from cartl_core.report.evidence import Framework, Gap, Reference

NIST: Framework = "NIST AI RMF 1.0"
AI_ACT: Framework = "EU AI Act, Regulation (EU) 2024/1689"

SECURITY = Reference(
    framework=NIST, clause="MEASURE 2.7", about="security and resilience are evaluated and documented"
)
LEVELS = Reference(
    framework=AI_ACT,
    clause="Article 15(1)",
    about="an appropriate level of accuracy, robustness and cybersecurity, kept over the lifecycle",
)
DECLARED = Reference(
    framework=AI_ACT,
    clause="Article 15(3)",
    about="levels of accuracy and their metrics are declared in the instructions of use",
)
RESILIENCE = Reference(
    framework=AI_ACT,
    clause="Article 15(4)",
    about="resilience against errors, faults and inconsistencies, also of the environment",
)
ATTACKS = Reference(
    framework=AI_ACT,
    clause="Article 15(5)",
    about="resilience against those who exploit vulnerabilities, adversarial examples among them",
)

GAPS: tuple[Gap, ...] = (
    Gap(
        subject="data and model poisoning",
        references=(ATTACKS, SECURITY),
        words="Digests say which images and which teacher were used; nobody looked for poison in them.",
    ),
    Gap(
        subject="confidentiality",
        references=(ATTACKS, SECURITY),
        words="Membership inference, inversion and extraction of the model were not tried.",
    ),
    Gap(
        subject="perturbations of other kinds",
        references=(ATTACKS, RESILIENCE),
        words="Attacks change pixels within a ball of the stated norm and radius. Patches, rotations, "
        "physical objects and adversaries without a bound were not tried.",
    ),
    Gap(
        subject="redundancy, fail-safe plans and feedback loops",
        references=(RESILIENCE,),
        words="Properties of the system around the network; none of them is visible here.",
    ),
    Gap(
        subject="the lifecycle",
        references=(LEVELS, SECURITY),
        words="One network at one moment on one test set. Drift, monitoring and response are outside.",
    ),
)
