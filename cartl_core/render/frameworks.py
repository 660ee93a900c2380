"""What the clauses of two frameworks are about and what a report says nothing of, in our own words.

The texts themselves are what counts: NIST AI 100-1 (AI RMF 1.0) and Regulation (EU) 2024/1689.
"""

from __future__ import annotations

from dataclasses import dataclass

from cartl_core.report.evidence import Clause, GapId

STATEMENT = (
    "Evidence, not a verdict: this block says what was measured and how. It does not say that a system "
    "conforms to any law, standard or framework, nor that its risks are acceptable. Who may rely on it, for "
    "which intended purpose, has to be judged by people who know that purpose."
)

ABOUT: dict[Clause, str] = {
    "MEASURE 2.7": "security and resilience are evaluated and documented",
    "Article 15(1)": (
        "an appropriate level of accuracy, robustness and cybersecurity, kept over the lifecycle"
    ),
    "Article 15(3)": "levels of accuracy and their metrics are declared in the instructions of use",
    "Article 15(4)": "resilience against errors, faults and inconsistencies, also of the environment",
    "Article 15(5)": (
        "resilience against those who exploit vulnerabilities, adversarial examples among them"
    ),
}


@dataclass(frozen=True)
class GapText:
    """What is not covered, and why."""

    subject: str
    words: str


GAPS: dict[GapId, GapText] = {
    "poisoning": GapText(
        "data and model poisoning",
        "Digests say which images and which teacher were used; nobody looked for poison in them.",
    ),
    "confidentiality": GapText(
        "confidentiality", "Membership inference, inversion and extraction of the model were not tried."
    ),
    "other_perturbations": GapText(
        "perturbations of other kinds",
        "Attacks change pixels within a ball of the stated norm and radius. Patches, rotations, physical "
        "objects and adversaries without a bound were not tried.",
    ),
    "system": GapText(
        "redundancy, fail-safe plans and feedback loops",
        "Properties of the system around the network; none of them is visible here.",
    ),
    "lifecycle": GapText(
        "the lifecycle",
        "One network at one moment on one test set. Drift, monitoring and response are outside.",
    ),
}
