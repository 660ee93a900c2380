"""What all attacks promise: batches change nothing, no trace is left, what is wrong is not attacked."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cartl_core.attacks import AttackOutcome, misclassified, random_numbers, run_attack
from cartl_core.attacks.apgd import checkpoints
from cartl_core.attacks.square import window_side
from cartl_core.nn.rng import generator
from cartl_core.spec import AttackSpec
from cartl_core.spec.measures.attack import ATTACKS

EPS = {"linf": 0.045, "l2": 0.25, "l1": 0.9}
KINDS = [
    (facts.name, norm, loss) for facts in ATTACKS.values() for norm in facts.norms for loss in facts.losses
]
COUNT = 24


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def small_net(seed: int = 0) -> nn.Sequential:
    """In double precision, so that the size of a batch cannot tip a decision."""
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(256, 5)
    ).double()
    draw = generator(seed, "net")
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draw, dtype=torch.float64) * 0.3)
    return net


def data(model: nn.Module) -> tuple[Tensor, Tensor]:
    draw = generator(0, "data")
    images = torch.rand(COUNT, 1, 8, 8, generator=draw, dtype=torch.float64)
    model.eval()
    with torch.no_grad():
        labels = model(images).argmax(1)
    labels[:3] = (labels[:3] + 1) % 5
    return images, labels


def spec(name: str, norm: str, loss: str, **changes: Any) -> AttackSpec:
    own: dict[str, dict[str, Any]] = {
        "pgd": {"step": EPS[norm] / 4, "steps": 6},
        "square": {"steps": 104 if norm == "l1" else 130},
    }
    settings = own.get(name, {"steps": 8})
    return AttackSpec.model_validate(
        {"label": "a", "name": name, "norm": norm, "loss": loss, "eps": EPS[norm], "restarts": 2}
        | settings
        | changes
    )


def run(model: nn.Module, images: Tensor, labels: Tensor, attack: AttackSpec, which: Tensor) -> Any:
    return run_attack(model, images[which], labels[which], attack, seed=0, label=attack.label, indices=which)


@cache
def outcome_of_all(name: str, norm: str, loss: str) -> AttackOutcome:
    """What several tests compare with; none may write into it."""
    model = small_net()
    images, labels = data(model)
    found: AttackOutcome = run(model, images, labels, spec(name, norm, loss), torch.arange(COUNT))
    return found


@pytest.mark.parametrize(("name", "norm", "loss"), KINDS)
def test_batching_changes_nothing(name: str, norm: str, loss: str) -> None:
    model = small_net()
    images, labels = data(model)
    attack = spec(name, norm, loss)
    everyone = torch.arange(COUNT)
    whole = outcome_of_all(name, norm, loss)
    parts = [run(model, images, labels, attack, part) for part in (everyone[5:], everyone[:5])]
    assert torch.equal(torch.cat([parts[1].broken, parts[0].broken]), whole.broken)
    torch.testing.assert_close(
        torch.cat([parts[1].adversarial, parts[0].adversarial]), whole.adversarial, rtol=1e-6, atol=1e-7
    )
    assert 3 < whole.broken.sum() < COUNT, "a test in which all fall or stand shows nothing"


@pytest.mark.parametrize(("name", "norm", "loss"), KINDS)
def test_what_is_said_of_an_image_is_true_of_it(name: str, norm: str, loss: str) -> None:
    model = small_net()
    images, labels = data(model)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.train()
    model[0].weight.requires_grad_(False)
    outcome = run(model, images, labels, spec(name, norm, loss), torch.arange(COUNT))
    assert model.training
    assert [p.requires_grad for p in model.parameters()] == [False, True, True, True, True, True]
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    model.eval()
    with torch.no_grad():
        assert torch.equal(misclassified(model(outcome.adversarial), labels), outcome.broken)
    wrong = misclassified(model(images), labels)
    assert wrong.sum() == 3
    assert torch.equal(outcome.adversarial[wrong], images[wrong])
    order = {"linf": torch.inf, "l2": 2, "l1": 1}[norm]
    length = torch.linalg.vector_norm((outcome.adversarial - images).flatten(1), ord=order, dim=1)
    assert (length <= EPS[norm] * (1 + 1e-6)).all()
    assert outcome.adversarial.min() >= 0
    assert outcome.adversarial.max() <= 1


@pytest.mark.parametrize(("name", "norm", "loss"), KINDS)
def test_broken_images_leave_the_batch_and_cost_no_more_steps(name: str, norm: str, loss: str) -> None:
    """At a radius at which nearly all fall, most of the steps are not computed."""
    model = small_net()
    images, labels = data(model)
    wide: dict[str, Any] = {"eps": 6 * EPS[norm], "restarts": 1}
    if (name, norm) == ("apgd", "l1"):
        wide["steps"] = 40  # three fifths are spent outside the ball, where nothing falls
    if (name, norm) == ("fab", "l1"):
        wide["steps"] = 40  # a step goes beyond the boundary by a twentieth of one coordinate's way
    attack = spec(name, norm, loss, **wide, **({"step": EPS[norm]} if name == "pgd" else {}))
    outcome = run(model, images, labels, attack, torch.arange(COUNT))
    assert outcome.broken.float().mean() > 0.8
    assert outcome.passes < COUNT * attack.steps * 0.8


@pytest.mark.parametrize(("name", "norm", "loss"), KINDS)
def test_the_seed_matters_and_nothing_global(name: str, norm: str, loss: str) -> None:
    model = small_net()
    images, labels = data(model)
    attack, everyone = spec(name, norm, loss), torch.arange(COUNT)
    state = torch.get_rng_state()
    found = [
        outcome_of_all(name, norm, loss).adversarial,
        *(
            run_attack(model, images, labels, attack, seed=seed, label="a", indices=everyone).adversarial
            for seed in (0, 1)
        ),
    ]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_the_checkpoints_are_those_of_the_paper() -> None:
    assert checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert checkpoints(1) == []
    for steps in range(1, 60):
        judged = checkpoints(steps)
        assert judged == sorted(set(judged))
        assert all(0 < number < steps for number in judged)


def test_the_windows_shrink_on_schedule() -> None:
    images = torch.zeros(1, 3, 32, 32)
    steps = (0, 10, 11, 51, 201, 1001, 2001, 4001, 8001)
    sides = [window_side(step, 10_000, images, "linf") for step in steps]
    assert sides == [29, 29, 20, 14, 10, 7, 5, 4, 2]
    # AutoAttack's 5,000 queries see the same windows at the same steps; fewer see them earlier.
    assert [window_side(step, 5_000, images, "linf") for step in steps[:-1]] == sides[:-1]
    assert [window_side(step, 500, images, "linf") for step in (0, 1, 2, 6, 21, 101, 201, 401)] == sides[:-1]
    assert [window_side(step, 10_000, images, "l2") for step in steps] == [29, 29, 21, 15, 11, 7, 5, 5, 3]
    assert window_side(0, 100, torch.zeros(1, 1, 2, 9), "l2") == 2


@pytest.mark.parametrize(("name", "norm", "loss"), KINDS)
def test_what_is_skipped_costs_nothing_and_changes_nothing_for_the_others(
    name: str, norm: str, loss: str
) -> None:
    model = small_net()
    images, labels = data(model)
    attack, everyone = spec(name, norm, loss), torch.arange(COUNT)
    whole = outcome_of_all(name, norm, loss)
    skip = whole.broken.clone()
    skip[::4] = True
    rest = run_attack(model, images, labels, attack, seed=0, label="a", indices=everyone, skip=skip)
    assert torch.equal(rest.broken, whole.broken | skip)
    torch.testing.assert_close(rest.adversarial[~skip], whole.adversarial[~skip], rtol=1e-6, atol=1e-7)
    assert torch.equal(rest.adversarial[skip], images[skip])
    assert rest.passes < whole.passes
    nothing = run_attack(
        model, images, labels, attack, seed=0, label="a", indices=everyone, skip=torch.ones_like(skip)
    )
    assert nothing.broken.all()
    assert nothing.passes == COUNT


def test_apgd_gets_further_than_pgd_of_a_bad_step() -> None:
    """Nothing to tune: where PGD's step is far too small, APGD still reaches what can be reached."""
    model = small_net()
    images, labels = data(model)
    everyone = torch.arange(COUNT)
    small = run(model, images, labels, spec("pgd", "linf", "ce", step=1e-5, random_start=False), everyone)
    own = run(model, images, labels, spec("apgd", "linf", "ce", random_start=False), everyone)
    assert own.broken.sum() > small.broken.sum() + 2


def test_random_numbers_hang_on_the_sample_and_each_part() -> None:
    fixed: dict[str, Any] = {"seed": 1, "label": "a", "restart": 0, "chapter": 0}
    numbers = random_numbers(50, **fixed, indices=range(6))
    assert torch.equal(random_numbers(50, **fixed, indices=[4, 1]), numbers[[4, 1]])
    assert numbers.min() >= 0
    assert numbers.max() < 1
    for change in ({"seed": 2}, {"label": "b"}, {"restart": 1}, {"chapter": 1}):
        assert (random_numbers(50, **(fixed | change), indices=range(6)) != numbers).float().mean() > 0.99
