"""What displaced inputs take is known before a run, and refused where it is too much."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch

from cartl_core.errors import SpecError
from cartl_core.nn.build import build_network
from cartl_core.nn.rng import generator
from cartl_core.planning.estimates.scratch import check_scratch, displaced_bytes, features_shape
from cartl_core.run.pipeline import run
from cartl_core.spec import Arm, ModelSpec, Runtime
from cartl_core.storage.stage_cache import LocalStageCache
from cartl_core.storage.stop_flag import StopFlag

MODELS = [
    ModelSpec(name="tiny", image_size=8, channels=1),
    ModelSpec(name="wrn-16-1", image_size=32, stem_stride=4),
    ModelSpec(name="resnet18", image_size=40, stem_stride=2),
    ModelSpec(name="resnet50", image_size=16),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_shapes_are_those_of_the_networks_trunk(model: ModelSpec) -> None:
    mean = (0.5,) * model.channels
    network = build_network(model, 3, mean, mean, generator(0, "network")).eval()
    image = torch.zeros(1, model.channels, model.image_size, model.image_size)
    for depth in range(1, network.block_count):
        with torch.no_grad():
            assert features_shape(model, depth) == network.split(depth)[0](image).shape[1:]


def test_the_smaller_of_features_and_images_counts(arm: Any) -> None:
    """Of a network whose first blocks have more numbers than the image, and its last ones fewer."""
    model = ModelSpec(name="wrn-16-1", image_size=32, stem_stride=2)
    asked: Arm = arm("consistent", transfer={"displacement": {"copies": 2}})
    images = 2 * 3 * 32 * 32 * 4
    features = {depth: 3 * prod(features_shape(model, depth)) * 4 for depth in (1, 6)}
    assert features[1] > images > features[6]
    for depth, needed in ((1, images), (6, features[6])):
        assert displaced_bytes(asked.model_copy(update={"freeze_depth": depth}), model) == needed


@pytest.mark.parametrize("method", ["vanilla", "cartl", "neft", "adversarial"])
def test_students_without_displacement_need_none(arm: Any, method: str) -> None:
    check_scratch([arm(method)], MODELS[0], images=10**9, limit_bytes=0)


def test_one_image_too_many_is_refused_with_what_fits(arm: Any) -> None:
    asked, model = arm("consistent"), MODELS[0]
    each = displaced_bytes(asked, model)
    check_scratch([asked], model, images=100, limit_bytes=100 * each)
    with pytest.raises(SpecError) as refused:
        check_scratch([asked], model, images=101, limit_bytes=100 * each)
    assert refused.value.field == "dataset.train_limit"
    for way in ("at most 100 training images", "copies", "image_size", "CARTL_SCRATCH_BYTES"):
        assert way in str(refused.value)


def test_a_run_is_refused_before_its_first_stage(tmp_path: Path, job: Any, runtime: Runtime) -> None:
    events: list[Any] = []
    spec = job(method="consistent", preset="smoke")
    with pytest.raises(SpecError, match="scratch space"):
        run(
            spec,
            cache=LocalStageCache(tmp_path / "stages", events.append, StopFlag()),
            data_root=tmp_path / "data",
            out=tmp_path / "out",
            report=events.append,
            runtime=runtime,
            scratch_bytes=1000,
        )
    assert [event.type for event in events] == ["runtime_resolved"]
