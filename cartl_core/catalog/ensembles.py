"""Attacks that are run together under one name, as tables that expand into single attacks; torch-free.

AutoAttack (Croce and Hein, ICML 2020, arXiv 2003.01690; in l1: ICML 2021, arXiv 2103.01208) is a name with a
meaning: these four attacks with these budgets, nothing more and nothing less. Anything else that combines
attacks is called an ensemble.
AutoAttack runs them one after the other, each on what the earlier ones left; the worst case over the four
is the same when each is run on all images, and ``run_attack(..., skip=...)`` saves the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from cartl_core.spec.measures.attack import ATTACKS, LEAST_CLASSES, AttackLoss, AttackName, AttackSpec, Norm

EnsembleName = Literal["autoattack", "ensemble"]


@dataclass(frozen=True)
class Member:
    """One attack of an ensemble: all of it but norm and radius.

    Attributes:
        in_l1: restarts and targets that are others in l1.
    """

    label: str
    name: AttackName
    loss: AttackLoss
    steps: int
    random_start: bool = True
    in_l1: Mapping[str, int] = field(default_factory=dict)

    def at(self, norm: Norm, eps: float) -> AttackSpec:
        """The attack in the ball of ``eps``."""
        own = {name: value for name, value in vars(self).items() if name != "in_l1"}
        budget = self.in_l1 if norm == "l1" else {}
        return AttackSpec.model_validate({**own, **budget, "norm": norm, "eps": eps})


@dataclass(frozen=True)
class EnsembleFacts:
    """Attacks run together, in this order."""

    name: EnsembleName
    title: str
    source: str
    members: tuple[Member, ...]
    exact: bool
    """The name stands for these very attacks; else members whose loss needs more classes are left out."""

    @property
    def norms(self) -> tuple[Norm, ...]:
        """Norms that all members know."""
        norms = ATTACKS[self.members[0].name].norms
        return tuple(norm for norm in norms if all(norm in ATTACKS[one.name].norms for one in self.members))

    @property
    def least_classes(self) -> int:
        """Classes that a task must have."""
        return max(_least_classes(one) for one in self.members) if self.exact else 2

    def expand(self, norm: Norm, eps: float, classes: int) -> tuple[AttackSpec, ...]:
        """The attacks on a task of so many classes.

        Args:
            norm: one of ``norms``.
            eps: radius in pixel units.
            classes: of the task.

        Raises:
            ValueError: the norm is not one of ours, or there are too few classes.
        """
        if norm not in self.norms:
            raise ValueError(f"{self.name} knows no {norm}; allowed: {', '.join(self.norms)}")
        if classes < self.least_classes:
            raise ValueError(
                f"{self.name} needs at least {self.least_classes} classes for its targeted difference of "
                f"logits ratio, not {classes}; allowed: ensemble, which takes what fits"
            )
        return tuple(one.at(norm, eps) for one in self.members if classes >= _least_classes(one))


AUTOATTACK = (
    Member("aa-apgd-ce", "apgd", "ce", 100, in_l1={"restarts": 5}),
    Member("aa-apgd-t", "apgd", "targeted_dlr", 100, in_l1={"targets": 5}),
    Member("aa-fab-t", "fab", "targeted_margin", 100, random_start=False),
    Member("aa-square", "square", "margin", 5_000),
)
"""The standard version: one restart each, nine target classes where there are so many, FAB from the image.
In l1 APGD-CE has five restarts and targeted APGD five targets."""

ENSEMBLES: dict[str, EnsembleFacts] = {
    facts.name: facts
    for facts in (
        EnsembleFacts(
            "autoattack",
            "AutoAttack, standard: APGD-CE, targeted APGD-DLR, targeted FAB, Square with 5,000 queries",
            "Croce and Hein 2020, arXiv 2003.01690; in l1: 2021, arXiv 2103.01208",
            AUTOATTACK,
            exact=True,
        ),
        EnsembleFacts(
            "ensemble",
            "the same four and untargeted APGD-DLR, of each what the number of classes allows",
            "after Croce and Hein 2020, arXiv 2003.01690",
            (
                Member("en-apgd-ce", "apgd", "ce", 100, in_l1={"restarts": 5}),
                Member("en-apgd-dlr", "apgd", "dlr", 100),
                Member("en-apgd-t", "apgd", "targeted_dlr", 100, in_l1={"targets": 5}),
                Member("en-fab-t", "fab", "targeted_margin", 100, random_start=False),
                Member("en-square", "square", "margin", 5_000),
            ),
            exact=False,
        ),
    )
}


def autoattack_among(attacks: Sequence[AttackSpec]) -> tuple[AttackSpec, ...]:
    """AutoAttack's four among ``attacks``, under any labels, all in one ball; none where one is missing."""
    facts = ENSEMBLES["autoattack"]
    for norm, eps in dict.fromkeys((attack.norm, attack.eps) for attack in attacks):
        if norm in facts.norms:
            standard = [_nameless(one.at(norm, eps)) for one in facts.members]
            found = {str(_nameless(attack)): attack for attack in attacks if _nameless(attack) in standard}
            if len(found) == len(standard):
                return tuple(found.values())
    return ()


def _nameless(attack: AttackSpec) -> AttackSpec:
    return attack.model_copy(update={"label": "any"})


def _least_classes(member: Member) -> int:
    return LEAST_CLASSES.get(member.loss, 2)
