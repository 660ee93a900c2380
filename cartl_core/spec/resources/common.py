"""What data sets and teachers that people bring have in common."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from cartl_core.spec.base import ARRAY
from cartl_core.spec.visible_text import VISIBLE

RESOURCE_NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"
ResourceName = Annotated[str, StringConstraints(pattern=RESOURCE_NAME)]
"""Unique among the resources of its kind and owner, and no name of the catalog."""

Licence = Annotated[str, StringConstraints(min_length=1, max_length=200), VISIBLE]
"""What the owner says of it, e.g. an SPDX identifier. It is shown and not judged."""

Origin = Literal["catalog", "upload", "root", "trained"]
Norm = Literal["linf", "l2", "l1"]

PerChannel = Annotated[tuple[float, ...], ARRAY, Field(min_length=1, max_length=3)]
"""One number for each channel of an image in [0, 1]."""
