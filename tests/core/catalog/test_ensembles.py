"""AutoAttack is exactly its four attacks; anything else that combines attacks is an ensemble."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from torch import nn

from cartl_core.attacks import run_attack
from cartl_core.catalog.ensembles import AUTOATTACK, ENSEMBLES, autoattack_among
from cartl_core.nn.rng import generator
from cartl_core.spec import AttackSpec

STANDARD = ENSEMBLES["autoattack"]
EPS = 0.15


def exactly_autoattack(attacks: Iterable[AttackSpec]) -> bool:
    """AutoAttack's four and nothing else."""
    run = list(attacks)
    return len(autoattack_among(run)) == len(run)


def test_autoattack_is_the_published_four_with_their_budgets() -> None:
    found = [
        (attack.label, attack.name, attack.loss, attack.steps, attack.restarts, attack.random_start)
        for attack in STANDARD.expand("l2", 0.5, 10)
    ]
    assert found == [
        ("aa-apgd-ce", "apgd", "ce", 100, 1, True),
        ("aa-apgd-t", "apgd", "targeted_dlr", 100, 1, True),
        ("aa-fab-t", "fab", "targeted_margin", 100, 1, False),
        ("aa-square", "square", "margin", 5000, 1, True),
    ]
    assert {(attack.norm, attack.eps) for attack in STANDARD.expand("l2", 0.5, 10)} == {("l2", 0.5)}
    assert STANDARD.norms == ("linf", "l2", "l1")


def test_in_l1_the_published_budgets_are_others() -> None:
    found = STANDARD.expand("l1", 12.0, 10)
    assert [(attack.name, attack.loss, attack.restarts, attack.targets) for attack in found] == [
        ("apgd", "ce", 5, 9),
        ("apgd", "targeted_dlr", 1, 5),
        ("fab", "targeted_margin", 1, 9),
        ("square", "margin", 1, 9),
    ]
    assert exactly_autoattack(found)
    usual = [attack.model_copy(update={"restarts": 1, "targets": 9}) for attack in found]
    assert not exactly_autoattack(usual)


def test_too_few_classes_and_other_norms_are_refused_with_what_is_allowed() -> None:
    assert STANDARD.least_classes == 4
    with pytest.raises(ValueError, match=r"at least 4 classes.*not 3; allowed: ensemble"):
        STANDARD.expand("linf", 0.1, 3)
    with pytest.raises(ValueError, match="no l0; allowed: linf, l2, l1"):
        STANDARD.expand("l0", 0.1, 10)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("classes", "losses"),
    [
        (2, ["ce", "targeted_margin", "margin"]),
        (3, ["ce", "dlr", "targeted_margin", "margin"]),
        (4, ["ce", "dlr", "targeted_dlr", "targeted_margin", "margin"]),
    ],
)
def test_an_ensemble_takes_what_fits(classes: int, losses: list[str]) -> None:
    attacks = ENSEMBLES["ensemble"].expand("linf", 0.1, classes)
    assert [attack.loss for attack in attacks] == losses
    assert not exactly_autoattack(attacks)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, classes))
    images = torch.rand(2, 1, 4, 4, generator=generator(0, "images"))
    labels = model(images).argmax(1)
    for attack in attacks:
        short = attack.model_copy(update={"steps": 2})
        run_attack(model, images, labels, short, seed=0, label=attack.label, indices=torch.arange(2))


def test_only_exactly_autoattack_may_be_called_so() -> None:
    four = STANDARD.expand("linf", 0.1, 10)
    assert exactly_autoattack(four) and exactly_autoattack(reversed(four))
    assert exactly_autoattack(attack.model_copy(update={"label": f"mine-{attack.label}"}) for attack in four)
    pgd = AttackSpec(label="pgd", eps=0.1, step=0.01, steps=20)
    others = [
        four[:3],
        (*four, pgd),
        (*four[:3], four[2]),
        (*four[:3], four[3].model_copy(update={"steps": 4999})),
        (*four[:3], four[3].model_copy(update={"eps": 0.2})),
        (*four[:3], four[3].model_copy(update={"norm": "l2"})),
        (four[0].model_copy(update={"restarts": 2}), *four[1:]),
        (*four[:2], four[2].model_copy(update={"random_start": True}), four[3]),
        (pgd, pgd.model_copy(update={"norm": "l1"})),
        (pgd,),
    ]
    assert not any(exactly_autoattack(attacks) for attacks in others)
    assert autoattack_among((*four, pgd)) == four
    assert autoattack_among([]) == ()


def test_labels_are_distinct_and_each_member_is_allowed() -> None:
    labels = [one.label for facts in ENSEMBLES.values() for one in facts.members]
    assert len(set(labels)) == len(labels)
    assert len(AUTOATTACK) == 4


def test_each_on_what_the_earlier_ones_left_gives_the_worst_case_of_all() -> None:
    """The cascade is an economy, not another attack."""
    draw = generator(0, "net")
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draw, dtype=torch.float64) * 0.3)
    images = torch.rand(20, 1, 8, 8, generator=draw, dtype=torch.float64)
    labels, indices = model(images).argmax(1), torch.arange(20)
    fallen = torch.zeros(20, dtype=torch.bool)
    worst, passes = fallen.clone(), [0, 0]
    for attack in STANDARD.expand("linf", EPS, 5):
        short = attack.model_copy(update={"steps": 10})
        alone = run_attack(model, images, labels, short, seed=0, label=attack.label, indices=indices)
        rest = run_attack(
            model, images, labels, short, seed=0, label=attack.label, indices=indices, skip=fallen
        )
        worst, fallen = worst | alone.broken, rest.broken
        passes = [passes[0] + alone.passes, passes[1] + rest.passes]
        assert torch.equal(fallen, worst)
    assert 2 < fallen.sum() < 20
    assert passes[1] < passes[0]
