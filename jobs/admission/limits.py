"""How large a job may be in this deployment. The specification's own ranges are wider."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, get_args

from annotated_types import Ge
from pydantic import BaseModel

from cartl_core.errors import SpecError
from cartl_core.planning.estimates.scratch import check_scratch
from cartl_core.spec import JobSpec
from cartl_core.spec.existing_network import EvaluateJobSpec
from jobs.admission.image_counts import training_images
from jobs.settings import Settings

# The field of a part of the specification -> the setting that bounds it, wherever that field occurs.
SETTING_OF = {
    "epochs": "max_epochs",
    "batch_size": "max_batch_size",
    "steps": "max_attack_steps",
    "restarts": "max_restarts",
}
EXA = 1e18
FLOP_OF_A_MULTIPLY_ADD = 2


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
    if isinstance(spec, JobSpec):
        check_scratch(
            spec.arms,
            spec.model,
            images=training_images(spec.dataset),
            limit_bytes=settings.scratch_bytes,
        )
    work = FLOP_OF_A_MULTIPLY_ADD * estimate["macs"] / EXA
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
    for name, least in _leasts(type(part)).items():
        yield (*path, name), least, getattr(part, name), getattr(settings, SETTING_OF[name])
    for name in _ways(type(part)):
        for place, inner in _parts(getattr(part, name), (*path, name)):
            yield from _bounded(inner, settings, place)


@cache
def _leasts(part: type[BaseModel]) -> dict[str, int]:
    """The bounded fields of a class, each with the least that it may be."""
    return {
        name: next(int(str(bound.ge)) for bound in field.metadata if isinstance(bound, Ge))
        for name, field in part.model_fields.items()
        if name in SETTING_OF
    }


@cache
def _ways(part: type[BaseModel]) -> tuple[str, ...]:
    """The fields of a class below which there are bounded ones."""
    return tuple(
        name
        for name, field in part.model_fields.items()
        if any(_leasts(inner) or _ways(inner) for inner in _classes_in(field.annotation))
    )


def _classes_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The classes that a type is made of: of a part, a tuple of parts, one of several."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _classes_in(argument)


def _parts(value: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], BaseModel]]:
    if isinstance(value, BaseModel):
        yield path, value
    elif isinstance(value, tuple):
        yield from (
            ((*path, str(index)), item) for index, item in enumerate(value) if isinstance(item, BaseModel)
        )
