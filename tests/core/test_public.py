"""The public library: which names it has, and that only those which need torch import it."""

from __future__ import annotations

import ast
import doctest
import importlib
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

import cartl_core
from cartl_core.events import StageFinished
from cartl_core.nn.build import build_network
from cartl_core.nn.rng import generator
from cartl_core.planning.resolve import resolve
from cartl_core.spec import ModelSpec
from tests.fixtures.documents import ROOT, blocks_of

TUTORIAL = "docs/tutorials/library.md"

NAMES = {
    "AttackSpec",
    "CartlError",
    "Dataset",
    "JobRequest",
    "JobSpec",
    "Report",
    "SpecError",
    "TransferResult",
    "evaluate_robustness",
    "load_dataset",
    "load_network",
    "render_html",
    "render_markdown",
    "resolve",
    "run",
    "save_network",
    "transfer",
}
NEED_TORCH = {
    "Dataset",
    "TransferResult",
    "evaluate_robustness",
    "load_dataset",
    "load_network",
    "save_network",
    "transfer",
}
HEAVY = ("torch", "torchvision", "safetensors", "matplotlib")
DOCUMENTED = (
    "cartl_core",
    "cartl_core.attacks.functions",
    "cartl_core.data.load_dataset",
    "cartl_core.data.own_dataset",
    "cartl_core.nn.files",
    "cartl_core.run.library.evaluate_robustness",
    "cartl_core.run.library.transfer_network",
)


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_public_names_are_these() -> None:
    assert set(cartl_core.__all__) == NAMES
    assert len(cartl_core.__all__) == len(NAMES)
    assert set(dir(cartl_core)) >= NAMES
    for name in NAMES:
        assert callable(getattr(cartl_core, name)), name


def test_no_other_name_is_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        cartl_core.nonsense  # noqa: B018


def test_names_that_need_no_torch_import_none() -> None:
    light = sorted(NAMES - NEED_TORCH)
    python(
        f"import sys\nfor name in {HEAVY}: sys.modules[name] = None\n"
        f"import cartl_core\nfor name in {light}: getattr(cartl_core, name)"
    )
    said = python("import sys, cartl_core\nprint(len(dir(cartl_core)) > 0, 'torch' in sys.modules)")
    assert said == "True False"


@pytest.mark.parametrize("module", DOCUMENTED)
def test_the_examples_run(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(importlib.import_module(module))
    assert found.attempted > 0
    assert found.failed == 0


def test_every_public_name_has_an_example_that_runs() -> None:
    """In a docstring, or in the tutorial, whose blocks tests/documents run."""
    texts = [
        example.source
        for module in DOCUMENTED
        for found in doctest.DocTestFinder().find(importlib.import_module(module))
        for example in found.examples
    ]
    texts += [block.text for block in blocks_of(ROOT / TUTORIAL) if block.language == "python"]
    imported = {
        name.name
        for text in texts
        for node in ast.walk(ast.parse(textwrap.dedent(text)))
        if isinstance(node, ast.ImportFrom) and node.module == "cartl_core"
        for name in node.names
    }
    assert imported >= NAMES


def test_run_is_the_same_before_and_after_its_package_is_imported() -> None:
    said = python(
        "from cartl_core import run\nassert callable(run)\nimport cartl_core.run.pipeline, cartl_core\n"
        "assert cartl_core.run is run\nprint(cartl_core.run.pipeline.__name__)"
    )
    assert said == "cartl_core.run.pipeline"


def test_a_wrong_request_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(cartl_core.SpecError, match="freeze_depth"):
        cartl_core.run({"dataset": "digits", "freeze_depth": -1}, out=tmp_path / "out")
    with pytest.raises(cartl_core.SpecError, match="request: is a int"):
        cartl_core.run(3, out=tmp_path / "out")  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_a_network_is_saved_and_loaded_by_a_path_as_text(tmp_path: Path) -> None:
    spec = resolve(
        cartl_core.JobRequest.model_validate({"dataset": "digits", "freeze_depth": 1, "preset": "smoke"})
    )
    network = build_network(spec.model, 10, (0.5,), (0.5,), generator(0, "head"))
    file = str(tmp_path / "network.safetensors")
    cartl_core.save_network(file, network)
    again = cartl_core.load_network(file)
    x = torch.rand(2, spec.model.channels, spec.model.image_size, spec.model.image_size)
    assert torch.equal(again(x), network.eval()(x))


def test_a_data_set_comes_as_tensors_in_the_unit_range() -> None:
    digits = cartl_core.load_dataset("digits", classes=[3, 5], channels=3, image_size=16)
    assert digits.test.images.shape[1:] == (3, 16, 16)
    images = digits.test.images.tensor()
    assert 0 <= float(images.min()) < float(images.max()) <= 1
    assert digits.class_names == ("3", "5")
    with pytest.raises(cartl_core.SpecError, match="name: 'imagenet' is no known data set; allowed: digits"):
        cartl_core.load_dataset("imagenet")
    with pytest.raises(cartl_core.SpecError, match=r"classes: .*allowed: distinct labels from 0 to 9"):
        cartl_core.load_dataset("digits", classes=[3, 10])
    with pytest.raises(cartl_core.SpecError, match="image_size: "):
        cartl_core.load_dataset("digits", image_size=4)


def test_a_job_runs_from_a_mapping_and_its_report_renders(tmp_path: Path) -> None:
    model = ModelSpec(name="tiny", image_size=8, channels=1)
    file = tmp_path / "network.safetensors"
    cartl_core.save_network(file, build_network(model, 3, (0.5,), (0.5,), generator(0, "head")))
    request = {
        "kind": "evaluate",
        "dataset": {"name": "digits", "classes": [0, 1, 2]},
        "network": {},
        "preset": "smoke",
        "device": "cpu",
        "evaluate": {"preset": "quick", "test_limit": 20},
    }
    report = cartl_core.run(request, out=str(tmp_path / "out"), network=file)
    assert isinstance(report, cartl_core.Report)
    assert report.complete
    assert cartl_core.render_markdown(report) == (tmp_path / "out/report.md").read_text()
    assert cartl_core.render_html(report).lower().startswith("<!doctype html>")
    events: list[object] = []
    cartl_core.run(report.spec, out=tmp_path / "out", network=file, report=events.append)
    finished = [event for event in events if isinstance(event, StageFinished)]
    assert finished
    assert all(event.reused for event in finished)


def test_an_evaluation_without_its_file_is_refused(tmp_path: Path) -> None:
    request = {"kind": "evaluate", "dataset": "digits", "network": {}}
    with pytest.raises(cartl_core.SpecError, match="network: an evaluation needs a file"):
        cartl_core.run(request, out=tmp_path / "out")
