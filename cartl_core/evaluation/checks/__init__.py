"""Checks against self-deception: what is measured of a network, image by image.

``CHECKS`` has a row a check; each is a pure function of a ``CheckInputs`` and gives tensors of one row an
image. ``cartl_core.analysis.checks`` says what they mean.
"""

from cartl_core.evaluation.checks.input_sensitivity import in_double, normalises_first
from cartl_core.evaluation.checks.summary import not_finite_count, summary
from cartl_core.evaluation.checks.table import CHECKS, ROBUST, CheckInputs, Rows

__all__ = [
    "CHECKS",
    "ROBUST",
    "CheckInputs",
    "Rows",
    "in_double",
    "normalises_first",
    "not_finite_count",
    "summary",
]
