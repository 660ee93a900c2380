"""The command `convert` works in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from cartl.main import app


def test_a_checkpoint_is_converted_and_its_layout_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    weights = {"a.weight": torch.ones(2), "a.bias": torch.zeros(1)}
    torch.save({"model": weights, "ema": weights}, tmp_path / "-a.pth")
    files = ["--", str(tmp_path / "-a.pth"), str(tmp_path / "a.safetensors")]
    assert CliRunner().invoke(app, ["convert", *files]).exit_code == 1
    assert "--key model, --key ema" in capfd.readouterr().err
    done = CliRunner().invoke(app, ["convert", "--key", "ema", *files])
    assert done.exit_code == 0 and "layout not settled (layout_unknown)" in capfd.readouterr().out
    assert set(load_file(tmp_path / "a.safetensors")) == set(weights)
