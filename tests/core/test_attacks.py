from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from cartl_core.attacks import misclassified, perturb, pgd, random_starts, untouched
from cartl_core.attacks.pursuit import packed
from cartl_core.nonexpansive import apply_nonexpansive
from cartl_core.random import generator
from cartl_core.spec import AttackSpec

EPS = 0.1


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def small_net(seed: int = 0) -> nn.Sequential:
    """In double precision, so that the size of a batch cannot tip a decision."""
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.LeakyReLU(0.1),
        nn.Conv2d(4, 6, 3, stride=2, padding=1),
        nn.LeakyReLU(0.1),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(6 * 16, 3),
    ).double()
    draw = generator(seed, "net")
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draw, dtype=torch.float64) * 0.4)
        net[1].running_mean.uniform_(-0.2, 0.2, generator=draw)
        net[1].running_var.uniform_(0.5, 1.5, generator=draw)
    return net


def data(model: nn.Module, count: int = 60, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Images and labels: mostly what the model says itself, some wrong."""
    draw = generator(seed, "data")
    images = torch.rand(count, 1, 8, 8, generator=draw, dtype=torch.float64)
    model.eval()
    with torch.no_grad():
        labels = model(images).argmax(1)
    wrong = torch.rand(count, generator=draw) < 0.15
    return images, torch.where(wrong, (labels + 1) % 3, labels)


def spec(**changes: object) -> AttackSpec:
    return AttackSpec.model_validate(
        {"label": "pgd", "eps": EPS, "step": EPS / 4, "steps": 10, "restarts": 2, **changes}
    )


def starts(indices: range, seed: int = 0, eps: float = EPS) -> Callable[[int], Tensor]:
    return lambda restart: random_starts(
        (1, 8, 8), eps, seed=seed, label="pgd", restart=restart, indices=indices
    ).double()


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
    outcome = pgd(model, images, labels, attack, starts=start)
    assert torch.equal(outcome.broken, naive_broken(model, images, labels, attack, start))
    assert 0 < outcome.broken.sum() < len(images), "a test in which all fall or stand shows nothing"


@pytest.mark.parametrize("size", [1, 7, 60])
def test_batching_changes_nothing(size: int) -> None:
    model = small_net(1)
    images, labels = data(model)
    whole = pgd(model, images, labels, spec(), starts=starts(range(60)))
    parts = [
        pgd(
            model,
            images[i : i + size],
            labels[i : i + size],
            spec(),
            starts=starts(range(i, min(i + size, 60))),
        )
        for i in range(0, 60, size)
    ]
    assert torch.equal(torch.cat([part.broken for part in parts]), whole.broken)
    torch.testing.assert_close(torch.cat([part.adversarial for part in parts]), whole.adversarial)


def test_every_image_handed_out_is_allowed_and_does_what_is_said_of_it() -> None:
    model = small_net(0)
    images, labels = data(model)
    outcome = pgd(model, images, labels, spec(), starts=starts(range(60)))
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


def test_the_fallen_leave_the_batch_and_clean_errors_never_enter_it() -> None:
    """Class 0 below 0.5. Steps of 0.01: distances 0.005, 0.015, ... fall one a step."""
    model = Counting()
    images = pixels([0.7] + [0.495 - 0.01 * i for i in range(8)] + [0.1] * 4)
    labels = torch.zeros(len(images), dtype=torch.int64)
    attack = spec(eps=0.1, step=0.01, steps=10, restarts=1, random_start=False)
    outcome = pgd(model, images, labels, attack)
    assert outcome.broken.tolist() == [True] * 9 + [False] * 4
    assert outcome.passes == sum(model.seen)
    # 13 clean, 12 attacked; a batch shrinks by buckets of eight.
    assert model.seen == [13, 12, 12, 12, 12, 12, 8, 8, 8, 8, 8, 8]


@pytest.mark.parametrize("count", [1, 7, 8, 9, 23, 24])
def test_a_batch_is_packed_into_buckets_that_hold_all_that_stand(count: int) -> None:
    standing = torch.zeros(24, dtype=torch.bool)
    standing[torch.randperm(24, generator=generator(count, "who"))[:count]] = True
    rows = packed(standing)
    if count > 16:
        assert rows is None
    else:
        assert rows is not None
        assert len(rows) == (8 if count <= 8 else 16)
        assert rows.tolist() == sorted(set(rows.tolist()))
        assert standing[rows].sum() == count


def test_images_that_fill_a_bucket_stay_what_they_were() -> None:
    """Of 16 images three are wrong from the start: 13 enter, and the three fill the bucket."""
    model = Counting()
    images, labels = pixels([0.7] * 3 + [0.2] * 13), torch.zeros(16, dtype=torch.int64)
    attack = spec(eps=0.25, step=0.01, steps=3, restarts=1, random_start=False)
    outcome = pgd(model, images, labels, attack)
    assert model.seen == [16, 16, 16, 16, 16]
    assert outcome.broken.tolist() == [True] * 3 + [False] * 13
    assert torch.equal(outcome.adversarial[:3], images[:3])


def test_the_first_iterate_that_fools_is_the_one_kept() -> None:
    model = Counting()
    images = pixels([0.485])
    attack = spec(eps=0.1, step=0.01, steps=10, restarts=1, random_start=False)
    outcome = pgd(model, images, torch.tensor([0]), attack)
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
    assert pgd(Band(), images, labels, attack).broken.item()


class Slope(nn.Module):
    """Class 1 from 0.55 upwards, and a slope too gentle to get there."""

    def forward(self, x: Tensor) -> Tensor:
        pixel = x[:, 0, 0, 0]
        return torch.stack([pixel * 0 + 1, 2.0 * (pixel > 0.55) + 1e-9 * pixel], dim=1)


def test_the_random_start_is_an_iterate_and_a_later_restart_may_win() -> None:
    images, labels = pixels([0.5, 0.5]), torch.tensor([0, 0])
    table = {0: pixels([0.06, -0.06]), 1: pixels([-0.06, 0.06])}
    broken = [
        pgd(Slope(), images, labels, spec(steps=1, step=1e-6, restarts=n), starts=table.__getitem__).broken
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
    outcome = pgd(Root(), images, labels, spec(steps=2, restarts=1, random_start=False))
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
    with pytest.raises(ValueError, match="starts must be given"):
        pgd(model, images, labels, spec())


def test_the_attack_works_where_the_caller_records_no_gradients() -> None:
    model = small_net()
    images, labels = data(model)
    expected = perturb(model, images, labels, eps=EPS, step=EPS / 4, steps=3)
    with torch.no_grad():
        assert torch.equal(perturb(model, images, labels, eps=EPS, step=EPS / 4, steps=3), expected)
        assert pgd(model, images, labels, spec(), starts=starts(range(60))).broken.any()
    assert not expected.requires_grad
    assert not images.requires_grad


# --- the attack leaves no trace ------------------------------------------------------------------


def trained_net() -> nn.Sequential:
    """Partly frozen, modes mixed, some gradients set, the last two layers non-expansive."""
    model = small_net()
    apply_nonexpansive(model[3:], 0.8)
    model.train()
    model[1].eval()
    for parameter in model[0].parameters():
        parameter.requires_grad_(False)
    model[1].bias.requires_grad_(False)
    model(torch.rand(4, 1, 8, 8, dtype=torch.float64)).sum().backward()
    model[7].bias.grad = None
    return model


def everything(model: nn.Module) -> dict[str, object]:
    state = {f"value {k}": v.clone() for k, v in model.state_dict().items()}
    state |= {f"grad {k}": None if p.grad is None else p.grad.clone() for k, p in model.named_parameters()}
    state |= {f"asks {k}": p.requires_grad for k, p in model.named_parameters()}
    state |= {f"mode {k}": m.training for k, m in model.named_modules()}
    state |= {f"hooks {k}": len(m._forward_hooks) for k, m in model.named_modules()}
    state |= {f"place {k}": p.data_ptr() for k, p in model.named_parameters()}
    return state


def assert_same(before: dict[str, object], after: dict[str, object]) -> None:
    assert before.keys() == after.keys()
    for key, value in before.items():
        other = after[key]
        same = torch.equal(value, other) if isinstance(value, Tensor) else value == other
        assert same, key


def test_what_the_traces_are_compared_on_is_not_trivial() -> None:
    state = everything(trained_net())
    for kind in ("asks", "mode"):
        assert {value for key, value in state.items() if key.startswith(kind)} == {True, False}
    grads = [value for key, value in state.items() if key.startswith("grad")]
    assert any(grad is None for grad in grads)
    assert any(grad is not None for grad in grads)


@pytest.mark.parametrize("which", ["perturb", "pgd"])
def test_no_trace_is_left(which: str) -> None:
    model = trained_net()
    images, labels = data(copy.deepcopy(model))
    before = everything(model)
    random_state = torch.get_rng_state()
    kept = images.clone(), labels.clone()
    if which == "perturb":
        perturb(model, images, labels, eps=EPS, step=EPS / 4, steps=3, start=starts(range(60))(0))
    else:
        pgd(model, images, labels, spec(), starts=starts(range(60)))
    assert_same(before, everything(model))
    assert torch.equal(torch.get_rng_state(), random_state)
    assert torch.equal(images, kept[0])
    assert torch.equal(labels, kept[1])
    assert images.grad is None


def test_no_trace_is_left_when_the_model_fails_in_the_middle() -> None:
    model = trained_net()
    images, labels = data(copy.deepcopy(model))
    before = everything(model)
    passes = 0

    class Unplugged(Exception):
        pass

    def fail(*_: object) -> None:
        nonlocal passes
        passes += 1
        if passes == 3:
            raise Unplugged

    handle = model[5].register_forward_hook(fail)
    with pytest.raises(Unplugged):
        pgd(model, images, labels, spec(), starts=starts(range(60)))
    handle.remove()
    assert_same(before, everything(model))


def test_a_training_step_after_an_attack_equals_one_without() -> None:
    """Also with the graph of the clean pass recorded before the attack."""
    results = []
    for attacked in (False, True):
        model = trained_net()
        images, labels = data(copy.deepcopy(model))
        model[6].p = 0.0
        model.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        if attacked:
            perturb(model, images, labels, eps=EPS, step=EPS / 4, steps=2)
        loss.backward()
        results.append(everything(model))
    places = [key for key in results[0] if key.startswith("place")]
    for result in results:
        for key in places:
            del result[key]
    assert_same(*results)


def test_within_the_model_is_at_rest_and_contexts_may_be_nested() -> None:
    model = trained_net()
    before = everything(model)
    with untouched(model):
        with untouched(model):
            assert not any(module.training for module in model.modules())
            assert not any(parameter.requires_grad for parameter in model.parameters())
        assert not any(module.training for module in model.modules())
        assert not any(parameter.requires_grad for parameter in model.parameters())
    assert_same(before, everything(model))


# --- random starts -------------------------------------------------------------------------------


def draw(**changes: object) -> Tensor:
    settings = {"seed": 1, "label": "pgd20", "restart": 0, "indices": range(4), **changes}
    return random_starts((3, 8, 8), 8 / 255, **settings)  # type: ignore[arg-type]


def test_starts_depend_on_the_sample_and_not_on_its_batch() -> None:
    whole = draw()
    assert torch.equal(draw(indices=[2, 0]), whole[[2, 0]])
    assert torch.equal(draw(indices=torch.tensor([3])), whole[3:])


@pytest.mark.parametrize(
    "changes", [{"seed": 2}, {"label": "pgd100"}, {"restart": 1}, {"indices": range(4, 8)}]
)
def test_starts_differ_by_each_of_their_parts(changes: dict[str, object]) -> None:
    assert (draw(**changes) != draw()).float().mean() > 0.99


def test_starts_fill_the_ball_evenly() -> None:
    eps = 8 / 255
    values = random_starts((3, 8, 8), eps, seed=0, label="a", restart=0, indices=range(100)).flatten() / eps
    assert values.abs().max() <= 1
    assert values.abs().max() > 0.999
    n = len(values)
    assert abs(float(values.mean())) < 5 * (1 / 3 / n) ** 0.5
    quarters = torch.histc(values, bins=4, min=-1, max=1) / n
    assert (quarters - 0.25).abs().max() < 5 * (0.25 * 0.75 / n) ** 0.5


def test_no_samples_no_starts() -> None:
    assert random_starts((1, 2, 2), 0.1, seed=0, label="a", restart=0, indices=[]).shape == (0, 1, 2, 2)
