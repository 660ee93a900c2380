"""A run on class folders tells what lies beside the images, and how many images there really are."""

from __future__ import annotations

from pathlib import Path

import cartl_core
from cartl_core.analysis.warnings import transfer_warnings
from cartl_core.catalog import DATASETS
from cartl_core.nn.build import build_network
from cartl_core.nn.rng import generator
from cartl_core.report.notices import FilesSkipped, PartialData, SkippedFiles
from cartl_core.spec import JobRequest, JobSpec, ModelSpec
from tests.core.data.test_sources import write_classes


def test_the_report_names_what_was_passed_over(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for split, each in (("train", 2), ("test", 1)):
        write_classes(root / "cifar10" / split, DATASETS["cifar10"].classes, each)
    (root / "cifar10/test/frog/._0000.png").write_bytes(b"\0")
    (root / "cifar10/train/frog/Thumbs.db").write_bytes(b"\0")
    model = ModelSpec(name="tiny", image_size=32, stem_stride=4, channels=3)
    network = build_network(model, 10, (0.5,) * 3, (0.5,) * 3, generator(0, "head"))
    request = {
        "kind": "evaluate",
        "dataset": {"name": "cifar10", "validation_fraction": 0.5},
        "network": "net",
        "preset": "smoke",
        "device": "cpu",
        "evaluate": {"preset": "quick"},
    }
    report = cartl_core.run(
        request, out=tmp_path / "out", data_root=root, networks={"net": network}, download=False
    )
    skipped = (SkippedFiles(reason="hidden", count=1), SkippedFiles(reason="system_file", count=1))
    assert FilesSkipped(role="target", data="cifar10", taken=30, skipped=skipped) in report.warnings
    assert "1 hidden, 1 made by a file system" in cartl_core.render_markdown(report)


def spec_of(limit: int) -> JobSpec:
    request = {
        "dataset": {"name": "cifar10", "train_limit": limit},
        "freeze_depth": 2,
        "preset": "smoke",
        "exports": [],
    }
    return cartl_core.resolve(JobRequest.model_validate(request))


def test_a_limit_is_told_of_the_images_that_there_are() -> None:
    """300 files are 300 images, whatever the catalog says of the published set."""
    told = transfer_warnings(spec_of(100), [], available={"source": None, "target": 300})
    assert PartialData(role="target", used=100, available=300, approximate=False) in told
    told = transfer_warnings(spec_of(400), [], available={"source": None, "target": 300})
    assert not [found for found in told if isinstance(found, PartialData) and found.role == "target"]
    told = transfer_warnings(spec_of(400), [])
    assert PartialData(role="target", used=400, available=50_000, approximate=False) in told
