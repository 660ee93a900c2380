"""Every check and outcome in words."""

from __future__ import annotations

from cartl_core.render.checks.of_answers import OF_ANSWERS
from cartl_core.render.checks.of_attacks import OF_ATTACKS
from cartl_core.render.checks.sentence import NO_IMAGE, Sentence
from cartl_core.report.checks import CheckName, Finding

_NOTHING_RIGHT = Sentence((f"{NO_IMAGE}nothing to judge.",))
_NOT_FINITE = Sentence(
    ("Outputs of the network are not finite, so there was nothing to judge.",),
    "See the check that outputs are finite.",
)

SENTENCES: dict[CheckName, dict[Finding, Sentence]] = {
    name: outcomes
    if name == "finite_outputs"
    else {"no_image_right": _NOTHING_RIGHT, **outcomes, "outputs_not_finite": _NOT_FINITE}
    for name, outcomes in (OF_ANSWERS | OF_ATTACKS).items()
}
"""By check and outcome."""
