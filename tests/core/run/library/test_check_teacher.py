"""A teacher from order to result: measured, or refused with a reason; the machine's errors are others."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save, save_file
from torch import Tensor, nn

from cartl_core import load_dataset, load_network
from cartl_core.__main__ import main
from cartl_core.data import Loaded
from cartl_core.data.packed import FOUND, PackWriter, fingerprint_of
from cartl_core.spec.resources.dataset import DatasetDefaults, DatasetReport, FoundDataset, Sizes, SplitName
from cartl_core.spec.resources.teacher import TeacherCheckResult
from cartl_core.statistics.proportions import wilson
from tests.core.nn.judges import robustbench

TOLD = {"mean": [0.4] * 3, "std": [0.3] * 3}
ORDER = {"name": "teacher", "size": 1, "normalisation": TOLD}
VERIFY = {"dataset": "digits", "images": 100_000}


def normalised(images: Tensor) -> Tensor:
    return (images - 0.4) / 0.3


@pytest.fixture(scope="module")
def digits() -> Loaded:
    return load_dataset("digits", image_size=32, channels=3, download=False)


@pytest.fixture(scope="module")
def theirs(digits: Loaded) -> nn.Module:
    """RobustBench's class with random features and a head that fits the digits by least squares."""
    torch.manual_seed(0)
    network: Any = robustbench("wide_resnet").WideResNet(10, 10, 1)
    network.train()
    with torch.no_grad():
        network(normalised(digits.train.images[:500]))
        network.eval()
        head, network.fc = network.fc, nn.Identity()
        features = network(normalised(digits.train.images.tensor()))
        network.fc = head
        centred = torch.cat([features, torch.ones(len(features), 1)], dim=1)
        targets = nn.functional.one_hot(digits.train.labels, 10).float()
        solved = torch.linalg.lstsq(centred, targets).solution.T
        head.weight.copy_(solved[:, :-1])
        head.bias.copy_(solved[:, -1])
    assert isinstance(network, nn.Module)
    return network


def verify(
    tmp_path: Path, state: dict[str, Tensor] | bytes, *more: str, sha256: str | None = None, **new: Any
) -> int:
    content = state if isinstance(state, bytes) else save({name: t.contiguous() for name, t in state.items()})
    (tmp_path / "content").write_bytes(content)
    digest = sha256 or hashlib.sha256(content).hexdigest()
    (tmp_path / "order.json").write_text(json.dumps({"new": {**ORDER, **new}, "sha256": digest}))
    paths = {"order": "order.json", "content": "content", "out": "out", "data-root": "data"}
    named = [part for option, path in paths.items() for part in (f"--{option}", str(tmp_path / path))]
    return main(["verify-teacher", *named, "--no-download", "--device", "cpu", *more])


def result(tmp_path: Path) -> TeacherCheckResult:
    return TeacherCheckResult.model_validate_json((tmp_path / "out" / "result.json").read_bytes())


def test_a_teacher_is_verified_as_its_own_class_measures(
    theirs: nn.Module, digits: Loaded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with torch.no_grad():
        right = int((theirs(normalised(digits.test.images.tensor())).argmax(1) == digits.test.labels).sum())
    n = len(digits.test)
    published = {"clean": round(right / n, 2)}
    assert verify(tmp_path, theirs.state_dict(), verify=VERIFY, published=published) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["type"] for line in lines} == {"progress"} and lines[-1]["fraction"] == 1
    assert [line["fraction"] for line in lines] == sorted(line["fraction"] for line in lines)
    found = result(tmp_path)
    assert found.state == "verified" and found.found is not None and found.found.verification is not None
    measured = found.found.verification
    interval = wilson(right, n)
    assert (measured.n, measured.dataset, measured.attack) == (n, "digits", "pgd20 linf 0.15")
    assert measured.clean.model_dump() == {
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
    }
    assert right / n > 0.5 and measured.robust.value < measured.clean.value
    network = load_network(tmp_path / "out" / "network.safetensors")
    assert network.arch == found.found.architecture
    assert found.found.layout == "robustbench-wrn" and found.found.methods[0] == "vanilla"
    assert found.found.blocks[0].name == "block1.layer.0" and found.found.blocks[-1].name == "fc"
    with torch.no_grad():
        assert torch.allclose(
            network(digits.test.images[:9]), theirs(normalised(digits.test.images[:9])), atol=1e-5
        )


def test_the_attack_is_the_one_that_the_teacher_was_trained_at(theirs: nn.Module, tmp_path: Path) -> None:
    trained = {"norm": "l2", "eps": 0.5}
    assert (
        verify(tmp_path, theirs.state_dict(), verify={"dataset": "digits", "images": 60}, trained_at=trained)
        == 0
    )
    found = result(tmp_path).found
    assert found is not None and found.verification is not None
    assert (found.verification.attack, found.verification.n) == ("pgd20 l2 0.5", 60)


def test_a_pack_is_measured_as_its_images_are(theirs: nn.Module, digits: Loaded, tmp_path: Path) -> None:
    """Digits as bytes in a pack, at the network's size: what the class gets right of them is measured."""
    few = slice(0, 200)
    pixels = (digits.test.images[few] * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    labels = digits.test.labels[few].tolist()
    with PackWriter(tmp_path / "pack", 3) as writer:
        for image in pixels:
            writer.add(image)
        splits: list[SplitName] = ["train" if place < 20 else "test" for place in range(200)]
        index = writer.finish(labels, splits)
    kept = FoundDataset(
        fingerprint=fingerprint_of(digits.class_names, index),
        channels=3,
        classes=digits.class_names,
        counts={"train": (2,) * 10, "test": (18,) * 10},
        sizes=Sizes(min=(32, 32), median=(32, 32), max=(32, 32)),
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        defaults=DatasetDefaults(
            image_size=32, train_eps=0.1, eval_eps=0.05, eval_step=0.01, augmentation="none"
        ),
        report=DatasetReport(files=200, taken=200),
    )
    (tmp_path / "pack" / FOUND).write_text(kept.model_dump_json())
    seen = torch.from_numpy(pixels[20:]).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        right = int((theirs(normalised(seen)).argmax(1) == torch.tensor(labels[20:])).sum())
    pack = ("--pack", str(tmp_path / "pack"))
    assert verify(tmp_path, theirs.state_dict(), *pack, verify={"dataset": "mine", "images": 1000}) == 0
    found = result(tmp_path).found
    assert found is not None and found.verification is not None
    assert (found.verification.n, found.verification.clean.value) == (180, right / 180)
    assert found.verification.attack == "pgd20 linf 0.05"
    (tmp_path / "pack" / FOUND).unlink()
    assert verify(tmp_path, theirs.state_dict(), *pack, verify={"dataset": "mine"}) == 1


def test_without_a_data_set_it_is_unverified(theirs: nn.Module, tmp_path: Path) -> None:
    assert verify(tmp_path, theirs.state_dict(), published={"clean": 0.9}) == 0
    found = result(tmp_path)
    assert (found.state, found.reason) == ("unverified", None) and "verify.dataset" in (found.message or "")
    assert found.found is not None and found.found.verification is None
    assert (tmp_path / "out" / "network.safetensors").exists()


def changed(name: str, value: float) -> Any:
    def change(state: dict[str, Tensor]) -> dict[str, Tensor]:
        return {**state, name: torch.full_like(state[name], value)}

    return change


REJECTED: dict[str, tuple[Any, dict[str, Any], str, str]] = {
    "not safetensors": (lambda state: b"PK\x03\x04" * 99, {}, "not_safetensors", "not a safetensors file"),
    "cut off": (lambda state: save(state)[:-5], {}, "not_safetensors", "bytes of numbers"),
    "empty": (lambda state: b"", {}, "not_safetensors", "not a safetensors file"),
    "booleans": (
        lambda state: {**state, "mask": torch.tensor([True])},
        {},
        "not_safetensors",
        "'mask' is not described",
    ),
    "no names": (lambda state: {"a": torch.ones(1)}, {}, "layout_unknown", "'a'"),
    "two networks": (
        lambda state: {f"{at}{name}": t.clone() for at in ("model.", "ema.") for name, t in state.items()},
        {},
        "layout_ambiguous",
        "'ema.' and 'model.'",
    ),
    "a tensor less": (
        lambda state: {name: t for name, t in state.items() if name != "bn1.weight"},
        {},
        "tensor_missing",
        "'bn1.weight'",
    ),
    "a tensor more": (lambda state: {**state, "fc.scale": torch.ones(1)}, {}, "tensor_unknown", "'fc.scale'"),
    "another shape": (
        lambda state: {**state, "bn1.weight": torch.ones(3)},
        {},
        "shape_differs",
        "expected F32 [64]",
    ),
    "not a number": (changed("fc.bias", float("nan")), {}, "not_finite", "'fc.bias'"),
    "infinite": (changed("conv1.weight", float("inf")), {}, "not_finite", "'conv1.weight'"),
    "a negative variance": (changed("bn1.running_var", -1.0), {}, "not_finite", "negative variance"),
    "too large": (
        lambda state: {**state, "fc.bias": torch.full((10,), 1e300, dtype=torch.float64)},
        {},
        "not_finite",
        "too large",
    ),
    "no normalisation": (dict, {"normalisation": None}, "normalisation_needed", "does not tell"),
    "a normalisation of grey": (
        dict,
        {"normalisation": {"mean": [0.5], "std": [0.5]}},
        "normalisation_needed",
        "3 finite numbers",
    ),
    "a mean without deviation": (
        lambda state: {**state, "mu": torch.full((3,), 0.4)},
        {},
        "normalisation_needed",
        "'mu'",
    ),
    "a mean of bytes": (
        lambda state: {**state, "mu": torch.full((3,), 125.0), "sigma": torch.full((3,), 60.0)},
        {"normalisation": None},
        "normalisation_needed",
        "not of images in [0, 1]",
    ),
    "another mean than told": (
        lambda state: {**state, "mu": torch.full((3,), 0.5), "sigma": torch.full((3,), 0.3)},
        {},
        "normalisation_needed",
        "the file says",
    ),
    "other classes": (
        dict,
        {"verify": {"dataset": "digits"}, "classes": 9},
        "shape_differs",
        "expected F32 [9, 64]",
    ),
    "collapsed": (changed("fc.weight", 0.0), {"verify": VERIFY}, "collapsed", "commonest class's share"),
    "not as published": (
        dict,
        {"verify": VERIFY, "published": {"clean": 0.999}},
        "published_not_reproduced",
        "0.999",
    ),
}


@pytest.mark.parametrize(("change", "new", "reason", "said"), REJECTED.values(), ids=REJECTED.keys())
def test_an_odd_teacher_is_rejected_with_its_reason(
    theirs: nn.Module, change: Any, new: dict[str, Any], reason: str, said: str, tmp_path: Path
) -> None:
    assert verify(tmp_path, change(theirs.state_dict()), **new) == 0
    found = result(tmp_path)
    assert (found.state, found.reason, found.found) == ("rejected", reason, None)
    assert said in (found.message or "")
    assert not (tmp_path / "out" / "network.safetensors").exists()


def test_errors_of_the_machine_are_no_rejection(
    theirs: nn.Module, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = theirs.state_dict()
    assert verify(tmp_path, state, verify={"dataset": "cifar10"}) == 1
    assert "cifar10" in capsys.readouterr().err
    assert verify(tmp_path, state, verify={"dataset": "nobodys"}) == 1
    assert verify(tmp_path, state, sha256="0" * 64) == 1
    assert "SHA-256" in capsys.readouterr().err
    assert verify(tmp_path, state, name="NO NAME") == 2
    assert verify(tmp_path, state, normalisation={"mean": [0.5] * 3, "std": [0.0] * 3}) == 2
    assert not (tmp_path / "out" / "result.json").exists()


def test_a_second_file_of_the_same_network_has_the_digest_of_its_own_bytes(
    theirs: nn.Module, tmp_path: Path
) -> None:
    digests = set()
    for prefix in ("", "module."):
        verify(tmp_path, {prefix + name: tensor for name, tensor in theirs.state_dict().items()})
        found = result(tmp_path).found
        assert found is not None and found.prefix == prefix
        digests.add(found.digest)
    assert len(digests) == 2
    save_file({"unused": torch.ones(1)}, tmp_path / "other.safetensors")
