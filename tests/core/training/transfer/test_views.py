"""Altered views that are drawn once: what a step draws is what the trunk makes of the very same images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from cartl_core.data import Loaded
from cartl_core.data.augment import augment
from cartl_core.errors import Interrupted
from cartl_core.execution.scratch import Scratch
from cartl_core.nn.rng import generator
from cartl_core.spec import Augmentation
from cartl_core.storage.stage_result import NETWORK
from cartl_core.training.gradient import StepContext
from cartl_core.training.student import Student
from cartl_core.training.transfer import transfer, transfer_task
from cartl_core.training.views import Views
from tests.fixtures.students import same_bits

KIND: Augmentation = "crop_flip_rotate"
VIEWS, SEED = 3, 5
SETTINGS = {"augmentation": KIND, "cached_views": VIEWS, "epochs": 2, "validate_images": 4}
NOTHING_FITS = Scratch(limit_bytes=100)


@pytest.fixture
def target(task: Any) -> Loaded:
    made: Loaded = task(classes=4, seed=9)
    return made


@pytest.fixture
def drawn_from(arm: Any, teacher: Path, target: Loaded, workspace: Any) -> Any:
    """``drawn_from(name, freeze_depth=2, **settings)``: a student, and what its steps draw from."""

    def begin(name: str, *, freeze_depth: int = 2, **settings: Any) -> tuple[Student, Views]:
        place = {key: settings.pop(key) for key in ("scratch",) if key in settings}
        made = arm("vanilla", freeze_depth=freeze_depth, transfer=SETTINGS | settings)
        student = Student(made, teacher, 4, SEED, replace(workspace(name).context(), **place))
        inputs, _ = transfer_task(student, target).inputs()
        assert isinstance(inputs, Views)
        return student, inputs

    return begin


def altered_images(target: Loaded) -> list[Tensor]:
    """Each view of all images, as ``augment`` makes it."""
    whole = target.train.images.tensor()
    return [augment(whole, KIND, generator(SEED, "views", view)) for view in range(VIEWS)]


def every(target: Loaded, view: int) -> tuple[Tensor, Tensor]:
    positions = torch.arange(len(target.train))
    return positions, torch.full_like(positions, view)


def test_features_of_a_view_are_those_of_the_trunk_on_its_images(drawn_from: Any, target: Loaded) -> None:
    student, inputs = drawn_from("a")
    images = altered_images(target)
    assert not torch.equal(images[0], images[1])
    for view, whole in enumerate(images):
        with torch.no_grad():
            wanted = student.lower(student.place.put(whole))
        assert torch.equal(inputs.rows(*every(target, view)), wanted)


def test_each_step_draws_one_view_of_each_image_by_its_own_generator(drawn_from: Any, target: Loaded) -> None:
    _, inputs = drawn_from("a")
    chosen = torch.tensor([7, 0, 31, 7])
    seen = set()
    for epoch in range(8):
        step = StepContext(SEED, epoch, 1)
        views = torch.randint(VIEWS, (4,), generator=generator(SEED, "view", epoch, 1))
        found = inputs.of_step(chosen, step)
        for row, position, view in zip(found, chosen, views, strict=True):
            assert torch.equal(row, inputs.rows(position[None], view[None])[0])
        assert torch.equal(found, inputs.of_step(chosen, step))
        seen.add(tuple(views.tolist()))
    assert len(seen) > 4


@pytest.mark.parametrize("case", [{"scratch": NOTHING_FITS}, {"freeze_depth": 0}])
def test_without_room_or_trunk_the_same_views_are_drawn_as_images(
    case: dict[str, Any], drawn_from: Any, target: Loaded
) -> None:
    _, inputs = drawn_from("a", **case)
    images = altered_images(target)
    for view, whole in enumerate(images):
        assert torch.equal(inputs.rows(*every(target, view)), whole)
    some = torch.tensor([3, 3, 11])
    found = inputs.rows(some, torch.tensor([2, 0, 1]))
    assert torch.equal(found, torch.stack([images[2][3], images[0][3], images[1][11]]))


def test_one_view_is_what_a_set_that_was_altered_once_gives(
    arm: Any, teacher: Path, target: Loaded, workspace: Any
) -> None:
    """A training on it has the bits of a plain one on images that were altered beforehand."""
    once = {"epochs": 1, "validate_images": 4}
    (whole,) = altered_images(target)[:1]
    train = replace(target.train, images=type(target.train.images).of(whole))
    weights = []
    for name, settings, data in (
        ("views", {"augmentation": KIND, "cached_views": 1}, target),
        ("plain", {"augmentation": "none"}, replace(target, train=train)),
    ):
        ctx = workspace(name).context()
        transfer(arm("neft", transfer=once | settings), teacher, data, seed=SEED, ctx=ctx)
        weights.append(safetensors.torch.load_file(ctx.directory / NETWORK))
    assert same_bits(*weights)


def test_a_stopped_training_goes_on_with_the_same_bits(
    arm: Any, teacher: Path, target: Loaded, workspace: Any
) -> None:
    made = arm("neft", transfer=SETTINGS)
    whole, pieces = workspace("whole"), workspace("pieces")
    transfer(made, teacher, target, seed=SEED, ctx=whole.context())
    with pytest.raises(Interrupted):
        transfer(made, teacher, target, seed=SEED, ctx=pieces.context(stop_after=2))
    transfer(made, teacher, target, seed=SEED, ctx=pieces.context())
    found, wanted = (safetensors.torch.load_file(one.directory / NETWORK) for one in (pieces, whole))
    assert same_bits(found, wanted)
