"""`cartl up --gpus`: which settings the processes get."""

from __future__ import annotations

from pathlib import Path

import pytest

from cartl.serving.processes import StartError
from cartl.serving.up import Settings


@pytest.mark.parametrize(
    ("gpus", "device", "devices"),
    [
        ("all", "cuda", "auto"),
        ("none", "cpu", "auto"),
        ("0,2", "cuda", "cuda:0,cuda:2"),
        ("7", "cuda", "cuda:7"),
    ],
)
def test_the_option_becomes_settings_of_the_worker(gpus: str, device: str, devices: str) -> None:
    inherited = {"CARTL_DEVICE": "auto", "CARTL_DEVICES": "cpu,cpu"}
    given = Settings(Path("data"), gpus=gpus, inherited=inherited).environment
    assert (given["CARTL_DEVICE"], given["CARTL_DEVICES"]) == (device, devices)


def test_without_the_option_the_environment_decides() -> None:
    assert "CARTL_DEVICES" not in Settings(Path("data"), inherited={}).environment
    given = Settings(Path("data"), inherited={"CARTL_DEVICES": "cpu,cpu"}).environment
    assert given["CARTL_DEVICES"] == "cpu,cpu"


@pytest.mark.parametrize("gpus", ["", "two", "0,", "0;1", "-1", "1000", "cuda:0"])
def test_what_is_no_list_of_gpus_is_refused(gpus: str) -> None:
    with pytest.raises(StartError, match="allowed: all, none, or numbers"):
        Settings(Path("data"), gpus=gpus).environment  # noqa: B018  it is computed
