"""What attacks of another kind break that the gradient of the cross-entropy did not find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cartl_core.analysis.checks.status import failed, not_run, passed
from cartl_core.render import numbers
from cartl_core.report.checks import Check
from cartl_core.statistics.proportions import holm, mcnemar_above

TOLERANCE = 0.01
"""A point of robust accuracy."""
ALPHA = 0.05


Kind = Literal["loss", "black_box", "transfer"]
"""A loss other than the cross-entropy; or one that asks for no gradient of this network."""


@dataclass(frozen=True)
class Rival:
    """Another attack on images that the attack on the cross-entropy was tried on; all in one order.

    Attributes:
        label: for the evidence, unique.
        title: in words.
        held: which images it left standing.
        reference: which images the attack on the cross-entropy left standing.
        climbed: which images all attacks that follow gradients of this network left standing.
    """

    label: str
    title: str
    held: Sequence[bool]
    reference: Sequence[bool]
    climbed: Sequence[bool]
    kind: Kind

    @property
    def n(self) -> int:
        """Images."""
        return len(self.held)

    @property
    def more(self) -> float:
        """By how much more it breaks than the attack on the cross-entropy, as a share of all images."""
        return (sum(self.reference) - sum(self.held)) / self.n

    @property
    def chance(self) -> float:
        """p-value of its breaking so many more, if it is not the stronger one (McNemar, one-sided)."""
        return mcnemar_above(_only(self.reference, self.held), _only(self.held, self.reference))

    @property
    def alone(self) -> int:
        """Images that it breaks and no attack that follows gradients does."""
        return _only(self.climbed, self.held)

    @property
    def missed(self) -> int:
        """Images that attacks that follow gradients break and it does not."""
        return _only(self.held, self.climbed)


def black_box(rivals: Sequence[Rival]) -> Check:
    """Does a black box break what no white-box attack of the same norm and radius breaks?"""
    boxes = [rival for rival in rivals if rival.kind == "black_box"]
    if not boxes:
        return not_run(
            "black_box",
            "No black box was run at the norm and radius of an attack on the cross-entropy.",
            "Add an attack named square.",
        )
    worst = max(boxes, key=lambda box: box.alone / box.n)
    evidence = {
        "images": worst.n,
        "broken_by_black_box_only": worst.alone / worst.n,
        "broken_by_white_box_only": worst.missed / worst.n,
        "allowed": TOLERANCE,
    }
    found = (
        f"{worst.title} breaks {numbers.count(worst.alone)} of {numbers.count(worst.n)} images that no "
        "white-box "
        "attack of the same norm and radius breaks"
    )
    if worst.alone / worst.n > TOLERANCE:
        return failed(
            "black_box",
            evidence,
            f"{found}, though it asks for no gradient: gradients of this network mislead. The worst case "
            "counts those images.",
            "Read the worst case, not a white-box figure; run square with 5,000 steps on all images.",
        )
    return passed(
        "black_box", evidence, f"{found}; the white box alone breaks {numbers.count(worst.missed)}."
    )


def masking(rivals: Sequence[Rival], reference: str) -> Check:
    """Do attacks that masked gradients cannot mislead break more than the cross-entropy's gradient does?

    One that breaks more than ``TOLERANCE`` more of the same images, and more than chance allows (McNemar,
    one-sided, all rivals together at level ``ALPHA`` by Holm 1979), fails the check. If it needs no gradient
    of the network and finds what no gradient finds, gradients are masked. Otherwise it is the loss: that of
    small logits, as NEFT makes them, pushes away from the true class, not towards the nearest other one.

    Args:
        reference: label of the attack on the cross-entropy.
    """
    if not rivals:
        return not_run(
            "masking",
            "No attack of another kind was run at the norm and radius of an attack on the cross-entropy.",
            "Leave the checks on, with an attack on the cross-entropy among the job's attacks.",
        )
    chances = holm([rival.chance for rival in rivals])
    evidence: dict[str, float | int | str] = {"reference": reference, "allowed": TOLERANCE, "alpha": ALPHA}
    for rival, chance in zip(rivals, chances, strict=True):
        evidence[f"{rival.label}_images"] = rival.n
        evidence[f"{rival.label}_breaks_more"] = rival.more
        evidence[f"{rival.label}_adjusted_p"] = chance
    stronger = [
        rival
        for rival, chance in zip(rivals, chances, strict=True)
        if rival.more > TOLERANCE and chance < ALPHA
    ]
    if not stronger:
        return passed(
            "masking",
            evidence,
            f"Beside {reference} on the same images, other attacks break (points): {_told(rivals)}. None "
            f"breaks over {100 * TOLERANCE:.1f} more beyond chance: no sign of masking.",
        )
    blind = [rival for rival in stronger if rival.kind != "loss" and rival.alone / rival.n > TOLERANCE]
    found = f"Attacks of another kind break more images than {reference} (points): {_told(stronger)}. "
    if blind:
        return failed(
            "masking",
            evidence,
            f"{found}Some need no gradient of this network and find what its gradients do not: masking is "
            f"likely, and the figure of {reference} is too high. The worst case counts those images.",
            "Read the worst case; run square with 5,000 steps on all images, and an attack through whatever "
            "hides the gradient (backward pass differentiable approximation, Athalye et al. 2018).",
        )
    return failed(
        "masking",
        evidence,
        f"{found}They follow gradients too, but of losses that do not hang on the size of the logits: the "
        f"logits mask weakness from the cross-entropy, and the figure of {reference} is too high. The worst "
        "case counts those images.",
        "Read the worst case; add apgd with loss dlr or targeted_dlr on all images.",
    )


def _told(rivals: Sequence[Rival]) -> str:
    ordered = sorted(rivals, key=lambda rival: -rival.more)
    return ", ".join(f"{rival.title} {numbers.points(rival.more)}" for rival in ordered)


def _only(first: Sequence[bool], second: Sequence[bool]) -> int:
    """Images that stand in the first and not in the second."""
    return sum(one and not other for one, other in zip(first, second, strict=True))
