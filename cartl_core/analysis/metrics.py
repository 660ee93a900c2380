"""From outcomes, image by image, to the figures of the report.

Plain sequences of booleans in, report values out: everything counts, nothing is averaged twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cartl_core.catalog.ensembles import autoattack_among
from cartl_core.report import AttackResult, ClassResult, Figures, Interval
from cartl_core.spec import AttackSpec
from cartl_core.statistics.proportions import wilson


@dataclass(frozen=True)
class TestSet:
    """The test images that a network is measured on.

    Attributes:
        data: for people.
        labels: (n,) true classes, 0 to classes - 1.
    """

    __test__ = False

    data: str
    fingerprint: str
    labels: tuple[int, ...]
    class_names: tuple[str, ...]


@dataclass(frozen=True)
class Held:
    """Which of n images an attack left standing, and what it took."""

    attack: AttackSpec
    held: tuple[bool, ...]
    seconds: float


@dataclass(frozen=True)
class Fallen:
    """Where each of n images fell on a curve, or by attacks of the checks.

    Attributes:
        norm: of its radii.
        radii: None for an image that was not looked at, infinite for one that stood.
    """

    norm: str
    radii: tuple[float | None, ...]

    def held(self, eps: float) -> tuple[bool, ...]:
        """Which images were not seen to fall within ``eps``."""
        return tuple(radius is None or radius > eps for radius in self.radii)


def attack_result(outcome: Held, seed: int) -> AttackResult:
    """One attack's line in the report."""
    attack, n = outcome.attack, len(outcome.held)
    return AttackResult(
        label=attack.label,
        name=attack.name,
        norm=attack.norm,
        loss=attack.loss,
        eps=attack.eps,
        step=attack.step,
        steps=attack.steps,
        restarts=attack.restarts,
        random_start=attack.random_start,
        seed=seed,
        n=n,
        robust=wilson(sum(outcome.held), n),
        seconds=outcome.seconds,
        images_per_second=n / outcome.seconds if outcome.seconds > 0 else None,
    )


def worst_case(
    clean: Sequence[bool], attacks: Sequence[Held], fallen: Sequence[Fallen] = ()
) -> tuple[bool, ...]:
    """Per image: right without an attack, standing after each of ``attacks``, and in all of ``fallen``.

    Whatever ran on an image counts, curve and checks too: what fell there within the largest radius of the
    attacks in the same norm has fallen. Where no attack has that norm they say nothing about them.
    """
    held = [clean, *(outcome.held for outcome in attacks)]
    for places in fallen:
        radii = [outcome.attack.eps for outcome in attacks if outcome.attack.norm == places.norm]
        held += [places.held(max(radii))] if radii else []
    return tuple(all(image) for image in zip(*held, strict=True))


def figures(
    test: TestSet, clean: Sequence[bool], attacks: Sequence[Held], seed: int, fallen: Sequence[Fallen] = ()
) -> Figures:
    """All figures of one network; the worst case is over the attacks that are there, curve and checks."""
    worst = worst_case(clean, attacks, fallen)
    return Figures(
        data=test.data,
        data_fingerprint=test.fingerprint,
        n=len(clean),
        clean=wilson(sum(clean), len(clean)),
        attacks=tuple(attack_result(outcome, seed) for outcome in attacks),
        worst_case=wilson(sum(worst), len(worst)) if attacks else None,
        autoattack=_autoattack(clean, attacks),
        per_class=tuple(
            ClassResult(
                label=label,
                name=name,
                clean=wilson(*_within(clean, test.labels, label)),
                worst_case=wilson(*_within(worst, test.labels, label)),
            )
            for label, name in enumerate(test.class_names)
        )
        if attacks
        else (),
    )


def _autoattack(clean: Sequence[bool], attacks: Sequence[Held]) -> Interval | None:
    """Of AutoAttack's four alone, where they are among ``attacks``."""
    standard = autoattack_among([outcome.attack for outcome in attacks])
    if not standard:
        return None
    held = worst_case(clean, [outcome for outcome in attacks if outcome.attack in standard])
    return wilson(sum(held), len(held))


def _within(held: Sequence[bool], labels: Sequence[int], label: int) -> tuple[int, int]:
    """Successes and images of one class."""
    members = [image for image, true in zip(held, labels, strict=True) if true == label]
    return sum(members), len(members)
