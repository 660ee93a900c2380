"""Packs of images as data sets of a job: the figures of the same images in the catalog, and refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import cartl_core
from cartl_core.__main__ import main
from cartl_core.data.packed import FOUND
from cartl_core.data.splits import Archive, Originals
from cartl_core.errors import DatasetInvalid, DatasetMissing, SpecError
from cartl_core.report.notices import DefaultRadius, SourceStandsIn
from cartl_core.spec import JobSpec
from tests.core.run.library.test_own_objects import figures
from tests.fixtures.brought import digits_pack, network_file

CLASSES = [5, 6, 7, 8, 9]
REQUEST: dict[str, Any] = {
    "dataset": "mine",
    "source": {"name": "digits", "classes": [0, 1, 2, 3, 4]},
    "model": {"name": "tiny", "image_size": 8, "channels": 1},
    "freeze_depth": 2,
    "preset": "smoke",
    "exports": [],
    "method": "consistent",
    "transfer": {"displacement": {"weight": 1.0}},
    "baselines": [],
    "device": "cpu",
    "evaluate": {"preset": "quick", "test_limit": 20, "source_test_limit": 20},
}


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of tiny networks lose by a second thread, most of all beside other programs."""
    monkeypatch.setattr("cartl_core.run.runtime._usable_threads", lambda: 1)


@pytest.mark.slow
def test_a_pack_of_images_of_the_catalog_has_their_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the draws of the catalog's name, which a pack does not have, and the same bytes as pixels."""
    digits_pack(tmp_path / "pack", tmp_path, range(10))
    monkeypatch.setattr("cartl_core.data.loading.draws_of", lambda data: "digits")
    monkeypatch.setattr("cartl_core.data.loading.read", lambda name, root, download: in_bytes(name, root))
    asked = {**REQUEST, "dataset": {"name": "mine", "classes": CLASSES}}
    own = cartl_core.run(asked, out=tmp_path / "own", datasets={"mine": tmp_path / "pack"})
    asked = {**REQUEST, "dataset": {"name": "digits", "classes": CLASSES}}
    catalog = cartl_core.run(asked, out=tmp_path / "catalog")
    students = [(tmp_path / name / "student.safetensors").read_bytes() for name in ("own", "catalog")]
    assert students[0] == students[1]
    assert figures(own) == figures(catalog)
    spec = own.spec
    assert isinstance(spec, JobSpec)
    assert spec.dataset.id is None
    assert spec.dataset.facts is not None
    assert DefaultRadius(target="mine", eps=0.15) in own.warnings
    assert not any(isinstance(notice, SourceStandsIn) for notice in own.warnings)
    assert cartl_core.run(spec, out=tmp_path / "own", datasets={"mine": tmp_path / "pack"}).spec == spec


READ = cartl_core.data.loading.read


def in_bytes(name: str, root: Path) -> Archive:
    """The catalog's digits, of bytes in the place of 0 to 16, as the pack has them."""
    archive = READ(name, root)

    def split(found: Originals) -> Originals:
        pixels = (found.images.astype("float64") * 255 / archive.highest).round().astype("uint8")
        return Originals(pixels, found.labels, found.digests)

    return Archive(split(archive.train), split(archive.test))


def test_another_pack_than_the_one_that_was_named_is_refused(tmp_path: Path) -> None:
    found = digits_pack(tmp_path / "pack", tmp_path, CLASSES)
    other = digits_pack(tmp_path / "other", tmp_path, CLASSES, invert=True)
    assert found.fingerprint != other.fingerprint
    asked = {**REQUEST, "dataset": {"name": "mine", "fingerprint": found.fingerprint}}
    with pytest.raises(SpecError, match=other.fingerprint):
        cartl_core.run(asked, out=tmp_path / "out", datasets={"mine": tmp_path / "other"})
    with pytest.raises(DatasetInvalid, match="cannot be read"):
        cartl_core.run(asked, out=tmp_path / "out", datasets={"mine": tmp_path / "nowhere"})
    (tmp_path / "pack" / FOUND).write_text("{}")
    with pytest.raises(DatasetInvalid, match="cannot be read"):
        cartl_core.run(REQUEST, out=tmp_path / "out", datasets={"mine": tmp_path / "pack"})


def test_a_source_that_stands_in_and_is_missing_names_both_ways(tmp_path: Path) -> None:
    digits_pack(tmp_path / "pack", tmp_path, CLASSES)
    asked = {name: value for name, value in REQUEST.items() if name != "source"}
    with pytest.raises(DatasetMissing) as caught:
        cartl_core.run(
            asked,
            out=tmp_path / "out",
            data_root=tmp_path / "empty",
            datasets={"mine": tmp_path / "pack"},
            download=False,
        )
    said = str(caught.value)
    assert "fashion_mnist stands in as the source" in said
    assert "robust teacher that somebody has published" in said
    assert "or fetch its files: fashion_mnist is not under the data root" in said
    assert said.endswith("--data-root DIR")  # a command to copy: nothing stands behind it


def test_the_command_takes_packs_and_teachers(tmp_path: Path) -> None:
    found = digits_pack(tmp_path / "pack", tmp_path, CLASSES)
    file = network_file(tmp_path / "robust.safetensors")
    request = {
        **{name: value for name, value in REQUEST.items() if name not in ("source", "model", "evaluate")},
        "dataset": {"id": "d-1"},
        "teacher": "t-1",
        "evaluate": {"preset": "quick", "test_limit": 20},
    }
    (tmp_path / "spec.json").write_text(json.dumps(request))
    given = ["--dataset", f"d-1={tmp_path / 'pack'}", "--teacher", str(file)]
    command = ["run", str(tmp_path / "spec.json"), "--out", str(tmp_path / "out"), "--progress", "none"]
    assert main([*command, "--threads", "1", *given]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    spec = report["spec"]
    assert (spec["dataset"]["id"], spec["dataset"]["fingerprint"]) == ("d-1", found.fingerprint)
    assert spec["teacher"]["id"] == "t-1"
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    assert main([*command, "--threads", "1", *given]) == 0
    assert json.loads((tmp_path / "out" / "report.json").read_text())["spec"] == spec
    other = digits_pack(tmp_path / "other", tmp_path, CLASSES, invert=True)
    assert other.fingerprint != found.fingerprint
    assert main([*command, "--dataset", f"d-1={tmp_path / 'other'}", "--teacher", str(file)]) == 2
    assert main([*command, *given[:2]]) == 2
