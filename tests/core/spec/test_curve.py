"""The settings of a robustness curve: rising radii, and faults that name their field."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from cartl_core.spec.measures.attack import Norm
from cartl_core.spec.measures.curve import CurveSpec, rising_to

GRID: dict[str, object] = {
    "norm": "linf",
    "eps": (0.1, 0.2),
    "expected_to": 0.2,
    "steps": 30,
    "step_of_eps": 0.1,
}


@pytest.mark.parametrize(("norm", "end"), [("linf", 1.0), ("l2", 40**0.5), ("l1", 40.0)])
def test_radii_rise_to_the_farthest_image(norm: Norm, end: float) -> None:
    grid = rising_to(end, 0.1)
    assert grid[0] == pytest.approx(0.025)
    assert 0.1 in grid
    assert grid[-1] == end
    assert list(grid) == sorted(set(grid))
    CurveSpec(norm=norm, eps=grid, expected_to=0.2)


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"eps": (0.1, 0.1)}, "eps", "rise"),
        ({"eps": (0.2, 0.1)}, "eps", "rise"),
        ({"eps": ()}, "eps", "at least 1"),
        ({"eps": (0.1, 1.5)}, "eps", "at most 1"),
        ({"eps": (0.0, 0.5)}, "eps", "greater than 0"),
        ({"eps": (0.1, float("nan"))}, "eps", "finite"),
        ({"expected_to": 0.3}, "expected_to", "at most 0.2"),
        ({"loss": "targeted_dlr"}, "loss", "ce, margin, dlr"),
        ({"steps": 0}, "steps", "greater than or equal to 1"),
        ({"restarts": 0}, "restarts", "greater than or equal to 1"),
        ({"refine": 21}, "refine", "less than or equal to 20"),
        ({"speed": 1}, "speed", "not permitted"),
    ],
)
def test_faults_name_the_field_and_what_is_allowed(
    changed: dict[str, object], field: str, words: str
) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        CurveSpec.model_validate(GRID | changed)
    assert caught.value.errors()[0]["loc"][0] == field
