"""How large a job may be in this deployment. The specification's own ranges are wider."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from annotated_types import Ge
from pydantic import BaseModel

from cartl_core.errors import SpecError
from cartl_core.evaluate_spec import EvaluateJobSpec
from cartl_core.spec import JobSpec
from jobs.estimate import FLOP_PER_SECOND
from jobs.settings import Settings

# The field of a part of the specification -> the setting that bounds it, wherever that field occurs.
SETTING_OF = {
    "epochs": "max_epochs",
    "batch_size": "max_batch_size",
    "steps": "max_attack_steps",
    "restarts": "max_restarts",
}
EXA = 1e18


def check_size(spec: JobSpec | EvaluateJobSpec, estimate: dict[str, Any], settings: Settings) -> None:
    """Refuse a job that is larger than this deployment takes.

    Raises:
        SpecError: naming the field, and what it may be here.
    """
    for path, least, value, most in _bounded(spec, settings, ()):
        if value > most:
            field = ".".join(path)
            raise SpecError(
                field, f"{field} is {value}, more than this service takes", allowed=f"{least} to {most}"
            )
    work = estimate["seconds"] * FLOP_PER_SECOND / EXA
    if work > settings.max_job_exaflop:
        raise SpecError(
            "body",
            f"the whole job needs about {work:.3g} EFLOP: take fewer epochs, attack steps, restarts or "
            "images, or a smaller model",
            allowed=f"at most {settings.max_job_exaflop:g} EFLOP",
        )


def _bounded(
    part: BaseModel, settings: Settings, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], int, int, int]]:
    """Each bounded field below ``part``: where it is, the least, its value, the most."""
    leasts = _leasts(type(part))
    for name, value in part:
        if name in leasts:
            yield (*path, name), leasts[name], value, getattr(settings, SETTING_OF[name])
        elif isinstance(value, BaseModel | tuple):
            for place, inner in _parts(value, (*path, name)):
                yield from _bounded(inner, settings, place)


@cache
def _leasts(part: type[BaseModel]) -> dict[str, int]:
    """The bounded fields of a class, each with the least that it may be."""
    return {
        name: next(int(str(bound.ge)) for bound in field.metadata if isinstance(bound, Ge))
        for name, field in part.model_fields.items()
        if name in SETTING_OF
    }


def _parts(value: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], BaseModel]]:
    if isinstance(value, BaseModel):
        yield path, value
    elif isinstance(value, tuple):
        yield from (
            ((*path, str(index)), item) for index, item in enumerate(value) if isinstance(item, BaseModel)
        )
