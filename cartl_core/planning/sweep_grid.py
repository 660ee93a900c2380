"""From a sweep to its jobs: every combination of the grid, the same job only once.

A value that a method does not use is left out for that method: vanilla at three betas is one job, as are
LwF, which always tunes the whole network, and a linear probe, at three freeze depths. Where methods are
varied, the same holds for settings of the base: ``pretrain.fdm_layers`` is of the methods with an ``fdm``
teacher alone. A value that no method of the sweep uses is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

from pydantic import ValidationError

from cartl_core.catalog import METHODS
from cartl_core.errors import SpecError
from cartl_core.planning.lookup import CATALOG_ALONE, Lookup
from cartl_core.planning.method_settings import unused_by
from cartl_core.planning.resolve import own_depth
from cartl_core.spec import JobRequest
from cartl_core.spec.sweep import SweepRequest

AXES: dict[str, tuple[str, ...]] = {
    "seed": ("seed",),
    "method": ("method",),
    "freeze_depth": ("freeze_depth",),
    "beta": ("transfer", "beta"),
    "fdm_weight": ("pretrain", "fdm_weight"),
}
"""Where a job's request has the value of each axis; the last one is varied first, the seed last."""
DEPTH = ("freeze_depth",)


@dataclass(frozen=True)
class Cell:
    """One job of a sweep.

    Attributes:
        places: for each axis that matters here, where in the grid its value stands.
        request: what ``POST /jobs`` would be given.
    """

    places: Mapping[str, int]
    request: Mapping[str, Any]
    words: str

    def refused(self, error: SpecError) -> SpecError:
        """The error of this job, at the place in the sweep where the person wrote it."""
        return SpecError(self.where(error.field), f"{error.message} (in {self.words})", allowed=error.allowed)

    def where(self, field: str) -> str:
        """The field of this job, as a field of the sweep."""
        for axis, place in self.places.items():
            path = ".".join(AXES[axis])
            # A part that is refused whole is there because the grid has a field of it.
            if field == path or path.startswith(f"{field}."):
                return f"grid.{axis}.{place}"
        return "base" if field == "body" else f"base.{field}"


def cells(
    request: SweepRequest, most: int, default_preset: str = "quick", lookup: Lookup = CATALOG_ALONE
) -> tuple[Cell, ...]:
    """The jobs of a sweep, all settings under the first seed first.

    Args:
        most: combinations allowed.
        default_preset: where the base names none.
        lookup: finds the data sets and teachers that people brought.

    Raises:
        SpecError: there are more; a swept field is given in the base as well; a value that nothing uses.
    """
    axes = {axis: request.grid.axes[axis] for axis in AXES if axis in request.grid.axes}
    count = request.grid.combinations
    if count > most:
        sizes = " x ".join(str(len(values)) for values in axes.values())
        raise SpecError("grid", f"{sizes} = {count} combinations", allowed=f"1 to {most} combinations")
    base = request.base.model_dump(mode="json", exclude_unset=True)
    if request.base.freeze_depth is None:
        base.pop("freeze_depth", None)
    _refuse_twice(axes, base)
    if "freeze_depth" not in axes and "freeze_depth" not in base:
        raise SpecError("base.freeze_depth", "it is needed where the grid has none", allowed="a freeze depth")
    methods = axes.get("method", (request.base.method,))
    _refuse_idle(axes, methods)
    only_depth = partial(_own_depth, default_preset=default_preset, lookup=lookup)
    found: dict[tuple[tuple[str, int], ...], Cell] = {}
    for places in product(*(range(len(values)) for values in axes.values())):
        cell = _cell(base, axes, dict(zip(axes, places, strict=True)), methods, only_depth)
        found.setdefault(tuple(cell.places.items()), cell)
    return tuple(found.values())


def _cell(
    base: dict[str, Any],
    axes: Mapping[str, tuple[Any, ...]],
    places: Mapping[str, int],
    methods: tuple[str, ...],
    only_depth: Callable[[Mapping[str, Any]], int],
) -> Cell:
    method = axes["method"][places["method"]] if "method" in axes else methods[0]
    unused = _unused(method)
    kept = {axis: place for axis, place in places.items() if AXES[axis] not in unused}
    values = {axis: axes[axis][place] for axis, place in kept.items()}
    request = {name: dict(value) if isinstance(value, dict) else value for name, value in base.items()}
    for path in (path for path in unused if any(path not in _unused(other) for other in methods)):
        _drop(request, path)
    for axis, value in values.items():
        _put(request, AXES[axis], value)
    if DEPTH in unused:
        request.setdefault("freeze_depth", only_depth(request))
    request.setdefault("baselines", [])
    return Cell(kept, request, ", ".join(f"{axis} {value}" for axis, value in values.items()) or method)


def _unused(method: str) -> frozenset[tuple[str, ...]]:
    """Fields of a request that ``method`` does not use."""
    facts = METHODS[method]
    return unused_by(method) | ({DEPTH} if facts.distilled or facts.head_only else frozenset())


def _own_depth(request: Mapping[str, Any], *, default_preset: str, lookup: Lookup) -> int:
    """Of a job whose method has but one; whatever else is wrong with it is said when it is resolved."""
    try:
        asked = JobRequest.model_validate({**request, "freeze_depth": 0})
        return own_depth(asked, default_preset, lookup) or 0
    except (SpecError, ValidationError):
        return 0


def _refuse_twice(axes: Mapping[str, Any], base: Mapping[str, Any]) -> None:
    """A field is varied or common to all, not both."""
    for axis in axes:
        *part, field = AXES[axis]
        inside = base.get(part[0]) or {} if part else base
        if field in inside:
            raise SpecError(
                f"base.{'.'.join(AXES[axis])}",
                f"the grid varies it as well (grid.{axis})",
                allowed="one of the two",
            )


def _refuse_idle(axes: Mapping[str, Any], methods: tuple[str, ...]) -> None:
    for axis in axes:
        if all(AXES[axis] in _unused(method) for method in methods):
            users = ", ".join(name for name in METHODS if AXES[axis] not in _unused(name))
            raise SpecError(
                f"grid.{axis}", f"not used by {', '.join(methods)}", allowed=f"beside one of {users}"
            )


def _drop(request: dict[str, Any], path: tuple[str, ...]) -> None:
    *part, field = path
    inside = request.get(part[0]) if part else request
    if isinstance(inside, dict):
        inside.pop(field, None)


def _put(request: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    *part, field = path
    if part:
        request[part[0]] = {**(request.get(part[0]) or {}), field: value}
    else:
        request[field] = value
