"""What attacks of another kind break that the gradient of the cross-entropy did not find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cartl_core.analysis.checks.status import found
from cartl_core.catalog.check_attacks import OF_JOB
from cartl_core.report.checks import Check, MaskingFinding
from cartl_core.statistics.proportions import holm, mcnemar_above

TOLERANCE = 0.01
"""A point of robust accuracy."""
ALPHA = 0.05
Kind = Literal["loss", "black_box", "transfer", "straight_through"]
"""A loss other than the cross-entropy; or an attack that does not follow this network's own gradient."""


@dataclass(frozen=True)
class ComparedAttack:
    """Another attack on images that the attack on the cross-entropy was tried on; all in one order.

    Attributes:
        label: for the evidence, unique.
        robust: which images it left correct.
        reference: which images the attack on the cross-entropy left correct.
        climbed: which images all attacks that follow gradients of this network left correct.
        queries: of a black box that the checks ran themselves.
    """

    label: str
    robust: Sequence[bool]
    reference: Sequence[bool]
    climbed: Sequence[bool]
    kind: Kind
    queries: int | None = None

    @property
    def n(self) -> int:
        """Images."""
        return len(self.robust)

    @property
    def more(self) -> float:
        """By how much more it breaks than the attack on the cross-entropy, as a share of all images."""
        return (sum(self.reference) - sum(self.robust)) / self.n

    @property
    def chance(self) -> float:
        """p-value of its breaking so many more, if it is not the stronger one (McNemar, one-sided)."""
        return mcnemar_above(_only(self.reference, self.robust), _only(self.robust, self.reference))

    @property
    def alone(self) -> int:
        """Images that it breaks and no attack that follows gradients does."""
        return _only(self.climbed, self.robust)

    @property
    def missed(self) -> int:
        """Images that attacks that follow gradients break and it does not."""
        return _only(self.robust, self.climbed)


def black_box(compared_attacks: Sequence[ComparedAttack]) -> Check:
    """Does a black box break what no white-box attack of the same norm and radius breaks?"""
    boxes = [compared for compared in compared_attacks if compared.kind == "black_box"]
    if not boxes:
        return found("black_box", "no_black_box")
    worst = max(boxes, key=lambda box: box.alone / box.n)
    evidence = {
        "images": worst.n,
        "broken_by_black_box_only": worst.alone / worst.n,
        "broken_by_white_box_only": worst.missed / worst.n,
        "allowed": TOLERANCE,
    }
    details: dict[str, float | int | str] = {
        "attack": worst.label.removeprefix(OF_JOB),
        "black_box_only_images": worst.alone,
    }
    if worst.queries is not None:
        details["queries"] = worst.queries
    if worst.alone / worst.n > TOLERANCE:
        return found("black_box", "black_box_stronger", evidence, details)
    details["white_box_only_images"] = worst.missed
    return found("black_box", "black_box_no_stronger", evidence, details)


def masking(compared_attacks: Sequence[ComparedAttack], reference: str) -> Check:
    """Do attacks that masked gradients cannot mislead break more than the cross-entropy's gradient does?

    One that breaks more than ``TOLERANCE`` more of the same images, and more than chance allows (McNemar,
    one-sided, all attacks together at level ``ALPHA`` by Holm 1979), fails the check. If it needs no gradient
    of the network and finds what no gradient finds, gradients are masked. Otherwise it is the loss: that of
    small logits, as NEFT makes them, pushes away from the true class, not towards the nearest other one.

    Args:
        reference: label of the attack on the cross-entropy.
    """
    if not compared_attacks:
        return found("masking", "no_other_attack")
    chances = holm([compared.chance for compared in compared_attacks])
    evidence: dict[str, float | int | str] = {"reference": reference, "allowed": TOLERANCE, "alpha": ALPHA}
    details: dict[str, float | int | str] = {}
    for place, (compared, chance) in enumerate(zip(compared_attacks, chances, strict=True)):
        evidence[f"{compared.label}_images"] = compared.n
        evidence[f"{compared.label}_breaks_more"] = compared.more
        evidence[f"{compared.label}_adjusted_p"] = chance
        details[f"{compared.label}_place"] = place
        if compared.queries is not None:
            details[f"{compared.label}_queries"] = compared.queries
    stronger = [
        compared
        for compared, chance in zip(compared_attacks, chances, strict=True)
        if compared.more > TOLERANCE and chance < ALPHA
    ]
    return found("masking", _what_is_masked(stronger), evidence, details)


def _what_is_masked(stronger: Sequence[ComparedAttack]) -> MaskingFinding:
    if not stronger:
        return "no_sign"
    blind = any(compared.kind != "loss" and compared.alone / compared.n > TOLERANCE for compared in stronger)
    return "gradients_masked" if blind else "cross_entropy_masked"


def _only(first: Sequence[bool], second: Sequence[bool]) -> int:
    """Images that are correct in the first and not in the second."""
    return sum(one and not other for one, other in zip(first, second, strict=True))
