"""The short form of ``benchmarks/attacks.py``: beside PGD as it is usually written, from the same starts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from benchmarks.reference_pgd import reference_pgd
from cartl_core.attacks import attack_with_surrogate, fold_batch_norm, misclassified, random_starts
from cartl_core.attacks.pgd import run_pgd
from cartl_core.attacks.random_starts import AttackRandomness
from cartl_core.nn.rng import generator
from cartl_core.spec import AttackSpec

COUNT, STEPS = 40, 20
EPS = {"linf": 0.01, "l2": 0.06}


def task() -> tuple[nn.Module, Tensor, Tensor]:
    """A small network in double precision, and images that no ball of ours leads out of [0, 1]."""
    draw = generator(0, "reference")
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(384, 5)
    )
    with torch.no_grad():
        for parameter in net.double().parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draw, dtype=torch.float64) * 0.3)
        images = torch.rand(COUNT, 1, 8, 8, generator=draw, dtype=torch.float64) * 0.3 + 0.35
        return net.eval(), images, net(images).argmax(1)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_ours_is_as_strong_or_stronger_and_passes_fewer_images(norm: str) -> None:
    model, images, labels = task()
    eps = EPS[norm]
    attack = AttackSpec.model_validate(
        {"label": "pgd", "norm": norm, "eps": eps, "step": eps / 5, "steps": STEPS}
    )
    start = random_starts(
        (1, 8, 8),
        eps,
        seed=0,
        label="pgd",
        restart=0,
        indices=range(COUNT),
        norm=norm,  # type: ignore[arg-type]
    ).double()
    last = reference_pgd(model, images, labels, start, norm=norm, eps=eps, step=eps / 5, steps=STEPS)
    with torch.no_grad():
        theirs = misclassified(model(last), labels)
    outcome = run_pgd(model, images, labels, attack, randomness=AttackRandomness(lambda _: start))
    assert outcome.broken[theirs].all()
    assert outcome.passes < COUNT * (STEPS + 1)
    assert 0.2 < theirs.double().mean() < 0.9
    # What stands has gone the very same way.
    robust = ~outcome.broken
    torch.testing.assert_close(outcome.adversarial[robust], last[robust], rtol=0, atol=1e-9)
    measured = attack_with_surrogate(
        model,
        fold_batch_norm(model),
        images,
        labels,
        attack,
        seed=0,
        label="pgd",
        indices=torch.arange(COUNT),
    )
    assert torch.equal(measured.broken, outcome.broken)


class Noisy(nn.Module):
    """Says a little else each time it is asked, though never another class."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.draw = model, generator(0, "noise")

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.model(x) * (1 + 1e-3 * torch.rand(1, generator=self.draw))
        return result


def test_who_moves_in_a_circle_leaves_and_ends_where_it_would_have_ended() -> None:
    """Nearly all that stands is at a corner of the ball long before the last of 100 steps."""
    model, images, labels = task()
    eps, steps = EPS["linf"] / 4, 100
    start = random_starts((1, 8, 8), eps, seed=0, label="pgd", restart=0, indices=range(COUNT)).double()
    for more in (0, 1):  # a circle of two points ends on one or the other
        attack = AttackSpec(label="pgd", eps=eps, step=eps / 7, steps=steps + more)
        outcome = run_pgd(model, images, labels, attack, randomness=AttackRandomness(lambda _: start))
        last = reference_pgd(
            model, images, labels, start, norm="linf", eps=eps, step=eps / 7, steps=steps + more
        )
        robust = ~outcome.broken
        assert robust.sum() > 20
        assert torch.equal(outcome.broken, misclassified(model(last).detach(), labels) | outcome.broken)
        torch.testing.assert_close(outcome.adversarial[robust], last[robust], rtol=0, atol=1e-12)
        assert outcome.passes < COUNT * steps / 2


def test_a_model_that_answers_at_random_is_asked_to_the_end() -> None:
    model, images, labels = task()
    eps = EPS["linf"] / 4
    attack = AttackSpec(label="pgd", eps=eps, step=eps / 7, steps=60, random_start=False)
    still = run_pgd(model, images, labels, attack)
    noisy = run_pgd(Noisy(model), images, labels, attack)
    assert noisy.broken.sum() < COUNT / 2
    assert noisy.passes >= int((~noisy.broken).sum()) * 60 > still.passes
