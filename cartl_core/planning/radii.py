"""Radii that the network's input has room for: no two images of [0, 1] are further apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cartl_core.errors import SpecError
from cartl_core.spec import AttackSpec, AutoSpec, EvaluateSpec, ModelSpec
from cartl_core.spec.measures.attack import Norm, largest_radius


class Radius(NamedTuple):
    """One radius or step of a specification, in pixel units, and the field that has it."""

    field: str
    norm: Norm
    value: float


def check_radii(evaluate: EvaluateSpec, model: ModelSpec, auto: AutoSpec | None = None) -> None:
    """Refuse what is larger than the distance of a black image of the network's size from a white one.

    Raises:
        SpecError: naming the field, and the most that it may be.
    """
    radii = [*_radii(evaluate), *(_of_attack("auto.attack", auto.attack) if auto else ())]
    for radius in radii:
        largest = largest_radius(radius.norm, model.channels * model.image_size**2)
        if radius.value > largest:
            raise SpecError(
                radius.field,
                f"{radius.value:g} is more than an image of {model.channels} x {model.image_size} x "
                f"{model.image_size} has room for",
                allowed=f"at most {largest:g} in {radius.norm}",
            )


def _radii(evaluate: EvaluateSpec) -> Iterator[Radius]:
    """Every one that is measured in a norm which grows with the input."""
    for field, attacks in (("attacks", evaluate.attacks), ("source_attacks", evaluate.source_attacks)):
        for index, attack in enumerate(attacks):
            yield from _of_attack(f"evaluate.{field}.{index}", attack)
    if (curve := evaluate.curve) is not None:
        yield from (Radius("evaluate.curve.eps", curve.norm, eps) for eps in curve.eps)
        yield Radius("evaluate.curve.expected_to", curve.norm, curve.expected_to)
    if evaluate.gallery is not None:
        yield Radius("evaluate.gallery.eps", evaluate.gallery.norm, evaluate.gallery.eps)
    if evaluate.checks is not None:
        yield from _of_attack("evaluate.checks.attack", evaluate.checks.attack)
    if evaluate.audit is not None:
        yield from (Radius("evaluate.audit.radii", "l2", radius) for radius in evaluate.audit.radii)


def _of_attack(where: str, attack: AttackSpec) -> Iterator[Radius]:
    yield Radius(f"{where}.eps", attack.norm, attack.eps)
    if attack.step is not None:
        yield Radius(f"{where}.step", attack.norm, attack.step)
