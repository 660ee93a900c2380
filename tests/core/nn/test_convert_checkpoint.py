"""Checkpoints become safetensors without running code of theirs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cartl_core.__main__ import main
from cartl_core.errors import ArgumentInvalid
from cartl_core.nn.convert_checkpoint import SNIPPET, convert_checkpoint
from tests.core.nn.judges import JUDGES

ROOT = Path(__file__).parents[3]


def weights() -> dict[str, Tensor]:
    return {"conv.weight": torch.rand(2, 3), "conv.bias": torch.rand(2)}


def nested(**beside: Any) -> dict[str, Any]:
    return {"epoch": 3, "best": 0.5, **beside}


OPTIMISER = {
    "state": {0: {"step": torch.tensor(1.0), "exp_avg": torch.rand(2)}},
    "param_groups": [{"lr": 0.1}],
}
HELD: dict[str, tuple[Callable[[], object], str]] = {
    "a state dict": (weights, ""),
    "state_dict": (lambda: nested(state_dict=weights(), optimizer=OPTIMISER), "state_dict"),
    "net": (lambda: nested(net=weights()), "net"),
    "deeper": (lambda: nested(run={"model": weights()}), "run.model"),
    "with a text beside": (lambda: {**weights(), "arch": "resnet18"}, ""),
}


@pytest.mark.parametrize(("held", "key"), HELD.values(), ids=HELD.keys())
def test_the_one_state_dict_is_found(held: Callable[[], Any], key: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(held(), tmp_path / "a.pth")
    converted = convert_checkpoint(tmp_path / "a.pth", tmp_path / "a.safetensors")
    assert (converted.key, converted.tensors) == (key, 2)
    torch.manual_seed(0)
    expected, found = weights(), load_file(tmp_path / "a.safetensors")
    assert set(found) == set(expected) and all(torch.equal(found[name], expected[name]) for name in expected)


def test_several_are_listed_and_one_is_named(tmp_path: Path) -> None:
    model, average = weights(), weights()
    torch.save({"model": model, "ema": {"module": average}}, tmp_path / "a.pth")
    with pytest.raises(ArgumentInvalid, match=r"2 state dicts; allowed: --key model, --key ema\.module"):
        convert_checkpoint(tmp_path / "a.pth", tmp_path / "a.safetensors")
    assert not (tmp_path / "a.safetensors").exists()
    with pytest.raises(ArgumentInvalid, match="no state dict 'net'"):
        convert_checkpoint(tmp_path / "a.pth", tmp_path / "a.safetensors", "net")
    convert_checkpoint(tmp_path / "a.pth", tmp_path / "a.safetensors", "ema.module")
    assert torch.equal(load_file(tmp_path / "a.safetensors")["conv.weight"], average["conv.weight"])


def test_views_and_shared_tensors_are_written_by_themselves(tmp_path: Path) -> None:
    whole = torch.arange(12.0).view(3, 4)
    torch.save({"a": whole, "b": whole, "c": whole.t(), "d": nn.Parameter(whole[1:])}, tmp_path / "a.pth")
    convert_checkpoint(tmp_path / "a.pth", tmp_path / "a.safetensors")
    found = load_file(tmp_path / "a.safetensors")
    assert torch.equal(found["b"], whole) and torch.equal(found["c"], whole.t())
    assert torch.equal(found["d"], whole[1:])


class Recorder:
    """Unpickling it would run code."""

    ran: list[str] = []

    def __reduce__(self) -> tuple[Any, ...]:
        return Recorder.ran.append, ("ran",)


@pytest.mark.parametrize(
    "held",
    [
        lambda: nn.Linear(2, 2),
        lambda: {"state_dict": weights(), "args": argparse.Namespace(lr=0.1)},
        lambda: {"state_dict": weights(), "hook": Recorder()},
    ],
)
def test_what_needs_code_is_refused_and_none_is_run(held: Callable[[], Any], tmp_path: Path) -> None:
    torch.save(held(), tmp_path / "a.pth")
    with pytest.raises(ArgumentInvalid, match="without running code") as refused:
        convert_checkpoint(tmp_path / "a.pth", tmp_path / "a.safetensors")
    assert SNIPPET in str(refused.value)
    assert Recorder.ran == [] and not (tmp_path / "a.safetensors").exists()
    page = (ROOT / "docs" / "how-to" / "bring-a-teacher.md").read_text()
    assert all(line.strip() in page for line in SNIPPET.splitlines())


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (lambda: [torch.rand(2)], "no state dict"),
        (lambda: {"epoch": 3}, "no state dict"),
        (lambda: {"a": torch.rand(2), "b": torch.tensor([True])}, "'b' is torch.bool"),
        (lambda: {"a": torch.rand(2, 2).to_sparse()}, "'a' is torch.float32, torch.sparse"),
    ],
)
def test_what_is_no_state_dict_of_numbers_is_refused(
    held: Callable[[], Any], said: str, tmp_path: Path
) -> None:
    torch.save(held(), tmp_path / "a.pth")
    with pytest.raises(ArgumentInvalid, match=said):
        convert_checkpoint(tmp_path / "a.pth", tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 half a zip", b"not torch at all" * 10, b"\x80\x02}q\x00."]
)
def test_other_files_are_an_error_of_one_line(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.pth").write_bytes(content)
    assert main(["convert", str(tmp_path / "a.pth"), str(tmp_path / "a.safetensors")]) == 1
    assert "a.pth" in capsys.readouterr().err
    assert not (tmp_path / "a.safetensors").exists()


def test_the_command_says_the_layout_and_what_will_be_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = JUDGES["DMWideResNet-10-2"].make().state_dict()
    torch.save({"state_dict": state, "epoch": 1}, tmp_path / "a.pth")
    assert main(["convert", str(tmp_path / "a.pth"), str(tmp_path / "a.safetensors")]) == 0
    printed = capsys.readouterr().out
    assert f"{len(state)} tensors of 'state_dict'" in printed
    assert "robustbench-dm-wrn" in printed and "(0, 1, 0, 1)" in printed and "dm-wrn-10-2" in printed
    assert "normalisation: not in the file" in printed
    with safe_open(tmp_path / "a.safetensors", framework="pt") as file:
        assert set(file.keys()) == set(state)


def test_a_file_that_is_not_there_and_a_folder_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(tmp_path / "a.pth"), str(tmp_path / "a.safetensors")]) == 1
    save_file(weights(), tmp_path / "b.safetensors")
    (tmp_path / "no").write_bytes(b"a file, no folder")
    assert main(["convert", str(tmp_path / "b.safetensors"), str(tmp_path / "no" / "a.safetensors")]) == 1
    assert capsys.readouterr().err.count("\n") == 2
