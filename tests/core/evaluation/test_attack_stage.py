"""Measurements: image by image, the same however they are batched or interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cartl_core.attacks import misclassified, random_starts
from cartl_core.attacks.pgd import run_pgd
from cartl_core.attacks.random_starts import AttackRandomness
from cartl_core.errors import Interrupted, OutOfMemory, ResumeMismatch
from cartl_core.evaluation.attack_stage import evaluate, read_outcomes
from cartl_core.nn.build import build_network
from cartl_core.nn.files import load_network, save_network
from cartl_core.nn.rng import generator
from cartl_core.spec import AttackSpec
from cartl_core.storage.stage_result import NETWORK, OUTCOMES, read_result
from cartl_core.training.validation import clean_accuracy, robust_accuracy

ATTACK = AttackSpec(label="pgd3", eps=0.05, step=0.02, steps=3, restarts=2)
OTHERS = [
    AttackSpec(label="pgd-l2", norm="l2", loss="margin", eps=0.4, step=0.1, steps=3),
    AttackSpec(label="pgd-l1", norm="l1", loss="dlr", eps=2.0, step=0.5, steps=3),
    AttackSpec(label="apgd", name="apgd", loss="ce", eps=0.05, steps=5),
    AttackSpec(label="apgd-t", name="apgd", norm="l2", loss="targeted_dlr", eps=0.4, steps=5),
    AttackSpec(label="square", name="square", loss="margin", eps=0.05, steps=20),
]


@pytest.fixture
def network(tiny: Any, tmp_path: Path) -> Path:
    save_network(
        tmp_path / "stored" / NETWORK,
        build_network(tiny, 4, (0.3,), (0.4,), generator(1, "network")),
    )
    return tmp_path / "stored"


def measure(
    network: Path, images: Any, workspace: Any, attack: AttackSpec | None, batch_size: int = 6
) -> Any:
    evaluate(network, images, attack, seed=0, batch_size=batch_size, ctx=workspace.context())
    return read_outcomes(workspace.directory)


def test_outcomes_are_those_of_the_attack(network: Path, task: Any, workspace: Any) -> None:
    images = task().test
    model = load_network(network / NETWORK)
    clean = ~misclassified(model(images.images.tensor()), images.labels)
    expected = ~run_pgd(
        model,
        images.images.tensor(),
        images.labels,
        ATTACK,
        randomness=AttackRandomness(
            lambda restart: random_starts(
                (1, 8, 8), ATTACK.eps, seed=0, label="pgd3", restart=restart, indices=images.index
            )
        ),
    ).broken
    assert torch.equal(measure(network, images, workspace("clean"), None).robust, clean)
    found = measure(network, images, workspace("attack"), ATTACK)
    assert torch.equal(found.robust, expected)
    assert torch.equal(found.index, images.index)
    assert found.seconds > 0
    assert 0 < clean.sum() < len(clean)


@pytest.mark.parametrize("attack", [ATTACK, *OTHERS], ids=lambda attack: attack.label)
def test_batching_changes_nothing(network: Path, task: Any, workspace: Any, attack: AttackSpec) -> None:
    images = task().test
    found = [measure(network, images, workspace(f"{size}"), attack, size).robust for size in (1, 7, 20, 64)]
    assert all(torch.equal(robust, found[0]) for robust in found)


@pytest.mark.parametrize("attack", [None, ATTACK, *OTHERS], ids=lambda attack: attack.label if attack else "")
def test_a_resumed_measurement_has_the_same_outcomes(
    network: Path, task: Any, workspace: Any, attack: AttackSpec | None
) -> None:
    images, pieces = task().test, workspace("pieces")
    whole = measure(network, images, workspace("whole"), attack)
    for batches in (2, 2):
        with pytest.raises(Interrupted):
            evaluate(network, images, attack, seed=0, batch_size=6, ctx=pieces.context(stop_after=batches))
    resumed = measure(network, images, pieces, attack)
    assert torch.equal(resumed.robust, whole.robust)
    assert pieces.saved_at == [6 / 20, 12 / 20]


def test_a_changed_outcome_file_is_noticed(network: Path, task: Any, workspace: Any) -> None:
    stage = workspace("a")
    measure(network, task().test, stage, None)
    assert read_result(stage.directory)["n"] == 20
    content = bytearray((stage.directory / OUTCOMES).read_bytes())
    content[-1] ^= 1
    (stage.directory / OUTCOMES).write_bytes(content)
    with pytest.raises(ResumeMismatch):
        read_outcomes(stage.directory)


def test_out_of_memory_names_the_batch_size(
    network: Path, task: Any, workspace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr("cartl_core.evaluation.attack_stage.attack_with_surrogate", full)
    with pytest.raises(OutOfMemory, match="batches of 6"):
        measure(network, task().test, workspace("a"), ATTACK)


def test_validation_leaves_no_trace(network: Path, task: Any, workspace: Any) -> None:
    model, ctx = load_network(network / NETWORK).train(), workspace("a").context()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    split = task().validation
    clean = clean_accuracy(model, split, ctx)
    robust = robust_accuracy(model, split, ATTACK, limit=8, seed=0, ctx=ctx)
    assert 0 <= robust <= 1
    model.eval()
    assert clean == pytest.approx(
        (model(split.images.tensor()).argmax(1) == split.labels).float().mean().item()
    )
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert isinstance(model, nn.Module)
