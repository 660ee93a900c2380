"""Measurements in parts: edges between batches, the same bits, and what is missing is computed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cartl_core.errors import Interrupted, PartFinished, SpecError
from cartl_core.evaluation.attack_stage import evaluate, read_outcomes
from cartl_core.evaluation.parts import PART, joined_parts
from cartl_core.nn.build import build_network
from cartl_core.nn.files import save_network
from cartl_core.nn.rng import generator
from cartl_core.planning.shards import Shard, edges, read_shard
from cartl_core.spec import AttackSpec
from cartl_core.storage.stage_result import NETWORK
from tests.factories import make_runtime

ATTACKS = [
    AttackSpec(label="pgd3", eps=0.01, step=0.004, steps=3, restarts=2),
    AttackSpec(label="square", name="square", loss="margin", eps=0.01, steps=20),
]
IMAGES, BATCH, PARTS = 20, 3, 4


@pytest.mark.parametrize(
    ("count", "batch_size", "shards", "expected"),
    [
        (20, 3, 4, ((0, 6), (6, 12), (12, 15), (15, 20))),
        (20, 10, 4, ((0, 10), (10, 20))),
        (20, 20, 4, ()),
        (21, 20, 2, ((0, 20), (20, 21))),
        (20, 3, 1, ()),
        (10_000, 256, 3, ((0, 3328), (3328, 6912), (6912, 10_000))),
    ],
)
def test_edges_lie_between_batches(
    count: int, batch_size: int, shards: int, expected: tuple[tuple[int, int], ...]
) -> None:
    assert edges(count, batch_size, shards) == expected


@pytest.mark.parametrize("count", range(1, 40))
def test_parts_cover_all_images_once_in_whole_batches(count: int) -> None:
    for batch_size in (1, 3, 7):
        for shards in (2, 3, 8, 1024):
            parts = edges(count, batch_size, shards)
            assert len(parts) <= shards and len(parts) != 1
            if parts:
                assert [image for part in parts for image in range(*part)] == list(range(count))
                assert all(first % batch_size == 0 for first, _ in parts)


def test_a_part_is_read_as_it_is_written() -> None:
    assert read_shard("abc:0:12") == Shard("abc", 0, 12)
    for text in (
        "",
        "abc",
        "abc:1",
        ":0:1",
        "abc:-1:2",
        "abc:2:2",
        "abc:3:2",
        "abc:0:1:2",
        "abc:0:1234567890",
    ):
        with pytest.raises(SpecError, match="shard"):
            read_shard(text)


@pytest.fixture
def network(tiny: Any, tmp_path: Path) -> Path:
    save_network(
        tmp_path / "stored" / NETWORK, build_network(tiny, 4, (0.3,), (0.4,), generator(1, "network"))
    )
    return tmp_path / "stored"


def computed(
    network: Path, images: Any, place: Any, attack: AttackSpec, batch_size: int = BATCH, **given: Any
) -> None:
    ctx = replace(place.context(), **given)
    evaluate(network, images, attack, seed=0, batch_size=batch_size, ctx=ctx)


def parts_of(
    network: Path, images: Any, workspace: Any, attack: AttackSpec, batch_size: int = BATCH, **given: Any
) -> list[Path]:
    """The parts of a measurement, computed last to first, each in a place of its own."""
    places: list[Path] = []
    for first, last in reversed(edges(IMAGES, batch_size, PARTS)):
        place = workspace(f"{attack.label}-{first}")
        with pytest.raises(PartFinished):
            computed(network, images, place, attack, batch_size, rows=(first, last), **given)
        places.insert(0, place.directory)
    return places


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.label)
def test_four_parts_are_the_whole_bit_by_bit(
    network: Path, task: Any, workspace: Any, attack: AttackSpec
) -> None:
    images, whole, joined = task().test, workspace("whole"), workspace("joined")
    computed(network, images, whole, attack)
    saved = joined_parts(parts_of(network, images, workspace, attack), IMAGES)
    assert saved is not None and saved.fraction == 1.0
    computed(network, images, joined, attack, saved=saved)
    expected, found = read_outcomes(whole.directory), read_outcomes(joined.directory)
    assert 0 < int(expected.robust.sum()) < IMAGES
    assert torch.equal(found.robust, expected.robust) and torch.equal(found.index, expected.index)
    assert found.seconds == saved.state["seconds"], "nothing was computed again"


def test_what_follows_a_damaged_part_is_computed_again(network: Path, task: Any, workspace: Any) -> None:
    images, attack, whole, joined = task().test, ATTACKS[0], workspace("whole"), workspace("joined")
    computed(network, images, whole, attack)
    parts = parts_of(network, images, workspace, attack)
    content = bytearray((parts[2] / PART).read_bytes())
    content[-1] ^= 1
    (parts[2] / PART).write_bytes(content)
    saved = joined_parts(parts, IMAGES)
    assert saved is not None and saved.fraction == 12 / IMAGES
    computed(network, images, joined, attack, saved=saved)
    assert torch.equal(read_outcomes(joined.directory).robust, read_outcomes(whole.directory).robust)
    (parts[0] / PART).unlink()
    assert joined_parts(parts, IMAGES) is None


def test_an_attack_that_begins_in_bf16_is_the_same_in_parts_and_resumed(
    network: Path, task: Any, workspace: Any
) -> None:
    images, attack = task().test, AttackSpec(label="pgd100", norm="l2", eps=0.1, step=0.01, steps=100)
    runtime = make_runtime(attack_precision="bf16")
    found = []
    for name in ("whole", "stopped", "joined"):
        place = workspace(name)
        more: dict[str, Any] = {"runtime": runtime}
        if name == "stopped":
            with pytest.raises(Interrupted):
                ctx = replace(place.context(stop_after=6), **more)
                evaluate(network, images, attack, seed=0, batch_size=10, ctx=ctx)
        if name == "joined":
            saved = joined_parts(parts_of(network, images, workspace, attack, 10, **more), IMAGES)
            assert saved is not None and saved.fraction == 1.0
            more["saved"] = saved
        computed(network, images, place, attack, 10, **more)
        found.append(read_outcomes(place.directory).robust)
    assert all(torch.equal(robust, found[0]) for robust in found)
    assert 0 < int(found[0].sum()) < IMAGES
