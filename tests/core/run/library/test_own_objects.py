"""A person's own data sets and networks in a job: the same figures, and every wrong object refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import cartl_core
from cartl_core import Dataset, SpecError
from cartl_core.catalog import DATASETS
from cartl_core.data.loading import load, read
from cartl_core.events import StageFinished
from cartl_core.nn.build import build_network
from cartl_core.nn.rng import generator
from cartl_core.planning.resolve import resolve
from cartl_core.report import Report
from cartl_core.run.library.own_objects import Brought, checked_datasets
from cartl_core.spec import DataRequest, JobRequest, ModelSpec

REQUEST: dict[str, Any] = {
    "dataset": {"name": "digits", "classes": [5, 6, 7, 8, 9]},
    "freeze_depth": 2,
    "preset": "smoke",
    "exports": [],
    "method": "consistent",
    "baselines": [],
    "device": "cpu",
    "evaluate": {"preset": "quick", "test_limit": 20, "source_test_limit": 20},
}


APART = {"seconds", "data", "data_fingerprint", "digest", "reused", "images_per_second"}
"""What is told beside a figure: what it cost, and of which data."""


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of tiny networks lose by a second thread, most of all beside other programs."""
    monkeypatch.setattr("cartl_core.run.runtime._usable_threads", lambda: 1)


def digits(root: Path, **changes: Any) -> Dataset:
    """scikit-learn's digits as a person would hold them: floats in [0, 1], channels first."""
    archive = read("digits", root)
    images = [split.images.transpose(0, 3, 1, 2) / 16 for split in (archive.train, archive.test)]
    given: dict[str, Any] = {
        "train_images": images[0],
        "train_labels": archive.train.labels,
        "test_images": torch.from_numpy(images[1]),
        "test_labels": torch.from_numpy(archive.test.labels),
        "class_names": DATASETS["digits"].classes,
        "like": "digits",
    }
    return Dataset(**(given | changes))


def figures(report: Report) -> object:
    """All measured figures."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: bare(part) for name, part in value.items() if name not in APART}
        return [bare(part) for part in value] if isinstance(value, list) else value

    assert report.student is not None
    assert report.student.figures is not None
    return bare(
        [
            report.student.figures.model_dump(mode="json"),
            [teacher.model_dump(mode="json", exclude={"making"}) for teacher in report.teachers],
        ]
    )


@pytest.mark.slow
def test_a_job_on_own_images_has_the_figures_of_the_same_images_in_the_catalog(tmp_path: Path) -> None:
    catalog = cartl_core.run(REQUEST, out=tmp_path / "catalog")
    own = {**REQUEST, "dataset": {**REQUEST["dataset"], "name": "mine"}}
    data = digits(tmp_path)
    report = cartl_core.run(own, out=tmp_path / "own", datasets={"mine": data})
    assert figures(report) == figures(catalog)
    students = [(tmp_path / name / "student.safetensors").read_bytes() for name in ("catalog", "own")]
    assert students[0] == students[1]
    assert str(report.spec.dataset.name) == "mine"
    assert "mine" in cartl_core.render_html(report)
    assert "mine" in cartl_core.render_markdown(report)

    events: list[object] = []
    cartl_core.run(own, out=tmp_path / "own", datasets={"mine": data}, report=events.append)
    finished = [event for event in events if isinstance(event, StageFinished)]
    assert finished
    assert all(event.reused for event in finished)


def test_one_pixel_gives_another_fingerprint(tmp_path: Path) -> None:
    """Stages are found by it, so nothing that was computed on other images is reused."""
    data, model = digits(tmp_path), ModelSpec(name="tiny", image_size=8, channels=1)
    images = np.array(data.train_images)
    images[:, 0, 0, 0] = 0.5
    found = []
    for given in (data, digits(tmp_path), digits(tmp_path, train_images=images)):
        brought = Brought(checked_datasets({"mine": given}))
        asked = resolve(
            JobRequest(dataset=DataRequest(name="mine"), freeze_depth=2), lookup=brought.lookup
        ).dataset
        found.append(load(asked, model, data_root=tmp_path, seed=0, own=brought.images).fingerprint)
    assert found[0] == found[1] != found[2]


def test_a_network_of_ones_own_is_measured_on_data_of_ones_own(tmp_path: Path) -> None:
    model = ModelSpec(name="tiny", image_size=8, channels=1)
    network = build_network(model, 10, (0.5,), (0.5,), generator(0, "head"))
    request = {
        "kind": "evaluate",
        "dataset": "mine",
        "network": "net",
        "preset": "smoke",
        "device": "cpu",
        "evaluate": {"preset": "quick", "test_limit": 20},
    }
    objects: dict[str, Any] = {"datasets": {"mine": digits(tmp_path)}, "networks": {"net": network}}
    report = cartl_core.run(request, out=tmp_path / "own", **objects)
    file = tmp_path / "network.safetensors"
    cartl_core.save_network(file, network)
    catalog = cartl_core.run(
        {**request, "dataset": "digits", "network": {}}, out=tmp_path / "catalog", network=file
    )
    assert report.student is not None
    assert catalog.student is not None
    one, other = report.student.figures, catalog.student.figures
    assert one is not None
    assert other is not None
    assert one.clean == other.clean
    assert one.worst_case == other.worst_case
    by_file = cartl_core.run(
        request, out=tmp_path / "own", datasets=objects["datasets"], networks={"net": str(file)}
    )
    assert by_file.spec == report.spec


WRONG_DATA: list[tuple[dict[str, Any], str]] = [
    ({"train_images": np.zeros((4, 8, 8))}, r"datasets.mine.train_images: has shape \(4, 8, 8\)"),
    ({"train_images": np.zeros((4, 2, 8, 8))}, "with C 1 or 3"),
    ({"train_images": np.zeros((4, 1, 8, 9))}, "H equal to W"),
    ({"train_images": np.zeros((4, 1, 4, 4))}, "8 to 384 pixels a side"),
    ({"train_images": np.zeros((0, 1, 8, 8))}, "8 to 384 pixels a side"),
    ({"train_images": np.full((1437, 1, 8, 8), 255.0)}, "values from 255 to 255"),
    ({"train_images": np.full((1437, 1, 8, 8), np.nan)}, r"finite values in \[0, 1\]"),
    ({"test_images": np.full((360, 1, 8, 8), 16, dtype=np.int64)}, "has dtype int64"),
    ({"test_images": torch.zeros(360, 1, 8, 8, dtype=torch.bfloat16)}, "has dtype torch.bfloat16"),
    ({"test_images": np.zeros((360, 1, 9, 9))}, "are 1 x 9 x 9 of float32, the training images 1 x 8 x 8"),
    ({"test_images": np.zeros((360, 1, 8, 8), dtype=np.uint8)}, "the same shape and kind"),
    ({"test_images": [[0.0]]}, "is a list"),
    ({"train_labels": np.zeros(3, dtype=np.int64)}, r"train_labels: has shape \(3,\)"),
    ({"train_labels": np.full(1437, 10)}, "labels from 10 to 10; allowed: 0 to 9"),
    ({"train_labels": np.full(1437, -1)}, "labels from -1 to -1"),
    ({"train_labels": np.zeros(1437)}, "has dtype float64; allowed: integers"),
    ({"class_names": ["a", "a"]}, "distinct names"),
    ({"class_names": "0123456789"}, "distinct names"),
    ({"class_names": ["only one"]}, "2 to 1000"),
    ({"like": "imagenet"}, "datasets.mine.like: 'imagenet' is none"),
    ({"like": "cifar10"}, "cifar10 has other channels"),
    ({"train_images": np.full((1437, 1, 8, 8), 0.3), "like": None}, "a channel is the same everywhere"),
]


@pytest.mark.parametrize(("changes", "says"), WRONG_DATA)
def test_data_that_cannot_be_used_is_refused_before_anything_starts(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    request = {**REQUEST, "dataset": {**REQUEST["dataset"], "name": "mine"}}
    with pytest.raises(SpecError, match=says):
        cartl_core.run(request, out=tmp_path / "out", datasets={"mine": digits(tmp_path, **changes)})
    assert not (tmp_path / "out").exists()


def test_names_are_free_and_used(tmp_path: Path) -> None:
    out, data = tmp_path / "out", digits(tmp_path)
    network = build_network(
        ModelSpec(name="tiny", image_size=8, channels=1), 10, (0.5,), (0.5,), generator(0, "head")
    )
    with pytest.raises(SpecError, match=r"datasets.digits: the catalog has one of this name"):
        cartl_core.run(REQUEST, out=out, datasets={"digits": data})
    with pytest.raises(SpecError, match=r"networks.resnet18: the catalog has one of this name"):
        cartl_core.run(REQUEST, out=out, networks={"resnet18": network})
    with pytest.raises(SpecError, match=r"datasets: '../up' is no name"):
        cartl_core.run(REQUEST, out=out, datasets={"../up": data})
    with pytest.raises(SpecError, match=r"datasets.mine: the request names it nowhere"):
        cartl_core.run(REQUEST, out=out, datasets={"mine": data})
    with pytest.raises(SpecError, match=r"networks.net: the request names it nowhere"):
        cartl_core.run(REQUEST, out=out, networks={"net": network})
    with pytest.raises(SpecError, match=r"datasets.mine: is a dict; allowed: a cartl_core.Dataset"):
        cartl_core.run(REQUEST, out=out, datasets={"mine": {}})  # type: ignore[dict-item]
    with pytest.raises(SpecError, match=r"request: is a JobRequest; allowed: a mapping"):
        cartl_core.run(cartl_core.JobRequest.model_validate(REQUEST), out=out, networks={"net": network})
    with pytest.raises(SpecError, match=r"datasets.mine: the request names it nowhere"):
        cartl_core.run(cartl_core.JobRequest.model_validate(REQUEST), out=out, datasets={"mine": data})
    with pytest.raises(SpecError, match=r"teachers.robust: the request names it nowhere"):
        cartl_core.run(REQUEST, out=out, teachers={"robust": "no-such-file"})
    evaluation = {"kind": "evaluate", "dataset": "digits", "network": "net"}
    with pytest.raises(SpecError, match=r"networks.net: is a Linear; .*evaluate_robustness measures any"):
        cartl_core.run(evaluation, out=out, networks={"net": torch.nn.Linear(2, 2)})  # type: ignore[dict-item]
    with pytest.raises(SpecError, match=r"dataset.train_limit: "):
        wrong = {**REQUEST, "dataset": {"name": "mine", "train_limit": 1}}
        cartl_core.run(wrong, out=out, datasets={"mine": data})
    with pytest.raises(SpecError, match=r"dataset.classes: mine has no class 10"):
        wrong = {**REQUEST, "dataset": {"name": "mine", "classes": [1, 10]}}
        cartl_core.run(wrong, out=out, datasets={"mine": data})
    assert not out.exists()


def test_bytes_and_their_255ths_are_the_same_images() -> None:
    from cartl_core.data.own_dataset import check_dataset

    pixels = torch.randint(0, 256, (20, 3, 8, 8), dtype=torch.uint8, generator=generator(0, "noise"))
    labels = torch.arange(20) % 2
    given = [
        Dataset(images[:12], labels[:12], images[12:], labels[12:], ("a", "b"))
        for images in (pixels, pixels.float() / 255, (pixels.double() / 255).numpy())
    ]
    one, *others = (check_dataset("mine", dataset).archive for dataset in given)
    assert all(other.train.digests == one.train.digests and other.highest == 255 for other in others)
    noisy = check_dataset(
        "mine", Dataset(pixels[:12] / 300, labels[:12], pixels[12:] / 300, labels[12:], ("a", "b"))
    )
    assert noisy.archive.highest == 1
