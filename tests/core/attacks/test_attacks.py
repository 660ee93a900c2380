"""Projected gradient descent against the naive attack, and what it does with each image."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from cartl_core.attacks import misclassified, perturb
from cartl_core.attacks.attack_state import packed
from cartl_core.attacks.pgd import run_pgd
from cartl_core.attacks.random_starts import AttackRandomness
from cartl_core.nn.rng import generator
from cartl_core.spec import AttackSpec
from tests.fixtures.attacked import EPS, data, small_net, spec, starts


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def naive_broken(
    model: nn.Module, images: Tensor, labels: Tensor, attack: AttackSpec, start: Callable[[int], Tensor]
) -> Tensor:
    """Every image on its own, through every step of every restart; nothing leaves, nothing is packed."""
    model.eval()
    broken = []
    for i in range(len(images)):
        image, label = images[i : i + 1], labels[i : i + 1]
        fooled = bool(model(image).argmax(1) != label)
        for restart in range(attack.restarts):
            x = image + start(restart)[i : i + 1] if attack.random_start else image.clone()
            x = x.clamp(0, 1)
            for _ in range(attack.steps):
                x = x.detach().requires_grad_(True)
                logits = model(x)
                fooled |= bool(logits.argmax(1) != label)
                (gradient,) = torch.autograd.grad(nn.functional.cross_entropy(logits, label), x)
                assert attack.step is not None
                delta = (x + attack.step * gradient.sign() - image).clamp(-attack.eps, attack.eps)
                x = (image + delta).clamp(0, 1)
            fooled |= bool(model(x).argmax(1) != label)
        broken.append(fooled)
    return torch.tensor(broken)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("changes", [{}, {"random_start": False, "restarts": 1}, {"steps": 1}, {"eps": 0.03}])
def test_the_outcome_equals_that_of_the_naive_attack(seed: int, changes: dict[str, object]) -> None:
    model = small_net(seed)
    images, labels = data(model, seed=seed)
    attack = spec(**changes)
    start = starts(range(60), seed, attack.eps)
    outcome = run_pgd(model, images, labels, attack, randomness=AttackRandomness(start))
    assert torch.equal(outcome.broken, naive_broken(model, images, labels, attack, start))
    assert 0 < outcome.broken.sum() < len(images), "a test in which all fall or stand shows nothing"


@pytest.mark.parametrize("size", [1, 7, 60])
def test_batching_changes_nothing(size: int) -> None:
    model = small_net(1)
    images, labels = data(model)
    whole = run_pgd(model, images, labels, spec(), randomness=AttackRandomness(starts(range(60))))
    parts = [
        run_pgd(
            model,
            images[i : i + size],
            labels[i : i + size],
            spec(),
            randomness=AttackRandomness(starts(range(i, min(i + size, 60)))),
        )
        for i in range(0, 60, size)
    ]
    assert torch.equal(torch.cat([part.broken for part in parts]), whole.broken)
    torch.testing.assert_close(torch.cat([part.adversarial for part in parts]), whole.adversarial)


def test_every_image_handed_out_is_allowed_and_does_what_is_said_of_it() -> None:
    model = small_net(0)
    images, labels = data(model)
    outcome = run_pgd(model, images, labels, spec(), randomness=AttackRandomness(starts(range(60))))
    assert (outcome.adversarial - images).abs().max() <= EPS + 1e-12
    assert outcome.adversarial.min() >= 0
    assert outcome.adversarial.max() <= 1
    with torch.no_grad():
        assert torch.equal(misclassified(model(outcome.adversarial), labels), outcome.broken)
        clean_wrong = misclassified(model(images), labels)
    assert clean_wrong.any()
    assert torch.equal(outcome.adversarial[clean_wrong], images[clean_wrong])


class Counting(nn.Module):
    """Counts the images that pass; the first pixel decides the class."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(len(x))
        pixel = x[:, 0, 0, 0]
        return torch.stack([0.5 - pixel, pixel - 0.5], dim=1)


def pixels(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).view(-1, 1, 1, 1)


def test_broken_images_leave_the_batch_and_clean_errors_never_enter_it() -> None:
    """Class 0 below 0.5. Steps of 0.01: distances 0.005, 0.015, ... fall one a step."""
    model = Counting()
    images = pixels([0.7] + [0.495 - 0.01 * i for i in range(8)] + [0.1] * 4)
    labels = torch.zeros(len(images), dtype=torch.int64)
    attack = spec(eps=0.1, step=0.01, steps=10, restarts=1, random_start=False)
    outcome = run_pgd(model, images, labels, attack)
    assert outcome.broken.tolist() == [True] * 9 + [False] * 4
    assert outcome.passes == sum(model.seen)
    # 13 clean, 12 attacked; a batch shrinks by buckets of eight.
    assert model.seen == [13, 12, 12, 12, 12, 12, 8, 8, 8, 8, 8, 8]


@pytest.mark.parametrize("count", [1, 7, 8, 9, 23, 24])
def test_a_batch_is_packed_into_buckets_that_hold_all_that_stand(count: int) -> None:
    robust = torch.zeros(24, dtype=torch.bool)
    robust[torch.randperm(24, generator=generator(count, "who"))[:count]] = True
    rows = packed(robust)
    if count > 16:
        assert rows is None
    else:
        assert rows is not None
        assert len(rows) == (8 if count <= 8 else 16)
        assert rows.tolist() == sorted(set(rows.tolist()))
        assert robust[rows].sum() == count


def test_images_that_fill_a_bucket_stay_what_they_were() -> None:
    """Of 16 images three are wrong from the start: 13 enter, and the three fill the bucket."""
    model = Counting()
    images, labels = pixels([0.7] * 3 + [0.2] * 13), torch.zeros(16, dtype=torch.int64)
    attack = spec(eps=0.25, step=0.01, steps=3, restarts=1, random_start=False)
    outcome = run_pgd(model, images, labels, attack)
    assert model.seen == [16, 16, 16, 16, 16]
    assert outcome.broken.tolist() == [True] * 3 + [False] * 13
    assert torch.equal(outcome.adversarial[:3], images[:3])


def test_the_first_iterate_that_fools_is_the_one_kept() -> None:
    model = Counting()
    images = pixels([0.485])
    attack = spec(eps=0.1, step=0.01, steps=10, restarts=1, random_start=False)
    outcome = run_pgd(model, images, torch.tensor([0]), attack)
    assert outcome.adversarial.item() == pytest.approx(0.505)
    assert len(model.seen) == 1 + 3


def test_iterates_count_that_the_last_one_no_longer_shows() -> None:
    """The loss rises towards a point behind a band that fools: a last-iterate attack would miss it."""

    class Band(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            pixel = x[:, 0, 0, 0]
            inside = (pixel - 0.30).abs() < 0.02
            return torch.stack([3 - pixel, torch.where(inside, 9 + pixel, pixel)], dim=1)

    images, labels = pixels([0.25]), torch.tensor([0])
    last = perturb(Band(), images, labels, eps=0.1, step=0.03, steps=4)
    assert not misclassified(Band()(last), labels).item()
    attack = spec(eps=0.1, step=0.03, steps=4, restarts=1, random_start=False)
    assert run_pgd(Band(), images, labels, attack).broken.item()


class Slope(nn.Module):
    """Class 1 from 0.55 upwards, and a slope too gentle to get there."""

    def forward(self, x: Tensor) -> Tensor:
        pixel = x[:, 0, 0, 0]
        return torch.stack([pixel * 0 + 1, 2.0 * (pixel > 0.55) + 1e-9 * pixel], dim=1)


def test_the_random_start_is_an_iterate_and_a_later_restart_may_win() -> None:
    images, labels = pixels([0.5, 0.5]), torch.tensor([0, 0])
    table = {0: pixels([0.06, -0.06]), 1: pixels([-0.06, 0.06])}
    broken = [
        run_pgd(
            Slope(),
            images,
            labels,
            spec(steps=1, step=1e-6, restarts=n),
            randomness=AttackRandomness(table.__getitem__),
        ).broken
        for n in (1, 2)
    ]
    assert [each.tolist() for each in broken] == [[True, False], [True, True]]


def test_a_gradient_that_is_not_a_number_moves_nothing() -> None:
    class Root(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            pixel = x[:, 0, 0, 0]
            return torch.stack(
                [pixel * 0 + 1, (pixel - 0.5).abs().sqrt() * (pixel - 0.5).abs().sqrt()], dim=1
            )

    images, labels = pixels([0.5, 0.6]), torch.tensor([0, 0])
    last = perturb(Root(), images, labels, eps=0.1, step=0.05, steps=2)
    assert last.flatten().tolist() == pytest.approx([0.5, 0.7])
    outcome = run_pgd(Root(), images, labels, spec(steps=2, restarts=1, random_start=False))
    assert outcome.broken.tolist() == [False, False]


def test_logits_that_are_not_numbers_are_wrong_whatever_the_class() -> None:
    nan, inf = float("nan"), float("inf")
    logits = torch.tensor([[1.0, 0.0], [0.0, 1.0], [nan, nan], [inf, 0.0], [0.0, nan]])
    assert misclassified(logits, torch.zeros(5, dtype=torch.int64)).tolist() == [
        False,
        True,
        True,
        True,
        True,
    ]


def test_a_missing_start_is_refused() -> None:
    model = small_net()
    images, labels = data(model)
    with pytest.raises(ValueError, match="randomness must be given"):
        run_pgd(model, images, labels, spec())


def test_the_attack_works_where_the_caller_records_no_gradients() -> None:
    model = small_net()
    images, labels = data(model)
    expected = perturb(model, images, labels, eps=EPS, step=EPS / 4, steps=3)
    with torch.no_grad():
        assert torch.equal(perturb(model, images, labels, eps=EPS, step=EPS / 4, steps=3), expected)
        assert run_pgd(
            model, images, labels, spec(), randomness=AttackRandomness(starts(range(60)))
        ).broken.any()
    assert not expected.requires_grad
    assert not images.requires_grad
