"""Radii as people write them: a number of pixel units, or a quotient as ``8/255``."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from cartl_core.spec.base import refusal
from cartl_core.spec.measures.attack import LARGEST_RADIUS

QUOTIENT = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")
SAME_RADIUS = 1e-6
"""Radii that differ by no more than this share of them are one."""


def _radius(written: Any) -> Any:
    """``8/255`` as a number; what is no text is left to the field's type."""
    if not isinstance(written, str):
        return written
    found = QUOTIENT.fullmatch(written)
    if found is None or not int(found[2]):
        raise refusal("it is no radius", "a number of pixel units, or a quotient as 8/255")
    return float(Fraction(int(found[1]), int(found[2])))


AS_WRITTEN = BeforeValidator(_radius, json_schema_input_type=float | str)

Radius = Annotated[float, Field(gt=0.0, le=LARGEST_RADIUS["l1"]), AS_WRITTEN]
"""A radius in pixel units; it may be written as ``8/255``."""

RadiusOrZero = Annotated[float, Field(ge=0.0, le=LARGEST_RADIUS["l1"]), AS_WRITTEN]
"""The same of an attack, which may have no room at all."""
