"""The student's stage: what may move moves, what is frozen keeps its bits, over several epochs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cartl_core.blocks import Network
from cartl_core.displaced import displace
from cartl_core.errors import Interrupted
from cartl_core.events import EpochFinished, Event
from cartl_core.figures import validation
from cartl_core.gradient import Moment
from cartl_core.lipschitz import audit_tail
from cartl_core.models import build_network
from cartl_core.nonexpansive import sigmas
from cartl_core.random import generator
from cartl_core.results import read_result
from cartl_core.spec import Arm
from cartl_core.stages import NETWORK
from cartl_core.stages.transfer import Student, recalibrate, transfer
from cartl_core.stages.validation import clean_accuracy, robust_accuracy
from cartl_core.training import fit
from cartl_core.weights import load_network, save_network

EPOCHS = 3
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "vanilla": ("vanilla", {}),
    "neft": ("neft", {}),
    "cartl": ("cartl", {}),
    "lwf": ("lwf", {"lwf_head_epochs": 1}),
    "adversarial": ("adversarial", {}),
    "adversarial, eps growing": ("adversarial", {"schedule": "epsilon"}),
    "running": ("cartl", {"trunk_statistics": "running"}),
    "recalibrated": ("cartl", {"trunk_statistics": "recalibrated"}),
    "teacher statistics in the tail": ("neft", {"tail_statistics": "teacher"}),
    "augmented": ("vanilla", {"augmentation": "crop_flip"}),
    "by the true norm": ("neft", {"norm": "operator"}),
    "by the true norm, affine frozen": ("cartl", {"norm": "operator", "beta": 0.8}),
    "noisy": ("cartl", {"noise_sigma": 0.25}),
    "noisy and adversarial": ("adversarial", {"noise_sigma": 0.25}),
    "noisy lwf": ("lwf", {"noise_sigma": 0.25}),
    "distilled": ("cartl", {"lwf_weight": 0.05}),
    "distilled, running": ("vanilla", {"lwf_weight": 0.05, "trunk_statistics": "running"}),
    "head first": ("neft", {"lwf_head_epochs": 1}),
    "anchored": ("vanilla", {"anchor_weight": 0.1}),
    "all at once": (
        "neft",
        {
            "displacement": {"steps": 1, "loss": "consistency"},
            "lwf_weight": 0.05,
            "lwf_head_epochs": 1,
            "anchor_weight": 0.1,
        },
    ),
    "displaced": ("cartl", {"displacement": {"steps": 2}}),
    "consistent": ("consistent", {"displacement": {"steps": 2}}),
    "displaced twice": (
        "vanilla",
        {"displacement": {"steps": 1, "copies": 2, "weight": 3.0}, "trunk_statistics": "recalibrated"},
    ),
}


@pytest.fixture
def teacher(tiny: Any, tmp_path: Path) -> Path:
    """A teacher of 3 classes whose statistics and affine batch norm are no longer the initial ones."""
    network = build_network(tiny, 3, (0.25,), (0.5,), generator(1, "network"))
    noise = generator(2, "noise")
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                for tensor in (layer.weight, layer.bias):
                    tensor.add_(0.1 * torch.randn(tensor.shape, generator=noise))
        network.train()
        for _ in range(5):
            network(torch.rand(32, 1, 8, 8, generator=noise))
    save_network(tmp_path / "teacher.safetensors", network)
    return tmp_path / "teacher.safetensors"


@pytest.fixture
def variant(arm: Any) -> Callable[[str], Arm]:
    def make(name: str) -> Arm:
        method, changes = VARIANTS[name]
        made: Arm = arm(method, transfer={"epochs": EPOCHS} | changes)
        return made

    return make


def belongs_to_trunk(name: str, depth: int) -> bool:
    if name.startswith(("stem.", "normalize.")):
        return depth > 0
    return int(name.split(".")[1]) < depth


def trunk(network: Network, depth: int) -> dict[str, Tensor]:
    state = network.state_dict()
    return {name: value.clone() for name, value in state.items() if belongs_to_trunk(name, depth)}


def same_bits(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def is_statistic(name: str) -> bool:
    return name.endswith(("running_mean", "running_var", "num_batches_tracked"))


def followed(arm: Arm, teacher: Path, task: Any, bench: Any) -> tuple[Student, list[dict[str, Tensor]]]:
    """Train, and copy the network's whole state after every epoch."""
    target = task(classes=4, seed=9)
    place = bench("followed").place()
    student = Student(arm, teacher, 4, 0, place)
    states: list[dict[str, Tensor]] = []

    def report(event: Event) -> None:
        if isinstance(event, EpochFinished):
            states.append({name: value.clone() for name, value in student.network.state_dict().items()})

    object.__setattr__(place, "report", report)
    fit(student.course(target), arm.transfer, seed=0, place=place)
    assert len(states) == EPOCHS
    return student, states


@pytest.mark.parametrize("name", VARIANTS)
def test_frozen_parameters_keep_their_bits(
    variant: Any, teacher: Path, task: Any, bench: Any, name: str
) -> None:
    arm, before = variant(name), load_network(teacher)
    _, states = followed(arm, teacher, task, bench)
    original = before.state_dict()
    affine = {
        f"{layer}.{part}"
        for layer, module in before.named_modules()
        if isinstance(module, nn.BatchNorm2d)
        for part in ("weight", "bias")
    }
    for state in states:
        for key in original:
            if is_statistic(key) or key not in state:
                continue
            frozen = belongs_to_trunk(key, arm.freeze_depth) or (
                arm.transfer.tail_affine == "frozen" and key in affine
            )
            if frozen:
                assert torch.equal(state[key], original[key]), key


@pytest.mark.parametrize(
    ("method", "statistics", "moves"),
    [("vanilla", "teacher", False), ("cartl", "teacher", False), ("cartl", "running", True)],
)
def test_trunk_statistics_over_several_epochs(
    arm: Any, teacher: Path, task: Any, bench: Any, method: str, statistics: str, moves: bool
) -> None:
    made = arm(method, transfer={"epochs": EPOCHS, "trunk_statistics": statistics})
    _, states = followed(made, teacher, task, bench)
    original = load_network(teacher).state_dict()
    running = [key for key in original if is_statistic(key) and belongs_to_trunk(key, made.freeze_depth)]
    assert running
    before = original
    for state in states:
        for key in running:
            assert torch.equal(state[key], before[key]) is not moves, key
        before = state


def test_recalibrated_statistics_change_once_and_then_stay(
    variant: Any, teacher: Path, task: Any, bench: Any
) -> None:
    arm = variant("recalibrated")
    _, states = followed(arm, teacher, task, bench)
    original = load_network(teacher).state_dict()
    running = [key for key in original if is_statistic(key) and belongs_to_trunk(key, arm.freeze_depth)]
    for key in running:
        assert not torch.equal(states[0][key], original[key]), key
        assert all(torch.equal(state[key], states[0][key]) for state in states), key


def test_recalibration_is_a_cumulative_average(bench: Any) -> None:
    layer = nn.BatchNorm2d(2)
    layer.running_mean = torch.tensor([5.0, -5.0])
    images = torch.rand(12, 2, 3, 3, generator=generator(3, "images"))
    recalibrate(layer, images, 4, seed=0, place=bench("a").place())
    expected = images.mean(dim=(0, 2, 3))
    torch.testing.assert_close(layer.running_mean, expected)
    assert layer.momentum == 0.1
    assert not layer.training


def test_a_last_batch_of_one_image_does_not_break_recalibration(bench: Any) -> None:
    layer = nn.BatchNorm2d(2)
    images = torch.rand(5, 2, 1, 1, generator=generator(3, "images"))
    recalibrate(layer, images, 4, seed=0, place=bench("a").place())
    torch.testing.assert_close(layer.running_mean, images.mean(dim=(0, 2, 3)))


@pytest.mark.parametrize(("statistics", "moves"), [("batch", True), ("teacher", False)])
def test_tail_statistics(
    arm: Any, teacher: Path, task: Any, bench: Any, statistics: str, moves: bool
) -> None:
    made = arm("neft", transfer={"epochs": EPOCHS, "tail_statistics": statistics})
    _, states = followed(made, teacher, task, bench)
    original = load_network(teacher).state_dict()
    for key in original:
        if is_statistic(key) and not belongs_to_trunk(key, made.freeze_depth):
            assert torch.equal(states[-1][key], original[key]) is not moves, key


def test_the_tail_starts_from_the_teacher_with_a_fresh_head(variant: Any, teacher: Path, bench: Any) -> None:
    student = Student(variant("vanilla"), teacher, 4, 0, bench("a").place())
    original = load_network(teacher).state_dict()
    head = f"blocks.{student.network.block_count - 1}."
    for key, value in student.network.state_dict().items():
        if not key.startswith(head):
            assert torch.equal(value, original[key]), key
    weight = student.network.head.weight
    assert weight.shape[0] == 4
    bound = weight.shape[1] ** -0.5
    assert weight.min() < 0 < weight.max() <= bound
    assert student.network.arch.mean == (0.25,)
    again = Student(variant("cartl"), teacher, 4, 0, bench("b").place())
    assert torch.equal(
        again.network.head.get_submodule("parametrizations.weight").original,  # type: ignore[arg-type]
        weight,
    )


@pytest.mark.parametrize("name", ["neft", "cartl"])
def test_what_is_exported_has_exactly_the_norms_asked_for(
    variant: Any, teacher: Path, task: Any, bench: Any, name: str
) -> None:
    arm, stage = variant(name), bench("a")
    transfer(arm, teacher, task(classes=4, seed=9), seed=0, place=stage.place())
    network = load_network(stage.directory / NETWORK)
    _, upper = network.split(arm.freeze_depth)
    norms = sigmas(upper)
    assert len(norms) > 3
    assert all(norm == pytest.approx(arm.transfer.beta, abs=1e-3) for norm in norms.values())
    assert read_result(stage.directory)["norms"] == pytest.approx(norms)
    assert network.arch.averaged_from == arm.freeze_depth
    deviations = [
        event.metrics["sigma_deviation"] for event in stage.events if isinstance(event, EpochFinished)
    ]
    assert all(deviation < 0.1 for deviation in deviations)


@pytest.mark.parametrize("name", ["vanilla", "adversarial"])
def test_the_figures_a_setting_is_chosen_by_are_those_of_what_is_exported(
    variant: Any, teacher: Path, task: Any, bench: Any, name: str
) -> None:
    arm, stage, target = variant(name), bench("a"), task(classes=4, seed=9)
    transfer(arm, teacher, target, seed=0, place=stage.place())
    told = validation(read_result(stage.directory))
    assert told is not None
    network, place = load_network(stage.directory / NETWORK), bench("b").place()
    images = len(target.validation.labels)
    assert (told.clean.n, told.robust.n) == (images, min(images, arm.transfer.validate_images))
    assert told.clean.value == pytest.approx(clean_accuracy(network, target.validation, place))
    assert told.robust.value == pytest.approx(
        robust_accuracy(network, target.validation, told.attack, limit=told.robust.n, seed=0, place=place)
    )
    assert told.attack == arm.transfer.attack or arm.transfer.attack is None
    assert told.attack.eps == arm.pretrain.attack.eps


def test_results_of_earlier_versions_tell_no_figures_to_choose_by() -> None:
    assert validation({"selected_epoch": 1, "history": [{"clean_accuracy": 0.5}]}) is None


def test_lwf_tunes_the_head_first_and_then_everything(
    variant: Any, teacher: Path, task: Any, bench: Any
) -> None:
    student, states = followed(variant("lwf"), teacher, task, bench)
    original = load_network(teacher).state_dict()
    head = f"blocks.{student.network.block_count - 1}."
    body = [key for key in original if not key.startswith(head)]
    assert all(torch.equal(states[0][key], original[key]) for key in body)
    moved = [key for key in body if not torch.equal(states[1][key], original[key])]
    assert set(body) - set(moved) == {"normalize.mean", "normalize.std"}


def test_the_lwf_loss_and_statistics_are_as_written_out(
    variant: Any, teacher: Path, task: Any, bench: Any
) -> None:
    arm = variant("lwf")
    student = Student(arm, teacher, 4, 0, bench("a").place())
    target = task(classes=4, seed=9)
    images, labels = target.train.images[:8], target.train.labels[:8]
    student.begin_epoch(1)
    aside, guide = load_network(teacher).train(), load_network(teacher)
    aside.blocks[-1] = student.network.head
    first = next(layer for layer in aside.modules() if isinstance(layer, nn.BatchNorm2d))
    before = first.running_mean.clone()  # type: ignore[union-attr]
    entering: list[Tensor] = []
    first.register_forward_pre_hook(lambda module, inputs: entering.append(inputs[0].detach()))
    features, wanted = aside.penultimate(images), guide.penultimate(images)
    logits = student.network.head(features)
    total = 0.0
    for row, label, own, other in zip(logits, labels, features, wanted, strict=True):
        total += (torch.logsumexp(row, 0) - row[label]).item()
        total += arm.transfer.lwf_weight * sum((own - other).abs().tolist())
    objective = student.course(target).objective
    loss = objective(images, labels, Moment(0, 1, 0))
    assert loss.total.item() == pytest.approx(total / len(labels), rel=1e-4)
    layer = next(layer for layer in student.network.modules() if isinstance(layer, nn.BatchNorm2d))
    torch.testing.assert_close(
        layer.running_mean, 0.9 * before + 0.1 * entering[0].mean(dim=(0, 2, 3)), rtol=1e-4, atol=1e-6
    )


def test_consistency_adds_the_divergence_of_answers_to_the_clean_cross_entropy(
    arm: Any, teacher: Path, task: Any, bench: Any
) -> None:
    asked = {"displacement": {"steps": 1, "loss": "consistency", "weight": 2.0}}
    student = Student(arm("vanilla", transfer=asked), teacher, 4, 0, bench("a").place())
    course = student.course(task(classes=4, seed=9))
    inputs, labels = course.inputs()
    student.begin_epoch(0)
    aside = copy.deepcopy(student.upper)
    clean, moved = aside(torch.cat([inputs[:8, 0], inputs[:8, 1]])).log_softmax(1).chunk(2)
    expected = -clean[range(8), labels[:8]].mean() + 2 * (clean.exp() * (clean - moved)).sum(1).mean()
    loss = course.objective(inputs[:8], labels[:8], Moment(0, 0, 0))
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-4)


def test_consistent_tuning_asks_the_tail_itself_where_its_features_must_not_go(
    arm: Any, teacher: Path, task: Any, bench: Any
) -> None:
    """Against the sum written out: a quarter of the displacement, to the sides of the tail's gradient."""
    student = Student(arm("consistent"), teacher, 4, 0, bench("a").place())
    course = student.course(task(classes=4, seed=9))
    inputs, labels = course.inputs()
    labels = labels[:8]
    student.begin_epoch(0)
    aside = copy.deepcopy(student.upper)
    at = inputs[:8, 0].clone().requires_grad_(True)
    aside.eval()(at).log_softmax(1)[range(8), labels].sum().backward()
    assert at.grad is not None
    turned = inputs[:8, 0] - 0.25 * (inputs[:8, 1] - inputs[:8, 0]).abs() * at.grad.sign()
    clean, moved = aside.train()(torch.cat([inputs[:8, 0], turned])).log_softmax(1).chunk(2)
    expected = -clean[range(8), labels].mean() + (clean.exp() * (clean - moved)).sum(1).mean()
    loss = course.objective(inputs[:8], labels, Moment(0, 0, 0))
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-4)


def test_the_tail_is_held_near_what_the_teachers_tail_makes_of_the_same_features(
    variant: Any, teacher: Path, task: Any, bench: Any
) -> None:
    arm, target = variant("distilled"), task(classes=4, seed=9)
    student = Student(arm, teacher, 4, 0, bench("a").place())
    course = student.course(target)
    inputs, labels = course.inputs()
    student.begin_epoch(0)
    aside = copy.deepcopy(student.upper)
    features = student.lower(target.train.images[:8])
    inner = aside[:-1](features)  # type: ignore[index]
    wanted = load_network(teacher).eval().penultimate(target.train.images[:8])
    distance = (inner - wanted).abs().sum(dim=1).mean()
    entropy = nn.functional.cross_entropy(aside[-1](inner), labels[:8])  # type: ignore[index]
    loss = course.objective(inputs[:8], labels[:8], Moment(0, 0, 0))
    assert loss.total.item() == pytest.approx((entropy + 0.05 * distance).item(), rel=1e-4)
    assert loss.metrics["distillation_distance"].item() == pytest.approx(distance.item(), rel=1e-4)


def test_any_method_may_tune_its_head_first(variant: Any, teacher: Path, task: Any, bench: Any) -> None:
    student, states = followed(variant("head first"), teacher, task, bench)
    start = Student(variant("head first"), teacher, 4, 0, bench("start").place()).network.state_dict()
    head = f"blocks.{student.network.block_count - 1}."
    for key, value in start.items():
        if not key.startswith(head):
            assert torch.equal(states[0][key], value), key
    moved = {key for key in start if not torch.equal(states[0][key], start[key])}
    assert f"{head}parametrizations.weight.original" in moved
    assert any(not torch.equal(states[1][key], states[0][key]) for key in start if key not in moved)
    assert sigmas(student.network.head) == pytest.approx({"": 0.6}, abs=1e-2)


def test_an_anchor_pulls_the_tail_to_the_teacher_and_nothing_pulls_it_to_zero(
    variant: Any, teacher: Path, task: Any, bench: Any
) -> None:
    """One step of gradient descent by hand: g + a (w - w0) for the tail, g + decay w for the head."""
    arm = variant("anchored")
    rate, pull = 0.5, 0.1
    training = arm.transfer.model_copy(
        update={"lr": rate, "lr_schedule": "constant", "momentum": 0.0, "weight_decay": 0.2, "epochs": 1}
    )
    target = task(classes=4, seed=9, train=16)
    student = Student(arm, teacher, 4, 0, bench("a").place())
    course = student.course(target)
    held, head = set(course.undecayed), {"blocks.4.weight", "blocks.4.bias"}
    assert held | head == set(student.tuned) and not held & head
    with torch.no_grad():
        for name in held:
            student.tuned[name].add_(0.01)
    before = {name: value.detach().clone() for name, value in student.tuned.items()}
    aside = copy.deepcopy(student.network)
    lower, upper = aside.split(arm.freeze_depth)
    upper.train()
    order = torch.randperm(16, generator=generator(0, "order", 0))
    features = lower.eval()(target.train.images[order])
    nn.functional.cross_entropy(upper(features), target.train.labels[order]).backward()
    fit(course, training, seed=0, place=bench("a").place())
    for name, parameter in aside.named_parameters():
        if name in before:
            slope = parameter.grad + (pull * 0.01 if name in held else 0.2 * before[name])
            torch.testing.assert_close(student.tuned[name], before[name] - rate * slope, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["by the true norm", "by the true norm, affine frozen"])
def test_what_is_exported_is_proven_non_expansive(
    variant: Any, teacher: Path, task: Any, bench: Any, name: str
) -> None:
    arm, stage = variant(name), bench("a")
    transfer(arm, teacher, task(classes=4, seed=9), seed=0, place=stage.place())
    network = load_network(stage.directory / NETWORK)
    _, upper = network.split(arm.freeze_depth)
    audit = audit_tail(upper, (16, 4, 4), generator(0))
    layers = [row for row in audit.layers if row.kind in ("convolution", "linear")]
    assert len(layers) > 3
    assert all(0.9 * arm.transfer.beta < row.upper_bound <= arm.transfer.beta for row in layers)
    assert all(row.upper_bound <= 1 for row in audit.layers if row.kind == "batch_norm")
    assert all(block.upper_bound <= 1 for block in audit.blocks)
    assert audit.tail_constant <= arm.transfer.beta
    assert network.arch.averaged_from == arm.freeze_depth


def test_noise_is_added_to_what_the_tail_learns_from(
    variant: Any, teacher: Path, task: Any, bench: Any
) -> None:
    student = Student(variant("noisy"), teacher, 4, seed=3, place=bench("a").place())
    images = task(classes=4, seed=9).train.images[:16]
    seen: list[Tensor] = []
    student.lower.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    course = student.course(task(classes=4, seed=9))
    assert course.inputs()[0] is not seen, "images, not features made of them once"
    seen.clear()
    for step in (0, 1):
        course.objective(images, torch.zeros(16, dtype=torch.int64), Moment(3, 0, step))
    first, second = (noisy - images for noisy in seen)
    assert float(first.std()) == pytest.approx(0.25, rel=0.1)
    assert abs(float(first.mean())) < 0.03
    assert not torch.equal(first, second)
    halves = [course.objective(images[8:], torch.zeros(8, dtype=torch.int64), Moment(3, 0, 0, 8, 16))]
    assert len(halves) == 1
    torch.testing.assert_close(seen[-1], seen[0][8:])


def test_the_images_are_attacked_as_hard_as_the_schedule_says(
    variant: Any, teacher: Path, task: Any, bench: Any
) -> None:
    """Three epochs of two steps: clean images in the first, full strength in the last step."""
    arm = variant("adversarial, eps growing")
    student = Student(arm, teacher, 4, seed=3, place=bench("a").place())
    images, labels = task(classes=4, seed=9).train.images[:16], torch.arange(16) % 4
    seen: list[Tensor] = []
    student.lower.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    course = student.course(task(classes=4, seed=9))
    for step in range(6):
        course.objective(images, labels, Moment(3, step // 2, step % 2, steps=2))
    moved = [float((shown - images).abs().max()) / arm.transfer.attack.eps for shown in seen]
    assert moved == pytest.approx([0, 0, 1 / 6, 1 / 2, 5 / 6, 1], abs=1e-5)


def test_the_loss_of_displaced_features_is_as_written_out(
    variant: Any, teacher: Path, task: Any, bench: Any
) -> None:
    """Both kinds of features in one batch; each epoch has the next copy; 1 part clean to 3 displaced."""
    arm, target, place = variant("displaced twice"), task(classes=4, seed=9), bench("a").place()
    student = Student(arm, teacher, 4, 5, place)
    course = student.course(target)
    course.prologue()
    inputs, labels = course.inputs()
    chosen, answers = inputs[:8], labels[:8]
    assert inputs.shape[:2] == (len(labels), 3)
    for epoch, taken in ((0, 0), (1, 1), (2, 0)):
        aside = copy.deepcopy(student.upper).train()
        both = torch.cat(
            [
                student.lower(target.train.images[:8]),
                student.lower(
                    displace(
                        student.lower,
                        target.train,
                        arm.transfer.displacement,
                        copy=taken,
                        seed=5,
                        place=place,
                    )[:8]
                ),
            ]
        )
        logits = aside(both)
        expected = 0.0
        for row, label, weight in zip(logits, [*answers, *answers], [1] * 8 + [3] * 8, strict=True):
            expected += weight * (torch.logsumexp(row, 0) - row[label]).item()
        student.begin_epoch(epoch)
        loss = course.objective(chosen, answers, Moment(5, epoch, 0))
        assert loss.total.item() == pytest.approx(expected / 32, rel=1e-4)


@pytest.mark.parametrize(
    "name", ["cartl", "displaced", "displaced twice", "consistent", "distilled", "all at once"]
)
def test_cached_features_change_nothing_but_the_cost(
    variant: Any, teacher: Path, task: Any, bench: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    arm, target = variant(name), task(classes=4, seed=9)
    cached, plain = bench("cached"), bench("plain")
    transfer(arm, teacher, target, seed=0, place=cached.place())
    for module in ("stages.transfer", "displaced"):
        monkeypatch.setattr(f"cartl_core.{module}.cached_features", lambda *_: None)
    transfer(arm, teacher, target, seed=0, place=plain.place())
    one = load_network(cached.directory / NETWORK).state_dict()
    other = load_network(plain.directory / NETWORK).state_dict()
    for key in one:
        torch.testing.assert_close(one[key], other[key], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_student_resumed_several_times_has_the_same_bits(
    variant: Any, teacher: Path, task: Any, bench: Any, name: str
) -> None:
    """Stopped in the middle of an epoch, at its end, and in another one; two steps are an epoch."""
    arm, target = variant(name), task(classes=4, seed=9)
    whole, pieces = bench("whole"), bench("pieces")
    transfer(arm, teacher, target, seed=0, place=whole.place())
    for steps in (1, 1, 3):
        with pytest.raises(Interrupted):
            transfer(arm, teacher, target, seed=0, place=pieces.place(stop_after=steps))
    transfer(arm, teacher, target, seed=0, place=pieces.place())
    assert (pieces.directory / NETWORK).read_bytes() == (whole.directory / NETWORK).read_bytes()
    assert read_result(pieces.directory) == read_result(whole.directory)
