"""From outcomes, image by image, to the figures of the report.

Plain sequences of booleans in, report values out: everything counts, nothing is averaged twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cartl_core.analysis.over_classes import over_classes
from cartl_core.catalog.ensembles import autoattack_among
from cartl_core.report import AttackResult, ClassResult, Figures, Interval
from cartl_core.spec import AttackSpec
from cartl_core.spec.job import AttackPrecision
from cartl_core.statistics.proportions import wilson


@dataclass(frozen=True)
class TestSet:
    """The test images that a network is measured on.

    Attributes:
        data: for people.
        labels: (n,) true classes, 0 to classes - 1.
        available: training images of these classes; None: the files hold what the catalog says.
    """

    __test__ = False

    data: str
    fingerprint: str
    labels: tuple[int, ...]
    class_names: tuple[str, ...]
    available: int | None = None


@dataclass(frozen=True)
class AttackRecord:
    """Which of n images are still correct under an attack, and what it took.

    Attributes:
        not_finite: positions of those with an output that was infinite or not a number; they count as
            misclassified.
        begun_in: the precision of its first steps; all that it found is confirmed in fp32.
    """

    attack: AttackSpec
    robust: tuple[bool, ...]
    seconds: float
    not_finite: frozenset[int] = frozenset()
    begun_in: AttackPrecision = "fp32"


@dataclass(frozen=True)
class Outputs:
    """What a network answers to n images without an attack.

    Attributes:
        right: which images it classifies correctly.
        not_finite: positions of those with an output that is infinite or not a number; they count as
            misclassified.
        answers: (n,) the predicted classes; None where an earlier version measured.
    """

    right: tuple[bool, ...]
    not_finite: frozenset[int] = frozenset()
    answers: tuple[int, ...] | None = None


@dataclass(frozen=True)
class MinimalRadii:
    """The smallest radius that broke each of n images, on a curve or by attacks of the checks.

    Attributes:
        norm: of its radii.
        radii: None for an image that was not looked at, infinite for one that was never broken.
    """

    norm: str
    radii: tuple[float | None, ...]

    def robust_at(self, eps: float) -> tuple[bool, ...]:
        """Which images no attack broke within ``eps``."""
        return tuple(radius is None or radius > eps for radius in self.radii)


def not_finite(outputs: Outputs, attacks: Sequence[AttackRecord]) -> frozenset[int]:
    """Positions of the images with an output that is not finite, without an attack or under one."""
    return outputs.not_finite.union(*(record.not_finite for record in attacks))


def attack_result(outcome: AttackRecord, seed: int) -> AttackResult:
    """One attack's line in the report."""
    attack, n = outcome.attack, len(outcome.robust)
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
        samples=attack.samples,
        targets=attack.targets,
        begun_in=outcome.begun_in,
        seed=seed,
        n=n,
        robust=wilson(sum(outcome.robust), n),
        seconds=outcome.seconds,
        images_per_second=n / outcome.seconds if outcome.seconds > 0 else None,
    )


def worst_case(
    clean: Sequence[bool], attacks: Sequence[AttackRecord], minimal_radii: Sequence[MinimalRadii] = ()
) -> tuple[bool, ...]:
    """Per image: right without an attack, still correct under each of ``attacks`` and ``minimal_radii``.

    Whatever ran on an image counts, curve and checks too: an image that was broken there
    within the largest radius of the attacks in the same norm is not robust. Other norms do not count.
    """
    robust = [clean, *(outcome.robust for outcome in attacks)]
    for found in minimal_radii:
        radii = [outcome.attack.eps for outcome in attacks if outcome.attack.norm == found.norm]
        robust += [found.robust_at(max(radii))] if radii else []
    return tuple(all(image) for image in zip(*robust, strict=True))


def figures(
    test: TestSet,
    clean: Sequence[bool],
    attacks: Sequence[AttackRecord],
    seed: int,
    minimal_radii: Sequence[MinimalRadii] = (),
    not_finite: frozenset[int] = frozenset(),
) -> Figures:
    """All figures of one network; the worst case is over the attacks that are there, curve and checks.

    Args:
        not_finite: positions of the images with an output that is infinite or not a number.
    """
    worst = worst_case(clean, attacks, minimal_radii)
    return Figures(
        data=test.data,
        data_fingerprint=test.fingerprint,
        n=len(clean),
        not_finite=len(not_finite),
        clean=wilson(sum(clean), len(clean)),
        attacks=tuple(attack_result(outcome, seed) for outcome in attacks),
        worst_case=wilson(sum(worst), len(worst)) if attacks else None,
        autoattack=_autoattack(clean, attacks),
        clean_over_classes=over_classes(clean, test.labels, test.class_names),
        worst_case_over_classes=over_classes(worst, test.labels, test.class_names) if attacks else None,
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


def _autoattack(clean: Sequence[bool], attacks: Sequence[AttackRecord]) -> Interval | None:
    """Of AutoAttack's four alone, where they are among ``attacks``."""
    standard = autoattack_among([outcome.attack for outcome in attacks])
    if not standard:
        return None
    robust = worst_case(clean, [outcome for outcome in attacks if outcome.attack in standard])
    return wilson(sum(robust), len(robust))


def _within(robust: Sequence[bool], labels: Sequence[int], label: int) -> tuple[int, int]:
    """Successes and images of one class."""
    members = [image for image, true in zip(robust, labels, strict=True) if true == label]
    return sum(members), len(members)
