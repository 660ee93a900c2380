"""Devices as a deployment declares them, the slots on them, and what a run on one may see."""

from __future__ import annotations

import pytest

from jobs.devices import CPU, ONE_CPU, gpus, parse_devices, slots_on, visible_gpu
from jobs.errors import SettingsInvalid
from jobs.settings import Settings


@pytest.mark.parametrize(
    ("written", "ids"),
    [
        ("auto", []),
        ("cpu", ["cpu:0"]),
        ("cpu,cpu", ["cpu:0", "cpu:1"]),
        (" cuda:3 , cpu,cuda:0", ["cuda:3", "cpu:0", "cuda:0"]),
    ],
)
def test_devices_are_read(written: str, ids: list[str]) -> None:
    assert [device.id for device in parse_devices(written)] == ids


@pytest.mark.parametrize(
    "written",
    ["", "gpu", "cuda", "cuda:", "cuda:01", "cuda:-1", "cuda:1000", "cpu;cpu", "cpu,", "cuda:0,cuda:0"],
)
def test_what_is_no_list_of_devices_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="with commas, no GPU twice"):
        parse_devices(written)


def test_more_devices_than_a_host_has_are_refused() -> None:
    assert len(parse_devices(",".join([CPU] * 64))) == 64
    with pytest.raises(ValueError, match="up to 64"):
        parse_devices(",".join([CPU] * 65))


def test_runs_spread_over_devices_before_they_share_one() -> None:
    slots = slots_on(parse_devices("cuda:0,cuda:2"), 2)
    assert [(slot.number, slot.device.id) for slot in slots] == [
        (0, "cuda:0"),
        (1, "cuda:2"),
        (2, "cuda:0"),
        (3, "cuda:2"),
    ]
    assert [device.id for device in parse_devices(gpus(3))] == ["cuda:0", "cuda:1", "cuda:2"]
    assert len(slots_on(ONE_CPU, 3)) == 3


@pytest.mark.parametrize(
    ("device", "seen", "visible"),
    [
        (None, "0,1", ""),
        ("cpu:1", None, ""),
        ("cpu:0", "0,1", ""),
        ("cuda:1", None, "1"),
        ("cuda:1", "4,6", "6"),
        ("cuda:0", " MIG-8f3a , GPU-2", "MIG-8f3a"),
    ],
)
def test_a_run_sees_its_device_alone(device: str | None, seen: str | None, visible: str) -> None:
    assert visible_gpu(device, seen) == visible


def test_a_gpu_that_the_worker_does_not_see_is_refused() -> None:
    with pytest.raises(ValueError, match="has 2 entries, so there is no cuda:2"):
        visible_gpu("cuda:2", "0,1")


@pytest.mark.parametrize(("device", "devices"), [("cpu", "cuda:0"), ("cuda", "cuda:0,cpu")])
def test_devices_that_the_deployment_does_not_compute_on_are_refused(
    monkeypatch: pytest.MonkeyPatch, device: str, devices: str
) -> None:
    monkeypatch.setenv("CARTL_DEVICE", device)
    monkeypatch.setenv("CARTL_DEVICES", devices)
    with pytest.raises(SettingsInvalid, match=f"CARTL_DEVICES: CARTL_DEVICE is {device}"):
        Settings.from_env()


@pytest.mark.parametrize("digest", ["latest", "sha256:", "e" * 63, f"sha512:{'e' * 64}"])
def test_the_digest_of_an_image_is_one(monkeypatch: pytest.MonkeyPatch, digest: str) -> None:
    monkeypatch.setenv("CARTL_IMAGE_DIGEST", digest)
    with pytest.raises(SettingsInvalid, match="CARTL_IMAGE_DIGEST: 64 hexadecimal digits are expected"):
        Settings.from_env()
