"""What methods are given where nobody says otherwise; the methods are in ``cartl_core.spec.methods``."""

from __future__ import annotations

from typing import Any

DISTANCE_WEIGHTS: dict[str, float] = {"spread": 4.0, "relative": 5.0, "cosine": 45.0}
"""Lambda of each feature distance of ours. `spread`: from trials on MNIST to Fashion-MNIST; the others
weigh as much at the features of a plain robust teacher (docs/explanation/decisions has the distances)."""

OPERATOR_BETA = 1.0
"""Spectral scale where it is that of the true norm: the largest that is non-expansive."""

DISPLACEMENT_STEPS = 10
DISPLACEMENT_STEP = 0.25
"""Of the attack that displaces features: steps, and the step's share of the radius (Madry et al. 2018)."""


ON_FIXED_FEATURES: dict[str, Any] = {"augmentation": "none", "trunk_statistics": "teacher"}
"""Of methods that learn from features of the trunk that are computed once, at any preset."""


def consistent(weight: float) -> dict[str, Any]:
    """Fields of a `consistent` student, beside those of ``ON_FIXED_FEATURES``.

    Reach and weight are the dial between clean and robust accuracy (docs/study/).
    """
    return {
        "displacement": {"loss": "consistency", "direction": "tail", "reach": 0.25, "weight": weight},
    }
