"""What the checks took down of a network, and how its attacks compare, image by image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

from cartl_core.analysis.checks.gradient_masking import Kind, Rival
from cartl_core.analysis.metrics import Fallen, Held
from cartl_core.catalog.check_attacks import OF_JOB, RESCALED, TRANSFER
from cartl_core.report.checks import CheckAttack, Checked
from cartl_core.spec.attack import ATTACKS, AttackSpec, steps_in_all

MUCH_HARDER = 2
"""A gradient attack with over so many times the reference's steps, targets and restarts counted, is none to
compare it with: it wins on honest networks too."""


@dataclass(frozen=True)
class Seen:
    """What the checks took down of one network.

    Attributes:
        attack: the checks' own, of their norm and radius.
        held: by the label of each attack that the checks made: which of their images it left standing.
        positions: of these images among the test images that the job's attacks were run on.
    """

    checked: Checked
    attack: AttackSpec
    held: Mapping[str, Sequence[bool]]
    positions: Sequence[int]

    def of(self, held: Sequence[bool]) -> tuple[bool, ...]:
        """Outcomes of all test images, for the images of the checks."""
        return tuple(held[position] for position in self.positions)

    def fallen(self, n: int) -> Fallen:
        """The smallest radius at which an attack of the checks broke each of ``n`` test images."""
        radii: list[float | None] = [None] * n
        for position in self.positions:
            radii[position] = inf
        for attack in sorted(self.checked.attacks, key=lambda attack: -attack.eps):
            if attack.norm == self.attack.norm:
                for position, held in zip(self.positions, self.held[attack.label], strict=True):
                    radii[position] = radii[position] if held else attack.eps
        return Fallen(self.attack.norm, tuple(radii))

    def rivals(self) -> tuple[CheckAttack, ...]:
        """The checks' attacks of another kind than the cross-entropy's gradient, at their radius."""
        return tuple(
            attack
            for attack in self.checked.attacks
            if attack.loss != "ce" or attack.label == RESCALED or attack.label.startswith(TRANSFER)
        )


def reference_attack(attacks: Sequence[Held], own: AttackSpec | None) -> Held | None:
    """The job's attack on the cross-entropy that tried hardest, at the radius of the checks' ``own``."""
    climbing = [
        held
        for held in attacks
        if held.attack.loss == "ce" and (own is None or _radius(held.attack) == _radius(own))
    ]
    return max(climbing, key=lambda held: held.attack.steps * held.attack.restarts, default=None)


def rivals(reference: Held, attacks: Sequence[Held], seen: Seen | None) -> tuple[Rival, ...]:
    """Every attack of another kind at the radius of ``reference``: the job's, then the checks' own."""
    alike = [held for held in attacks if _radius(held.attack) == _radius(reference.attack)]
    climbed = _all_hold([held.held for held in alike if _climbs(held.attack)])
    found = [
        _of_job(held, reference, climbed) for held in alike if _comparable(held.attack, reference.attack)
    ]
    if seen is None:
        return tuple(found)
    own = seen.rivals()
    climbed = _all_hold([seen.of(climbed), *(seen.held[attack.label] for attack in own if _climbs(attack))])
    return (*found, *(_of_checks(seen, attack, reference, climbed) for attack in own))


def _comparable(attack: AttackSpec, reference: AttackSpec) -> bool:
    """Of another kind, and no stronger for its effort alone, as one that aims at every class is."""
    if attack.loss == "ce":
        return False
    most = MUCH_HARDER * reference.steps * reference.restarts
    return not _climbs(attack) or steps_in_all(attack.loss, attack.steps, attack.restarts) <= most


def _of_job(held: Held, reference: Held, climbed: Sequence[bool]) -> Rival:
    attack = held.attack
    kind: Kind = "loss" if _climbs(attack) else "black_box"
    return Rival(f"{OF_JOB}{attack.label}", held.held, reference.held, climbed, kind)


def _of_checks(seen: Seen, attack: CheckAttack, reference: Held, climbed: Sequence[bool]) -> Rival:
    kind: Kind = "loss" if _climbs(attack) else "black_box"
    if attack.label.startswith(TRANSFER):
        kind = "transfer"
    queries = attack.steps if kind == "black_box" else None
    held, before = seen.held[attack.label], seen.of(reference.held)
    return Rival(attack.label, held, before, climbed, kind, queries)


def _climbs(attack: AttackSpec | CheckAttack) -> bool:
    """Whether it follows gradients of the network itself."""
    return ATTACKS[attack.name].gradients and not attack.label.startswith(TRANSFER)


def _radius(attack: AttackSpec) -> tuple[str, float]:
    return attack.norm, attack.eps


def _all_hold(outcomes: Sequence[Sequence[bool]]) -> tuple[bool, ...]:
    """Which images stand against all."""
    return tuple(all(image) for image in zip(*outcomes, strict=True))
