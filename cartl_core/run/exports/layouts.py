"""In which layout of another library a student is given back."""

from __future__ import annotations

from cartl_core.catalog.layouts import LAYOUTS
from cartl_core.spec import JobSpec, ModelSpec

COLOURS = 3


def layout_for(spec: JobSpec) -> str | None:
    """The layout that the teacher came in; else the public one of this network, if there is one.

    A network that was built here is offered in a public layout only as the public class has it: for colour
    images, with the stem that the class has.
    """
    teacher = getattr(spec, "teacher", None)
    if teacher is not None:
        return teacher.layout if teacher.layout in LAYOUTS else public_layout(spec.model)
    return public_layout(spec.model)


def public_layout(model: ModelSpec) -> str | None:
    """The first layout, the network's own class before others that only share its names."""
    if model.channels != COLOURS or model.stem_stride != 1:
        return None
    rows = [row for row in LAYOUTS.values() if row.network(model.name) == model.name]
    return min(rows, key=lambda row: len(row.families)).name if rows else None
