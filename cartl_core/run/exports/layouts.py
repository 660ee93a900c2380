"""In which layout of another library a student is given back."""

from __future__ import annotations

from cartl_core.catalog.layouts import LAYOUTS
from cartl_core.catalog.networks import model_facts
from cartl_core.spec import JobSpec, ModelSpec

COLOURS = 3


def layout_for(spec: JobSpec) -> str | None:
    """The layout that the teacher came in; else the public one of this network, if there is one."""
    if spec.teacher is not None and spec.teacher.layout in LAYOUTS:
        return spec.teacher.layout
    return public_layout(spec.model)


def public_layout(model: ModelSpec) -> str | None:
    """The layout of the public class that computes as a network of the catalog, on colour images.

    Where several have such networks, it is the one that has no others. The networks that others publish come
    with a layout of their own: their names do not tell it.
    """
    if model.channels != COLOURS or model.stem_stride != 1 or model_facts(model.name).published:
        return None
    rows = [row for row in LAYOUTS.values() if row.network(model.name) == model.name]
    return min(rows, key=lambda row: len(row.families)).name if rows else None
