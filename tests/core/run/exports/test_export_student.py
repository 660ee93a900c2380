"""A whole small run with every export: files, events, report, card; and runs whose exports fail."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import onnxruntime
import pytest
import torch
import yaml

import cartl_core
from cartl_core import load_network
from cartl_core.events import ArtifactWritten, Event, ExportWithheld, Progress
from cartl_core.planning.networks.given_teacher import given_teacher
from cartl_core.render.cards import model_card
from cartl_core.report import Report
from cartl_core.run.exports import child, export_student
from cartl_core.run.exports.formats import WRITERS
from cartl_core.run.exports.measure import Forward, Reference
from cartl_core.run.exports.order import Made, Order, Refused, Task
from cartl_core.spec import JobSpec, TeacherRequest
from cartl_core.spec.resources.dataset import DataFacts
from tests.fixtures.brought import found_dataset, known_teacher

pytestmark = pytest.mark.slow

REQUEST: dict[str, Any] = {
    "dataset": {"name": "digits", "classes": [5, 6, 7, 8, 9]},
    "freeze_depth": 2,
    "preset": "smoke",
    "model": "tiny",
    "method": "neft",
    "baselines": [],
    "name": "digits | <b>small</b>",
    "evaluate": {
        "test_limit": 60,
        "source_attacks": [],
        "curve": None,
        "corruptions": None,
        "checks": None,
        "gallery": None,
    },
}
MEASURED = ["safetensors", "pt2", "onnx"]


@dataclass
class Done:
    report: Report
    out: Path
    events: list[Event]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    out, events = tmp_path_factory.mktemp("out"), list[Event]()
    report = cartl_core.run(REQUEST, out=out, report=events.append)
    return Done(report, out, events)


def test_every_export_is_written_and_measured(done: Done) -> None:
    assert [(export.format, export.withheld) for export in done.report.exports] == [
        *((kind, None) for kind in MEASURED),
        ("robustbench", None),
        ("card", None),
    ]
    files = {event.name: event.media_type for event in done.events if isinstance(event, ArtifactWritten)}
    for export in done.report.exports:
        assert (done.out / export.name).is_file()
        assert export.name in files
    assert files["model-card.md"].startswith("text/markdown")
    assert files["robustbench.json"] == files["classes.json"] == "application/json"
    assert files["student.onnx"] == files["student.pt2"] == "application/octet-stream"
    assert json.loads((done.out / "classes.json").read_text()) == ["5", "6", "7", "8", "9"]
    assert not [path for path in done.out.iterdir() if path.name.startswith(".")]
    labels = [event.label for event in done.events if isinstance(event, Progress)]
    assert {"export student.safetensors", "export student.pt2", "export student.onnx"} <= set(labels)


def test_figures_of_the_exports_are_those_of_the_network(done: Done) -> None:
    measured = [export.measured for export in done.report.exports if export.format in MEASURED]
    assert all(found is not None and found.n == 60 for found in measured)
    assert len({found.robust_accuracy for found in measured if found}) == 1
    assert Report.model_validate_json((done.out / "report.json").read_text()) == done.report


def test_a_graph_computes_what_the_network_computes(done: Done) -> None:
    images = torch.rand(3, 1, 8, 8)
    wanted = load_network(done.out / "student.safetensors")(images)
    session = onnxruntime.InferenceSession(done.out / "student.onnx", providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"images": images.numpy()})
    assert numpy.allclose(logits, wanted.detach().numpy(), atol=1e-5)


def test_the_tables_of_the_report_link_to_the_files(done: Done) -> None:
    markdown = (done.out / "report.md").read_text()
    page = (done.out / "report.html").read_text()
    for name in ("student.pt2", "student.onnx", "model-card.md"):
        assert f"[{name}]({name})" in markdown
        assert f"artifacts/{name}" in page


def test_the_card_s_front_matter_and_figures(done: Done) -> None:
    card = (done.out / "model-card.md").read_text()
    _, front, body = card.split("---\n", 2)
    head = yaml.safe_load(front)
    assert {"license", "tags", "datasets", "metrics", "model-index"} <= set(head)
    (entry,) = head["model-index"]
    assert entry["name"] == REQUEST["name"]
    figures = done.report.student.figures if done.report.student else None
    assert figures is not None and figures.worst_case is not None
    (result,) = entry["results"]
    values = {metric["name"]: metric["value"] for metric in result["metrics"]}
    assert values["accuracy without an attack"] == figures.clean.value
    assert values["robust accuracy, worst case of all"] == figures.worst_case.value
    assert f"({100 * figures.clean.low:.1f} to {100 * figures.clean.high:.1f})" in body
    assert "<b>" not in body


def test_the_card_has_the_licences_of_images_and_teacher(done: Done) -> None:
    spec = done.report.spec
    assert isinstance(spec, JobSpec)
    card = (done.out / "model-card.md").read_text()
    assert yaml.safe_load(card.split("---\n", 2)[1])["license_name"] == "undeclared"
    assert "not declared; ask its publisher" in card
    facts = DataFacts.of(found_dataset(channels=1), licence="CC-BY-4.0")
    taught = given_teacher(TeacherRequest(id="robust"), known_teacher(licence="MIT: <b>"), spec.dataset)
    told = spec.model_copy(
        update={
            "dataset": spec.dataset.model_copy(update={"name": "birds", "facts": facts, "classes": None}),
            "source": None,
            "teacher": taught.spec,
        }
    )
    card = model_card.render(done.report.model_copy(update={"spec": told}))
    front = yaml.safe_load(card.split("---\n", 2)[1])
    assert (front["license"], front["license_name"]) == ("other", "CC-BY-4.0 (data set), MIT: <b> (teacher)")
    assert "- data set birds: CC-BY-4.0, as its owner says." in card
    assert "- teacher robust: MIT: &lt;b>, as its owner says." in card


def test_the_card_s_snippets_run(done: Done) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (done.out / "model-card.md").read_text(), re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        names: dict[str, Any] = {}
        with contextlib.chdir(done.out):
            exec(block, names)  # noqa: S102  what the card tells people to run
        assert names["logits"].shape[1] == 5


def test_the_entry_for_robustbench(done: Done) -> None:
    info = json.loads((done.out / "robustbench.json").read_text())
    assert list(info) == [
        *("link", "name", "authors", "additional_data", "number_forward_passes", "dataset", "venue"),
        *("architecture", "eps", "clean_acc", "reported", "autoattack_acc", "footnote", "unreliable"),
    ]
    figures = done.report.student.figures if done.report.student else None
    assert figures is not None and figures.worst_case is not None
    assert info["clean_acc"] == f"{100 * figures.clean.value:.2f}"
    assert info["reported"] == f"{100 * figures.worst_case.value:.2f}"
    assert (info["autoattack_acc"], info["unreliable"], info["number_forward_passes"]) == (None, False, 1)


def test_a_job_succeeds_whose_exports_cannot_be_made(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **settings: object) -> Any:
        raise MemoryError("no room")

    monkeypatch.setattr(export_student, "export_images", broken)
    events: list[Event] = []
    report = cartl_core.run(REQUEST, out=done.out, report=events.append)
    withheld = [event for event in events if isinstance(event, ExportWithheld)]
    assert [(event.format, event.reason) for event in withheld] == [(kind, "failed") for kind in MEASURED]
    assert all("no room" in event.message for event in withheld)
    assert [export.withheld for export in report.exports] == ["failed"] * 3 + [None] * 2
    assert report.complete
    assert "withheld" in (done.out / "report.md").read_text()
    assert "was withheld (failed)" in (done.out / "model-card.md").read_text()


def test_what_is_not_asked_for_is_not_made(done: Done) -> None:
    events: list[Event] = []
    report = cartl_core.run({**REQUEST, "exports": []}, out=done.out, report=events.append)
    assert report.exports == ()
    names = [event.name for event in events if isinstance(event, ArtifactWritten)]
    assert "student.safetensors" in names
    assert not {"student.onnx", "student.pt2", "classes.json", "model-card.md"} & set(names)


@pytest.fixture
def order(tmp_path: Path) -> Iterator[Order]:
    task = Task(format="pt2", path=str(tmp_path / "student.pt2"))
    yield Order(network="", images="", classes=(), tasks=(task,), threads=1)


def test_one_format_that_fails_is_refused_with_its_error(
    done: Done, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> Forward:
        raise ValueError("this operator is unknown\nand more")

    network = load_network(done.out / "student.safetensors")
    images = torch.rand(2, 1, 8, 8)
    reference = Reference.of(network, images, None, torch.zeros(2, dtype=torch.int64))
    monkeypatch.setitem(WRITERS, "pt2", broken)
    answer = child._export(order.tasks[0], network, reference, order)
    assert isinstance(answer, Refused)
    assert (answer.reason, answer.message) == ("failed", "ValueError: this operator is unknown")
    monkeypatch.setitem(WRITERS, "pt2", lambda *arguments: lambda batch: network(batch) + 1)
    wrong = child._export(order.tasks[0], network, reference, order)
    assert isinstance(wrong, Refused) and wrong.reason == "logits_differ"
    monkeypatch.setitem(WRITERS, "pt2", lambda *arguments: network)
    assert isinstance(child._export(order.tasks[0], network, reference, order), Made)
