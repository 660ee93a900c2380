"""A person's whole walk with the real command: photographs and a published network in, a student back out.

What the service measures is computed here once more by other code: of the teacher by its own class, of the
student by the program of ``docs/tutorials/your-own-data.md``, which has onnxruntime, numpy and Pillow alone.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from cartl.client import Client
from cartl.serving.up import free_port
from tests.core.nn.judges import robustbench
from tests.end_to_end.test_up import COMMAND, environment, running
from tests.fixtures.documents import DOCS, blocks_of
from tests.fixtures.photographs import CLASSES, EPS, MEAN, STD, TEST, TRAIN, Album, album, published, seen

PAGE = DOCS / "tutorials" / "your-own-data.md"
BLOCKED = ("torch", "torchvision", "onnx", "cartl", "cartl_core", "jobs", "api", "worker", "tests")
ALONE = f"""
import sys
sys.modules.update(dict.fromkeys({BLOCKED}))
exec(compile(sys.stdin.read(), "accuracy.py", "exec"))
"""
"""Runs a program whose imports of anything ``BLOCKED`` fail."""
IMAGES = TEST * len(CLASSES)
SPEC = {
    "dataset": {"name": "photographs", "train_limit": TRAIN * len(CLASSES)},
    "preset": "smoke",
    "baselines": [],
    "transfer": {"epochs": 5},
    "evaluate": {"preset": "quick", "test_limit": IMAGES},
}


@dataclass(frozen=True)
class Desk:
    """A person's folder, and the service that the command asks."""

    folder: Path
    url: str
    album: Album
    network: nn.Module
    """Of a foreign class, as it was published."""

    def cartl(self, *arguments: str) -> str:
        """What the command says; it must succeed."""
        done = self.run([*COMMAND, *arguments])
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def run(self, command: list[str], program: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env={**environment(), "CARTL_URL": self.url},
            cwd=self.folder,
            input=program,
            capture_output=True,
            text=True,
            timeout=600,
        )

    def right(self) -> int:
        """Of how many test images the published network knows the class."""
        images, labels = seen(self.album.folder / "test")
        with torch.no_grad():
            return int((self.network((images - 0.5) / 0.25).argmax(1) == labels).sum())


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder, port = tmp_path_factory.mktemp("desk"), free_port()
    found, network = album(folder / "photographs"), published()
    torch.save({"epoch": 8, "state_dict": nn.DataParallel(network).state_dict()}, folder / "published.pth")
    with running(folder / "data", port):
        yield Desk(folder, f"http://127.0.0.1:{port}", found, network)


@pytest.fixture(scope="module")
def dataset(desk: Desk) -> str:
    return desk.cartl("datasets", "add", "photographs")


@pytest.fixture(scope="module")
def teacher(desk: Desk, dataset: str) -> str:
    assert "robustbench-wrn" in desk.cartl("convert", "published.pth", "published.safetensors")
    return desk.cartl(
        *("teachers", "add", "published.safetensors", "--name", "robust-wrn"),
        *("--mean", *map(str, MEAN), "--std", *map(str, STD), "--norm", "linf", "--eps", "8/255"),
        *("--verify", "photographs", "--images", str(IMAGES), "--clean", f"{desk.right() / IMAGES:.3f}"),
    )


@pytest.fixture(scope="module")
def job(desk: Desk, teacher: str) -> str:
    (desk.folder / "job.json").write_text(json.dumps(SPEC))
    said = desk.cartl(
        *("submit", "job.json", "--teacher", "robust-wrn", "--freeze-depth", "3"),
        *("--method", "consistent", "--watch"),
    )
    return said.split()[0]


@pytest.fixture(scope="module")
def report(desk: Desk, job: str) -> dict[str, Any]:
    with Client(desk.url) as client:
        assert client.job(job)["state"] == "succeeded"
        return client.robustness(job)


def test_the_photographs_are_taken_and_what_is_none_is_named(desk: Desk, dataset: str) -> None:
    assert "photographs (" in dataset and "): ready" in dataset
    counts = re.findall(r"^\s*(digit\d|all)\s+(\d+)\s+(\d+)\s*$", dataset, re.MULTILINE)
    assert counts == [
        *((name, str(TRAIN), str(TEST)) for name in CLASSES),
        ("all", str(TRAIN * len(CLASSES)), str(IMAGES)),
    ]
    assert f"{IMAGES + TRAIN * len(CLASSES) + 1} files: {IMAGES + TRAIN * len(CLASSES)} images" in dataset
    assert "not sent, hidden: 2 files" in dataset and "not sent, no_image_suffix: 1 file\n" in dataset
    assert "skipped train/digit0/broken.jpg: truncated" in dataset
    assert f"{desk.album.rotated} images" in dataset


def test_the_teacher_is_measured_as_its_own_class_measures(desk: Desk, teacher: str) -> None:
    right = desk.right()
    assert right > 0.4 * IMAGES, "the published network knows nothing; the walk would prove nothing"
    assert "robust-wrn (" in teacher and "): verified" in teacher
    assert f"measured on {IMAGES} images of photographs" in teacher
    assert re.search(rf"^\s*clean\s+{right / IMAGES:.1%}\s", teacher, re.MULTILINE)
    assert "layout: robustbench-wrn" in teacher


def test_the_report_names_the_images_and_the_teacher_and_what_was_measured_of_it(
    desk: Desk, job: str, report: dict[str, Any]
) -> None:
    given = report["given_teacher"]
    assert (given["name"], given["layout"], given["used"]) == ("robust-wrn", "robustbench-wrn", "as_it_is")
    assert given["trained_at"] == {"norm": "linf", "eps": EPS} and given["eps_from"] == "trained_at"
    verified = given["verification"]
    assert (verified["dataset"], verified["n"]) == ("photographs", IMAGES)
    assert verified["clean"]["value"] == desk.right() / IMAGES
    assert "attack_beyond_teacher" not in {notice["code"] for notice in report["warnings"]}
    assert report["complete"] is True and report["student"]["figures"]["n"] == IMAGES
    told = desk.cartl("report", job)
    assert "Teacher: robust-wrn" in told and "Target: photographs" in told
    assert f"on {IMAGES} test images of photographs: {100 * desk.right() / IMAGES:.1f} %" in told
    assert {export["format"]: export["withheld"] for export in report["exports"]} == dict.fromkeys(
        ("safetensors", "layout", "pt2", "onnx", "robustbench", "card")
    )


def test_onnxruntime_alone_reproduces_the_clean_accuracy(
    desk: Desk, job: str, report: dict[str, Any]
) -> None:
    desk.cartl("download", job, "--format", "onnx", "--out", "mine")
    (program,) = (block.text for block in blocks_of(PAGE) if "import onnxruntime" in block.text)
    assert desk.run([sys.executable, "-c", ALONE], "import torch").returncode != 0
    done = desk.run([sys.executable, "-c", ALONE], program)
    assert done.returncode == 0, done.stderr
    right, n = map(int, re.findall(r"\d+", done.stdout)[:2])
    clean = report["student"]["figures"]["clean"]
    assert n == IMAGES and right / n == clean["value"], (done.stdout, clean)
    assert right > 0.5 * n


def test_the_class_that_the_teacher_came_from_computes_the_same(
    desk: Desk, job: str, report: dict[str, Any]
) -> None:
    desk.cartl("download", job, "--format", "layout", "--out", "layout")
    desk.cartl("download", job, "--format", "onnx", "--out", "graph")
    (path,) = (desk.folder / "layout").iterdir()
    network = robustbench("wide_resnet").WideResNet(10, len(CLASSES), 1)
    network.load_state_dict(load_file(path), strict=True)
    network.eval()
    with safe_open(path, "pt") as file:
        header = file.metadata()
    images, labels = seen(desk.album.folder / "test")
    mean, std = (torch.tensor(json.loads(header[name])).view(1, 3, 1, 1) for name in ("mean", "std"))
    with torch.no_grad():
        logits = network((images - mean) / std)
    session = onnxruntime.InferenceSession(desk.folder / "graph" / "student.onnx")
    (others,) = session.run(["logits"], {"images": images.numpy()})
    assert torch.allclose(logits, torch.from_numpy(others), rtol=0, atol=1e-4)
    right = int((logits.argmax(1) == labels).sum())
    assert right / IMAGES == report["student"]["figures"]["clean"]["value"]
