"""What every probe of a specification has: how many of the test images it looks at.

A probe is a measurement of one network that is no single attack: a curve over radii, checks, an audit.
Its spec derives from ``ProbeSpec`` and is a field of ``EvaluateSpec``; the field's name is the probe's.
"""

from __future__ import annotations

from pydantic import Field

from cartl_core.part import Part


class ProbeSpec(Part):
    """One probe; subclasses add what it is measured with."""

    images: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="Test images looked at: the first by lot, stratified; null looks at all.",
    )
