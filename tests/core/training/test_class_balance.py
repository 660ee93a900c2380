"""Classes of unequal size: weights of the loss, draws of an epoch; against plain torch and by counting."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from cartl_core.data import Loaded
from cartl_core.errors import Interrupted
from cartl_core.nn.build import build_network
from cartl_core.nn.files import load_network
from cartl_core.nn.losses import cross_entropy, fdm_loss
from cartl_core.nn.rng import generator
from cartl_core.planning.make_plan import plan_transfer
from cartl_core.planning.plan import DataCounts
from cartl_core.spec import AttackSpec
from cartl_core.storage.stage_result import NETWORK
from cartl_core.training.class_balance import LARGEST_RATIO, class_weights, epoch_order
from cartl_core.training.gradient import StepContext
from cartl_core.training.pretrain import adversarial, pretrain
from cartl_core.training.student import Student
from cartl_core.training.transfer import transfer, transfer_task
from tests.fixtures.students import training_inputs

LABELS = torch.tensor([0] * 12 + [1] * 4 + [2] * 3 + [3])
STEP = StepContext(seed=0, epoch=0, step=0)


def unequal(target: Loaded) -> Loaded:
    """The same data with ever fewer training images of each class."""
    train = target.train
    kept = torch.cat([(train.labels == label).nonzero()[: 10 - 3 * label] for label in range(3)]).squeeze(1)
    return replace(target, train=train.at(kept))


# --- weights ---------------------------------------------------------------------------------------


def test_inverse_weights_are_those_of_scikit_learn() -> None:
    """``balanced`` there: N / (K * n_c)."""
    found = class_weights("inverse", LABELS, 4)
    assert found is not None
    assert found.tolist() == pytest.approx([20 / (4 * 12), 20 / (4 * 4), 20 / (4 * 3), 20 / 4])


def test_weights_by_the_root_are_between() -> None:
    found = class_weights("inverse_sqrt", LABELS, 4)
    assert found is not None
    raw = [count**-0.5 for count in (12, 4, 3, 1)]
    mean = sum(weight * count for weight, count in zip(raw, (12, 4, 3, 1), strict=True)) / 20
    assert found.tolist() == pytest.approx([weight / mean for weight in raw])


@pytest.mark.parametrize("scheme", ["inverse", "inverse_sqrt"])
@given(counts=st.lists(st.integers(0, 40), min_size=2, max_size=8).filter(any))
def test_the_mean_weight_of_all_images_is_one(scheme: Any, counts: list[int]) -> None:
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    found = class_weights(scheme, labels, len(counts))
    assert found is not None
    assert float(found[labels].double().mean()) == pytest.approx(1.0, rel=1e-5)
    assert [bool(weight > 0) for weight in found] == [count > 0 for count in counts]


def test_no_weight_is_a_thousand_times_another() -> None:
    labels = torch.tensor([0] * 5_000 + [1])
    found = class_weights("inverse", labels, 2)
    assert found is not None
    assert float(found[1] / found[0]) == pytest.approx(LARGEST_RATIO)
    assert class_weights("none", labels, 2) is None


def test_weighted_cross_entropy_is_torchs() -> None:
    logits = torch.randn(20, 4, generator=generator(3, "logits"))
    weights = class_weights("inverse", LABELS, 4)
    expected = functional.cross_entropy(logits, LABELS, weight=weights, reduction="none")
    torch.testing.assert_close(cross_entropy(logits, LABELS, weights), expected)
    plain = functional.cross_entropy(logits, LABELS, reduction="none")
    assert torch.equal(cross_entropy(logits, LABELS), plain)
    clean = torch.randn(20, 5, generator=generator(4, "features"))
    moved = clean + 0.1
    whole = fdm_loss(logits, LABELS, [moved], [clean], weight=0.5, class_weights=weights)
    distance = whole - fdm_loss(logits, LABELS, [moved], [clean], weight=0.0, class_weights=weights)
    torch.testing.assert_close(whole - distance, expected.mean())
    assert float(distance) == pytest.approx(0.5 * 128 * 0.1, rel=1e-4)


def test_a_teachers_loss_is_weighted(tiny: Any) -> None:
    network = build_network(tiny, 4, (0.25,), (0.5,), generator(1, "network")).eval()
    images = torch.rand(20, 1, 8, 8, generator=generator(5, "images"))
    weights = class_weights("inverse", LABELS, 4)
    still = AttackSpec(label="none", eps=0.0, step=0.1, steps=1, random_start=False)
    loss = adversarial(network, still, weights=weights)(images, LABELS, STEP).total
    expected = functional.cross_entropy(network(images), LABELS, weight=weights, reduction="sum") / 20
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("displacement", [None, {"steps": 1, "weight": 3.0}])
def test_a_students_loss_is_weighted(
    arm: Any, teacher: Path, task: Any, workspace: Any, displacement: Any
) -> None:
    target = unequal(task(classes=3, seed=9))
    made = arm("vanilla", transfer={"class_weights": "inverse", "displacement": displacement})
    student = Student(made, teacher, 3, 0, workspace("student").context())
    job = transfer_task(student, target)
    inputs, labels = training_inputs(job)
    job.begin_epoch(0)
    student.network.eval()
    loss = job.objective(inputs, labels, STEP).total
    weights = class_weights("inverse", labels, 3)

    def by_torch(features: Tensor) -> Tensor:
        logits = student.upper(features)
        return functional.cross_entropy(logits, labels, weight=weights, reduction="sum") / len(labels)

    expected = (
        by_torch(inputs)
        if displacement is None
        else (by_torch(inputs[:, 0]) + 3 * by_torch(inputs[:, 1])) / 4
    )
    torch.testing.assert_close(loss, expected)


# --- draws -----------------------------------------------------------------------------------------


def test_an_epoch_of_uniform_draws_is_what_it_was() -> None:
    found = epoch_order("uniform", LABELS, generator(7, "order", 2))
    assert torch.equal(found, torch.randperm(20, generator=generator(7, "order", 2)))


@given(counts=st.lists(st.integers(1, 30), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_a_balanced_epoch_has_equally_many_of_every_class(counts: list[int], seed: int) -> None:
    labels = torch.repeat_interleave(torch.arange(len(counts)) * 2, torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=generator(seed, "shuffled"))]
    order = epoch_order("balanced", labels, generator(seed, "order"))
    assert len(order) == len(labels)
    drawn = Counter(labels[order].tolist())
    assert set(drawn) == set(labels.tolist()) or len(labels) < len(counts)
    assert max(drawn.values()) - min(drawn.values()) <= 1
    for label, count in Counter(labels.tolist()).items():
        times = Counter(order[labels[order] == label].tolist())
        least = 0 if len(times) < count else min(times.values())
        assert max(times.values()) - least <= 1, "no image twice before each was drawn once"
    assert torch.equal(order, epoch_order("balanced", labels, generator(seed, "order")))


def test_every_epoch_draws_anew() -> None:
    first, second = (epoch_order("balanced", LABELS, generator(0, "order", epoch)) for epoch in (0, 1))
    assert not torch.equal(first, second)


# --- runs ------------------------------------------------------------------------------------------

BALANCED = {"class_weights": "inverse_sqrt", "sampling": "balanced"}


def test_a_student_of_unequal_classes_resumes_with_the_same_bits(
    arm: Any, teacher: Path, task: Any, workspace: Any
) -> None:
    target = unequal(task(classes=3, seed=9))
    made = arm("vanilla", transfer={"batch_size": 8, **BALANCED})
    whole, pieces, plain = workspace("whole"), workspace("pieces"), workspace("plain")
    transfer(made, teacher, target, seed=0, ctx=whole.context())
    for steps in (1, 2):
        with pytest.raises(Interrupted):
            transfer(made, teacher, target, seed=0, ctx=pieces.context(stop_after=steps))
    transfer(made, teacher, target, seed=0, ctx=pieces.context())
    transfer(arm("vanilla", transfer={"batch_size": 8}), teacher, target, seed=0, ctx=plain.context())
    one, other, unweighted = ((place.directory / NETWORK).read_bytes() for place in (whole, pieces, plain))
    assert one == other
    assert one != unweighted


def test_a_teacher_of_unequal_classes_resumes_with_the_same_bits(
    job: Any, tiny: Any, task: Any, workspace: Any
) -> None:
    source = unequal(task(classes=3, seed=9))
    spec = job(pretrain={"batch_size": 8, **BALANCED}).arm.pretrain
    whole, pieces = workspace("whole"), workspace("pieces")
    pretrain(spec, 2, tiny, source, seed=0, ctx=whole.context())
    with pytest.raises(Interrupted):
        pretrain(spec, 2, tiny, source, seed=0, ctx=pieces.context(stop_after=1))
    pretrain(spec, 2, tiny, source, seed=0, ctx=pieces.context())
    one, other = (load_network(place.directory / NETWORK).state_dict() for place in (whole, pieces))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("part", ["pretrain", "transfer"])
def test_a_digest_has_what_is_asked_for_alone(job: Any, runtime: Any, part: str) -> None:
    counts = DataCounts("a", 10, 10)

    def digests(**changes: Any) -> tuple[str, str]:
        plan = plan_transfer(job(baselines=[], **changes), source=counts, target=counts, runtime=runtime)
        return plan.teachers[0].stage.digest, plan.students[0].stage.digest

    plain = digests()
    assert digests(**{part: {"class_weights": "none", "sampling": "uniform"}}) == plain
    for asked in ({"class_weights": "inverse"}, {"sampling": "balanced"}):
        found = digests(**{part: asked})
        assert found[1] != plain[1]
        assert (found[0] != plain[0]) == (part == "pretrain")
