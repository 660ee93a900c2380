"""The attacks, a row each in ``ATTACKS``, and one attack of a specification; faults name the field."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationInfo, field_validator, model_validator

from cartl_core.spec.base import SpecModel, refusal

Norm = Literal["linf", "l2", "l1"]
AttackLoss = Literal["ce", "margin", "dlr", "targeted_dlr", "targeted_margin"]
"""What an attack climbs; FAB crosses the boundary where the targeted margin is 0."""

LABEL_PATTERN = r"^[a-z0-9][a-z0-9_.-]{0,63}$"
MOST_ATTACKS = 32
"""On one network."""

SMALLEST_SIDE, LARGEST_SIDE = 8, 384
"""Height and width of a network's input, in pixels."""

LARGEST_RADIUS: dict[Norm, float] = {"linf": 1.0, "l2": 666.0, "l1": 442_368.0}
"""No two images of [0, 1] are further apart: 384 x 384 x 3 pixels are the largest input."""


def largest_radius(norm: Norm, numbers: int) -> float:
    """How far a black image of C x H x W ``numbers`` is from a white one, in pixel units."""
    return {"linf": 1.0, "l2": sqrt(numbers), "l1": float(numbers)}[norm]


LEAST_CLASSES: dict[AttackLoss, int] = {"dlr": 3, "targeted_dlr": 4}
"""A difference of logits ratio divides by the gap to the third logit, targeted to the fourth too."""

TARGETS = 9
"""Classes that a targeted attack aims at, one after the other, the likeliest first."""

TARGETED: frozenset[AttackLoss] = frozenset({"targeted_dlr", "targeted_margin"})
"""Losses that aim at one class at a time."""


@dataclass(frozen=True)
class AttackFacts:
    """What an attack is and takes."""

    name: str
    title: str
    source: str
    implementation: str
    """``module:function`` of ``cartl_core.attacks.run_attack.Attack``, imported with the attacks."""
    norms: tuple[Norm, ...]
    losses: tuple[AttackLoss, ...]
    """The first is used where none is given."""
    sized: bool
    """It takes ``step``; the others size their steps themselves."""
    gradients: bool
    """Each of its steps asks for a gradient; else for logits alone."""
    always_random: bool = False
    """It has no start but a random one."""
    averages: bool = False
    """It can take the mean gradient of several passes."""
    goes_on: bool = False
    """It can go on from any point: the next step hangs on the point alone."""


ATTACKS: dict[str, AttackFacts] = {
    facts.name: facts
    for facts in (
        AttackFacts(
            "pgd",
            "projected gradient descent with restarts; any misclassified iterate counts",
            "Madry et al. 2018, arXiv 1706.06083",
            "cartl_core.attacks.pgd:run_pgd",
            norms=("linf", "l2", "l1"),
            losses=("ce", "margin", "dlr"),
            sized=True,
            gradients=True,
            averages=True,
            goes_on=True,
        ),
        AttackFacts(
            "apgd",
            "auto-PGD: momentum, and steps that halve where they no longer pay; in l1 sparse steps",
            "Croce and Hein 2020, arXiv 2003.01690; in l1: 2021, arXiv 2103.01208",
            "cartl_core.attacks.apgd:run_apgd",
            norms=("linf", "l2", "l1"),
            losses=("ce", "dlr", "targeted_dlr"),
            sized=False,
            gradients=True,
            averages=True,
        ),
        AttackFacts(
            "fab",
            "fast adaptive boundary, targeted: the nearest image across each boundary, no step to size",
            "Croce and Hein 2020, arXiv 1907.02044",
            "cartl_core.attacks.fab:run_fab",
            norms=("linf", "l2", "l1"),
            losses=("targeted_margin",),
            sized=False,
            gradients=True,
        ),
        AttackFacts(
            "square",
            "Square: random search by squares, a black box attack; a step is a query",
            "Andriushchenko et al. 2020, arXiv 1912.00049; in l1: Croce and Hein 2021, arXiv 2103.01208",
            "cartl_core.attacks.square:run_square",
            norms=("linf", "l2", "l1"),
            losses=("margin",),
            sized=False,
            gradients=False,
            always_random=True,
        ),
    )
}

if TYPE_CHECKING:
    AttackName = str
else:
    AttackName = Literal[tuple(ATTACKS)]
"""A name of ``ATTACKS``: requests are checked against them, and the schema lists them."""


MOST_SAMPLES = 100
"""Passes that a step takes the mean of."""


def steps_in_all(
    loss: AttackLoss, steps: int, restarts: int, samples: int = 1, targets: int = TARGETS
) -> int:
    """Steps of an attack on an image that never falls, over restarts, targets and samples, at most."""
    return steps * restarts * samples * (targets if loss in TARGETED else 1)


class AttackSpec(SpecModel):
    """One attack; ``attack_facts.ATTACKS`` has what each one takes. Any misclassified iterate counts."""

    label: Annotated[str, StringConstraints(pattern=LABEL_PATTERN)] = Field(
        description="Name in the report, unique among the job's attacks."
    )
    name: AttackName = "pgd"
    norm: Norm = Field(default="linf", description="What `eps` and `step` are measured in.")
    loss: AttackLoss = Field(default="ce", description="What the attack climbs.")
    eps: float = Field(
        ge=0.0,
        le=LARGEST_RADIUS["l1"],
        description="Radius in pixel units, e.g. 0.0313725 for 8/255; at most 1 in linf.",
    )
    step: float | None = Field(
        default=None,
        validate_default=True,
        gt=0.0,
        le=LARGEST_RADIUS["l1"],
        description="Step size in pixel units, in the attack's norm; null where the attack sizes its steps.",
    )
    steps: int = Field(ge=1, le=10_000)
    restarts: int = Field(default=1, ge=1, le=100)
    random_start: bool = True
    samples: int = Field(
        default=1,
        ge=1,
        le=MOST_SAMPLES,
        description="Passes of each iterate: the step follows their mean gradient, and their mean logits "
        "decide. More than 1 for a network that answers at random (expectation over transformation).",
    )

    targets: int = Field(
        default=TARGETS,
        ge=1,
        le=TARGETS,
        description="Of a targeted attack: the likeliest other classes that it aims at, or all where there "
        "are fewer.",
    )

    @model_validator(mode="before")
    @classmethod
    def _own_loss(cls, written: Any) -> Any:
        """An attack that does not know the usual loss takes its own where none is given."""
        if not isinstance(written, dict) or "loss" in written:
            return written
        facts = ATTACKS.get(str(written.get("name")))
        return {**written, "loss": facts.losses[0]} if facts and "ce" not in facts.losses else written

    @property
    def step_size(self) -> float:
        """``step`` of an attack that has one.

        Raises:
            ValueError: it has none.
        """
        if self.step is None:
            raise ValueError(f"attack {self.label} sizes its steps itself")
        return self.step

    @field_validator("norm", "loss")
    @classmethod
    def _known_to_the_attack(cls, value: str, info: ValidationInfo) -> str:
        facts = ATTACKS.get(info.data.get("name", ""))
        allowed = {"norm": facts.norms, "loss": facts.losses}[info.field_name or ""] if facts else (value,)
        if facts and value not in allowed:
            raise refusal(f"{facts.name} takes no {value}", ", ".join(allowed))
        return value

    @field_validator("eps", "step", mode="before")
    @classmethod
    def _within_the_images(cls, value: object, info: ValidationInfo) -> object:
        """What is allowed hangs on the norm, so it is said here and not by the schema."""
        norm: Norm | None = info.data.get("norm")
        sized = info.field_name == "step"
        if norm is None or (sized and value is None):
            return value
        allowed = f"{'more than 0, at most' if sized else '0 to'} {LARGEST_RADIUS[norm]:g} in {norm}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise refusal("a number is expected", allowed)
        if not (value > 0 or (value == 0 and not sized)):
            raise refusal(f"it must be {'more than' if sized else 'at least'} 0", allowed)
        if value > LARGEST_RADIUS[norm]:
            raise refusal(f"{str(value)[:20]} is more than an image has room for", allowed)
        return value

    @field_validator("step")
    @classmethod
    def _sized(cls, value: float | None, info: ValidationInfo) -> float | None:
        facts = ATTACKS.get(info.data.get("name", ""))
        if facts and facts.sized and value is None:
            raise refusal(f"this field is required: {facts.name} needs a step", "a number above 0")
        if facts and not facts.sized and value is not None:
            raise refusal(f"{facts.name} sizes its steps itself", "null, or leave it out")
        return value

    @field_validator("samples")
    @classmethod
    def _averages(cls, value: int, info: ValidationInfo) -> int:
        facts = ATTACKS.get(info.data.get("name", ""))
        if facts and value > 1 and not facts.averages:
            able = ", ".join(name for name, other in ATTACKS.items() if other.averages)
            raise refusal(f"{facts.name} takes no mean of several passes", f"1, or one of {able}")
        return value

    @field_validator("targets")
    @classmethod
    def _aims(cls, value: int, info: ValidationInfo) -> int:
        loss = info.data.get("loss")
        if loss is not None and value != TARGETS and loss not in TARGETED:
            raise refusal(f"loss {loss} aims at no class", f"{TARGETS}, or leave it out")
        return value

    @field_validator("random_start")
    @classmethod
    def _random(cls, value: bool, info: ValidationInfo) -> bool:
        facts = ATTACKS.get(info.data.get("name", ""))
        if facts and facts.always_random and not value:
            raise refusal(f"{facts.name} has none but random starts", "true")
        return value
