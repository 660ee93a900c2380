"""Evaluations: a network that a run has exported, measured alone, has that run's figures, bit for bit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch

from cartl_core.__main__ import main
from cartl_core.catalog.network_file import inspect
from cartl_core.errors import NetworkInvalid, SpecError
from cartl_core.events import Event, StageFinished
from cartl_core.planning.networks.existing_network import resolve_existing_network
from cartl_core.render import html, markdown
from cartl_core.report import Report
from cartl_core.run.pipeline import run
from cartl_core.spec import JobSpec
from cartl_core.spec.existing_network import EvaluateJobRequest, EvaluateJobSpec
from cartl_core.storage.stage_cache import LocalStageCache
from cartl_core.storage.stop_flag import StopFlag
from tests.factories import HALF, make_runtime, make_spec

DATASET = {"name": "digits", "classes": [5, 6, 7, 8, 9]}
MEASURED = {"test_limit": 60, "batch_size": 32}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("given")


@pytest.fixture(scope="module")
def go(folder: Path) -> Callable[..., Report]:
    def start(
        spec: JobSpec | EvaluateJobSpec, out: str, told: list[Event] | None = None, **more: Any
    ) -> Report:
        report = (told if told is not None else []).append
        cache = LocalStageCache(folder / "stages", report, StopFlag())
        return run(
            spec,
            cache=cache,
            data_root=folder / "data",
            out=folder / out,
            report=report,
            runtime=make_runtime(),
            **more,
        )

    return start


@pytest.fixture(scope="module")
def original(go: Callable[..., Report]) -> Report:
    return go(make_spec(HALF | {"exports": []}, baselines=[], evaluate=MEASURED), "original")


@pytest.fixture(scope="module")
def network(folder: Path, original: Report) -> Path:
    return folder / "original" / "student.safetensors"


def request(**changes: Any) -> EvaluateJobRequest:
    written = {"kind": "evaluate", "dataset": DATASET, "network": {}, "preset": "smoke", "evaluate": MEASURED}
    return EvaluateJobRequest.model_validate(written | changes)


def test_the_figures_are_those_of_the_run_that_made_it(
    go: Callable[..., Report], original: Report, network: Path
) -> None:
    told: list[Event] = []
    spec = resolve_existing_network(request(), inspect(network))
    alone = go(spec, "alone", told, network=network)
    assert alone.complete and alone.teachers == () and alone.baselines == ()
    assert original.student is not None and original.student.figures is not None
    assert alone.student is not None and alone.student.figures is not None
    assert alone.student.student_digest == hashlib.sha256(network.read_bytes()).hexdigest()
    mine, theirs = (
        report.student.figures.model_dump(exclude={"data_fingerprint"})  # type: ignore[union-attr]
        for report in (alone, original)
    )
    for figures in (mine, theirs):
        for attack in figures["attacks"]:
            del attack["seconds"], attack["images_per_second"]
    assert mine == theirs
    stages = {event.stage for event in told if isinstance(event, StageFinished)}
    assert stages == {"evaluate"}


def test_its_outcomes_are_those_of_the_run_image_by_image(
    go: Callable[..., Report], folder: Path, network: Path
) -> None:
    go(resolve_existing_network(request(), inspect(network)), "alone", network=network)
    first, second = (
        safetensors.torch.load_file(folder / out / "outcomes-student.safetensors")
        for out in ("original", "alone")
    )
    assert first.keys() == second.keys()
    assert all(first[name].equal(second[name]) for name in first)
    assert not (folder / "alone" / "student.safetensors").exists()


def test_its_faces_say_that_nothing_is_known_of_its_making(go: Callable[..., Report], network: Path) -> None:
    report = go(resolve_existing_network(request(), inspect(network)), "alone", network=network)
    assert Report.model_validate_json(report.model_dump_json()) == report
    page, text = html.render(report, {}), markdown.render(report)
    for face in (page, text):
        assert "iven network on" in face and "not trained here" in face
        assert "the teachers" not in face.lower()
        assert not [leak for leak in ("None of None", "`None", ">None<", ": None,") if leak in face]
    assert report.student is not None and report.student.student_digest is not None
    assert report.student.student_digest[:12] in text


def test_another_file_is_refused(go: Callable[..., Report], network: Path, tmp_path: Path) -> None:
    spec = resolve_existing_network(request(seed=3), inspect(network))
    changed = tmp_path / "changed.safetensors"
    content = bytearray(network.read_bytes())
    content[-1] ^= 1
    changed.write_bytes(content)
    for given in (changed, tmp_path / "gone.safetensors", None):
        with pytest.raises(NetworkInvalid):
            go(spec, "refused", network=given)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"dataset": "digits"}, "dataset.classes"),
        ({"dataset": {"name": "cifar10", "classes": [0, 1, 2, 3, 4]}}, "dataset"),
        ({"network": {"sha256": "0" * 64}}, "network.sha256"),
        ({"model": {"name": "resnet18", "image_size": 8, "channels": 1}}, "model"),
        ({"evaluate": {"source_test_limit": 50}}, "evaluate.source_test_limit"),
    ],
)
def test_what_does_not_fit_the_file_names_its_field(
    network: Path, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(SpecError) as refused:
        resolve_existing_network(request(**changes), inspect(network))
    assert refused.value.field == field


def test_a_resolved_evaluation_resolves_to_itself(network: Path) -> None:
    found = inspect(network)
    spec = resolve_existing_network(request(name="again"), found)
    again = EvaluateJobRequest.model_validate_json(spec.model_dump_json())
    assert resolve_existing_network(again, found) == spec


def test_the_command_measures_a_file(network: Path, tmp_path: Path, folder: Path) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(request().model_dump_json(exclude_unset=True))
    common = [
        "run",
        str(spec),
        "--out",
        str(tmp_path / "out"),
        "--data-root",
        str(folder / "data"),
        "--threads",
        "1",
    ]
    assert main([*common, "--progress", "none"]) == 2
    assert main([*common, "--progress", "none", "--network", str(network)]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["complete"] and report["spec"]["kind"] == "evaluate"
