"""Whom attacks stand for: what an adversary may change, knows and wants.

It follows from the attacks, so a specification always has it. Whoever writes it into a request states whom
the evaluation is meant to stand for, and is told where the attacks are those of another adversary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isclose
from typing import Annotated, Literal, get_args

from pydantic import Field, StringConstraints, ValidationError
from pydantic_core import InitErrorDetails

from cartl_core.spec.base import SpecModel, refusal
from cartl_core.spec.measures.attack import ATTACKS, LABEL_PATTERN, MOST_ATTACKS, AttackSpec, Norm
from cartl_core.spec.measures.radius import SAME_RADIUS, RadiusOrZero

Knowledge = Literal["white_box", "scores"]


class ThreatModel(SpecModel):
    """An adversary who changes each image by itself within a ball of one norm."""

    norm: Norm = Field(description="What the change of an image is measured in.")
    radii: tuple[RadiusOrZero, ...] = Field(
        strict=False,
        max_length=MOST_ATTACKS,
        description="Largest changes that are tried, in pixel units on [0, 1], ascending; a request may have "
        "quotients, e.g. `8/255`.",
    )
    knowledge: Knowledge = Field(
        description="`white_box`: architecture, weights and gradients; `scores`: outputs of queries alone."
    )
    goal: Literal["any_wrong_class"] = Field(
        default="any_wrong_class",
        description="An image counts as broken by any wrong answer, also where an attack aims at one class.",
    )
    enters: Literal["network_input"] = Field(
        default="network_input",
        description="Where the change enters: the pixels that the network gets, after decoding and resizing, "
        "in test images alone.",
    )
    attacks: tuple[Annotated[str, StringConstraints(pattern=LABEL_PATTERN)], ...] = Field(
        default=(),
        strict=False,
        max_length=MOST_ATTACKS,
        description="Labels of the attacks that stand for it: all in its norm. May be left out of a request.",
    )


MOST_THREAT_MODELS = len(get_args(Norm))
"""One a norm."""


def threat_models(attacks: Sequence[AttackSpec]) -> tuple[ThreatModel, ...]:
    """One adversary a norm, in the order of the attacks; the strongest of its attacks says what it knows."""
    found = []
    for norm in dict.fromkeys(attack.norm for attack in attacks):
        alike = [attack for attack in attacks if attack.norm == norm]
        sees = any(ATTACKS[attack.name].gradients for attack in alike)
        found.append(
            ThreatModel(
                norm=norm,
                radii=tuple(sorted({attack.eps for attack in alike})),
                knowledge="white_box" if sees else "scores",
                attacks=tuple(attack.label for attack in alike),
            )
        )
    return tuple(found)


def agreed(stated: Sequence[ThreatModel], attacks: Sequence[AttackSpec]) -> tuple[ThreatModel, ...]:
    """The threat models of ``attacks``, once it is seen that those that were stated are the same.

    Args:
        stated: by a person, in any order; none states nothing.

    Raises:
        ValidationError: they contradict each other; its places are within ``stated``.
    """
    found = threat_models(attacks)
    if stated and (faults := list(_contradictions(stated, found, attacks))):
        raise ValidationError.from_exception_data("threat_models", faults)
    return found


def _contradictions(
    stated: Sequence[ThreatModel], found: Sequence[ThreatModel], attacks: Sequence[AttackSpec]
) -> Iterator[InitErrorDetails]:
    by_norm = {model.norm: model for model in found}
    norms = ", ".join(by_norm) or "none"
    for place, model in enumerate(stated):
        if model.norm in [earlier.norm for earlier in stated[:place]]:
            yield _fault(place, "norm", f"an earlier one is in {model.norm}", "one a norm, with all radii")
        elif model.norm not in by_norm:
            yield _fault(
                place,
                "norm",
                f"no attack of `evaluate.attacks` is in {model.norm}; they are in: {norms}",
                f"a norm of the attacks, or an attack in {model.norm} in evaluate.attacks",
            )
        else:
            yield from _differences(place, model, by_norm[model.norm], attacks)
    if missing := [norm for norm in by_norm if norm not in [model.norm for model in stated]]:
        yield InitErrorDetails(
            type=refusal(
                f"attacks of `evaluate.attacks` are in {' and '.join(missing)} as well",
                f"a threat model in each of {norms}, or attacks in the norms that are stated",
            ),
            loc=(),
            input=None,
        )


def _differences(
    place: int, stated: ThreatModel, found: ThreatModel, attacks: Sequence[AttackSpec]
) -> Iterator[InitErrorDetails]:
    norm, radii = found.norm, sorted(set(stated.radii))
    same = len(radii) == len(found.radii) and all(
        isclose(one, other, rel_tol=SAME_RADIUS) for one, other in zip(radii, found.radii, strict=True)
    )
    if not same:
        tried = ", ".join(f"{eps:.6g}" for eps in found.radii)
        yield _fault(
            place,
            "radii",
            f"the attacks in {norm} have the radii {tried}",
            "these radii, or attacks with others in evaluate.attacks",
        )
    if stated.knowledge != found.knowledge:
        seeing = [one.label for one in attacks if one.norm == norm and ATTACKS[one.name].gradients]
        able = ", ".join(name for name, facts in ATTACKS.items() if facts.gradients)
        yield _fault(
            place,
            "knowledge",
            f"attacks in {norm} follow gradients: {', '.join(seeing)}"
            if seeing
            else f"no attack in {norm} follows gradients",
            f"{found.knowledge}, or no such attack in evaluate.attacks"
            if seeing
            else f"{found.knowledge}, or one of {able} in evaluate.attacks",
        )
    if stated.attacks and set(stated.attacks) != set(found.attacks):
        yield _fault(place, "attacks", f"it is not all attacks in {norm}", ", ".join(found.attacks))


def _fault(place: int, field: str, why: str, allowed: str) -> InitErrorDetails:
    return InitErrorDetails(type=refusal(why, allowed), loc=(place, field), input=None)
