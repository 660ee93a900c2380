"""What the checks took down of a network, and how its attacks compare, image by image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

from cartl_core.analysis.checks.gradient_masking import ComparedAttack, Kind
from cartl_core.analysis.metrics import AttackRecord, MinimalRadii
from cartl_core.catalog.check_attacks import OF_JOB, RESCALED, STRAIGHT, TRANSFER
from cartl_core.report.checks import CheckAttack, Checked
from cartl_core.spec.measures.attack import ATTACKS, AttackSpec, steps_in_all

MUCH_HARDER = 2
"""A gradient attack with over so many times the reference's steps, targets and restarts counted, is none to
compare it with: it wins on honest networks too."""


@dataclass(frozen=True)
class CheckObservations:
    """What the checks took down of one network.

    Attributes:
        attack: the checks' own, of their norm and radius.
        robust: by the label of each attack that the checks made: which of their images it left correct.
        positions: of these images among the test images that the job's attacks were run on.
    """

    checked: Checked
    attack: AttackSpec
    robust: Mapping[str, Sequence[bool]]
    positions: Sequence[int]

    def of(self, robust: Sequence[bool]) -> tuple[bool, ...]:
        """Outcomes of all test images, for the images of the checks."""
        return tuple(robust[position] for position in self.positions)

    def minimal_radii(self, n: int) -> MinimalRadii:
        """The smallest radius at which an attack of the checks broke each of ``n`` test images."""
        radii: list[float | None] = [None] * n
        for position in self.positions:
            radii[position] = inf
        for attack in sorted(self.checked.attacks, key=lambda attack: -attack.eps):
            if attack.norm == self.attack.norm:
                for position, robust in zip(self.positions, self.robust[attack.label], strict=True):
                    radii[position] = radii[position] if robust else attack.eps
        return MinimalRadii(self.attack.norm, tuple(radii))

    def compared_attacks(self) -> tuple[CheckAttack, ...]:
        """The checks' attacks of another kind than the cross-entropy's gradient, at their radius."""
        return tuple(
            attack
            for attack in self.checked.attacks
            if attack.loss != "ce"
            or attack.label in (RESCALED, STRAIGHT)
            or attack.label.startswith(TRANSFER)
        )


def reference_attack(attacks: Sequence[AttackRecord], own: AttackSpec | None) -> AttackRecord | None:
    """The job's attack on the cross-entropy that tried hardest, at the radius of the checks' ``own``."""
    climbing = [
        record
        for record in attacks
        if record.attack.loss == "ce" and (own is None or _radius(record.attack) == _radius(own))
    ]
    return max(climbing, key=lambda record: record.attack.steps * record.attack.restarts, default=None)


def compared_attacks(
    reference: AttackRecord, attacks: Sequence[AttackRecord], observations: CheckObservations | None
) -> tuple[ComparedAttack, ...]:
    """Every attack of another kind at the radius of ``reference``: the job's, then the checks' own."""
    alike = [record for record in attacks if _radius(record.attack) == _radius(reference.attack)]
    climbed = _all_hold([record.robust for record in alike if _climbs(record.attack)])
    found = [
        _of_job(record, reference, climbed)
        for record in alike
        if _comparable(record.attack, reference.attack)
    ]
    if observations is None:
        return tuple(found)
    own = observations.compared_attacks()
    climbed = _all_hold(
        [observations.of(climbed), *(observations.robust[attack.label] for attack in own if _climbs(attack))]
    )
    return (*found, *(_of_checks(observations, attack, reference, climbed) for attack in own))


def _comparable(attack: AttackSpec, reference: AttackSpec) -> bool:
    """Of another kind, and no stronger for its effort alone, as one that aims at every class is."""
    if attack.loss == "ce":
        return False
    return not _climbs(attack) or _steps(attack) <= MUCH_HARDER * _steps(reference)


def _steps(attack: AttackSpec) -> int:
    return steps_in_all(attack.loss, attack.steps, attack.restarts, attack.samples, attack.targets)


def _of_job(record: AttackRecord, reference: AttackRecord, climbed: Sequence[bool]) -> ComparedAttack:
    attack = record.attack
    kind: Kind = "loss" if _climbs(attack) else "black_box"
    return ComparedAttack(f"{OF_JOB}{attack.label}", record.robust, reference.robust, climbed, kind)


def _of_checks(
    observations: CheckObservations, attack: CheckAttack, reference: AttackRecord, climbed: Sequence[bool]
) -> ComparedAttack:
    kind: Kind = "loss" if _climbs(attack) else "black_box"
    if attack.label.startswith(TRANSFER):
        kind = "transfer"
    elif attack.label == STRAIGHT:
        kind = "straight_through"
    queries = attack.steps if kind == "black_box" else None
    robust, before = observations.robust[attack.label], observations.of(reference.robust)
    return ComparedAttack(attack.label, robust, before, climbed, kind, queries)


def _climbs(attack: AttackSpec | CheckAttack) -> bool:
    """Whether it follows gradients of the network itself."""
    other = attack.label.startswith(TRANSFER) or attack.label == STRAIGHT
    return ATTACKS[attack.name].gradients and not other


def _radius(attack: AttackSpec) -> tuple[str, float]:
    return attack.norm, attack.eps


def _all_hold(outcomes: Sequence[Sequence[bool]]) -> tuple[bool, ...]:
    """Which images are correct under all attacks."""
    return tuple(all(image) for image in zip(*outcomes, strict=True))
