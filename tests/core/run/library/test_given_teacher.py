"""Jobs from a teacher that was brought: the student that its own job would make, and what is said of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import cartl_core
from cartl_core.catalog import DATASETS
from cartl_core.events import StageFinished
from cartl_core.nn.build import build_network
from cartl_core.nn.rng import generator
from cartl_core.report import Report
from cartl_core.report.notices import (
    CandidatesLeftOut,
    TeacherRadiusUnknown,
    TeacherUnverified,
    TeacherWithoutDistance,
)
from cartl_core.spec import JobSpec, ModelSpec
from cartl_core.spec.resources.teacher import MeasuredShare, Verification
from tests.fixtures.brought import network_file

TARGET = {"name": "digits", "classes": [5, 6, 7, 8, 9]}
SOURCE = {"name": "digits", "classes": [0, 1, 2, 3, 4]}
SMALL: dict[str, Any] = {
    "dataset": TARGET,
    "freeze_depth": 2,
    "preset": "smoke",
    "exports": [],
    "method": "consistent",
    "baselines": [],
    "device": "cpu",
    "evaluate": {"preset": "quick", "test_limit": 20},
}
TRAINED: dict[str, Any] = {
    **SMALL,
    "source": SOURCE,
    "evaluate": {**SMALL["evaluate"], "source_test_limit": 20},
}


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of tiny networks lose by a second thread, most of all beside other programs."""
    monkeypatch.setattr("cartl_core.run.runtime._usable_threads", lambda: 1)


def spec_of(report: Report) -> JobSpec:
    assert isinstance(report.spec, JobSpec)
    return report.spec


def teacher_file(out: Path, report: Report) -> Path:
    """The network of the one teacher that a run has trained."""
    (teacher,) = report.teachers
    (file,) = (out / "stages").rglob(f"*{teacher.digest}*/**/network.safetensors")
    return file


@pytest.mark.slow
@pytest.mark.parametrize("method", ["consistent", "adversarial"])
def test_the_student_of_an_imported_teacher_has_the_bits_of_the_one_whose_job_trained_it(
    tmp_path: Path, method: str
) -> None:
    own = cartl_core.run({**TRAINED, "method": method}, out=tmp_path / "own")
    file = teacher_file(tmp_path / "own", own)
    events: list[object] = []
    given = cartl_core.run(
        {**SMALL, "method": method, "teacher": "robust"},
        out=tmp_path / "given",
        teachers={"robust": file},
        report=events.append,
    )
    students = [(tmp_path / name / "student.safetensors").read_bytes() for name in ("own", "given")]
    assert students[0] == students[1]
    assert own.student
    assert given.student
    assert own.student.figures
    assert given.student.figures
    assert given.student.figures.clean == own.student.figures.clean
    assert given.student.figures.worst_case == own.student.figures.worst_case
    assert not given.teachers
    assert not any(isinstance(event, StageFinished) and event.stage == "pretrain" for event in events)
    spec = spec_of(given)
    assert spec.source is None
    assert spec.pretrain is None
    assert spec.teacher is not None
    assert (spec.teacher.eps, spec.teacher.eps_from) == (0.15, "target")


def test_what_is_not_known_of_a_teacher_is_said(tmp_path: Path) -> None:
    file = network_file(tmp_path / "robust.safetensors")
    request = {**SMALL, "method": "cartl", "baselines": ["neft"], "teacher": "robust"}
    report = cartl_core.run(request, out=tmp_path / "out", teachers={"robust": file})
    notices = {type(notice): notice for notice in report.warnings}
    assert notices[TeacherUnverified] == TeacherUnverified(teacher="robust")
    assert notices[TeacherRadiusUnknown] == TeacherRadiusUnknown(teacher="robust", eps=0.15)
    assert notices[TeacherWithoutDistance] == TeacherWithoutDistance(teacher="robust", methods=("cartl",))
    assert report.given_teacher is not None
    assert (report.given_teacher.used, report.given_teacher.verification) == ("as_it_is", None)
    for page in (cartl_core.render_markdown(report), cartl_core.render_html(report)):
        assert "The teacher that was given" in page
        assert "as it is: no teacher was trained, so there is no source" in page
        assert "unverified: nothing was measured of it" in page

    again = cartl_core.run(spec_of(report), out=tmp_path / "out", teachers={"robust": file})
    assert again.spec == report.spec
    other = network_file(tmp_path / "other.safetensors", seed=1)
    with pytest.raises(cartl_core.SpecError, match=r"teacher\.sha256"):
        cartl_core.run(spec_of(report), out=tmp_path / "out", teachers={"robust": other})


def test_the_report_of_an_evaluation_says_what_is_known_of_its_teacher(tmp_path: Path) -> None:
    file = network_file(tmp_path / "robust.safetensors")
    request = {
        "kind": "evaluate",
        "dataset": TARGET,
        "network": {"teacher": "robust"},
        "preset": "smoke",
        "evaluate": SMALL["evaluate"],
    }
    report = cartl_core.run(request, out=tmp_path / "out", teachers={"robust": file})
    teacher = report.given_teacher
    assert teacher is not None
    assert (teacher.name, teacher.used, teacher.verification, teacher.eps) == (
        "robust",
        "measured",
        None,
        None,
    )
    for page in (cartl_core.render_markdown(report), cartl_core.render_html(report)):
        assert "unverified: nothing was measured of it" in page
        assert "taken to hold within" not in page
    share = MeasuredShare(value=0.5, low=0.4, high=0.6)
    measured = Verification(dataset="birds", n=100, clean=share, robust=share, attack="pgd20 linf 8/255")
    told = report.model_copy(
        update={"given_teacher": teacher.model_copy(update={"verification": measured, "licence": "MIT"})}
    )
    assert "on 100 test images of birds: 50.0 % (40.0 to 60.0) clean" in cartl_core.render_markdown(told)
    assert "MIT, as its owner says" in cartl_core.render_html(told)


@pytest.mark.slow
def test_a_continued_teacher_starts_from_the_weights_that_were_given(tmp_path: Path) -> None:
    """Given the weights that a job's own teacher begins with, as many epochs make the same student."""
    facts, model = DATASETS["digits"], ModelSpec(name="tiny", image_size=8, channels=1, stem_stride=2)
    file = tmp_path / "robust.safetensors"
    cartl_core.save_network(file, build_network(model, 5, facts.mean, facts.std, generator(0, "network")))
    trained = {**TRAINED, "method": "cartl", "baselines": ["vanilla"]}
    own = cartl_core.run(trained, out=tmp_path / "own")
    assert isinstance(own.spec, JobSpec)
    assert own.spec.pretrain is not None
    epochs = own.spec.pretrain.epochs
    request = {**trained, "teacher": {"id": "robust", "fdm_epochs": epochs}}
    report = cartl_core.run(request, out=tmp_path / "given", teachers={"robust": file})
    students = [(tmp_path / name / "student.safetensors").read_bytes() for name in ("own", "given")]
    assert students[0] == students[1]

    spec, (teacher,) = spec_of(report), report.teachers
    assert spec.pretrain == own.spec.pretrain
    assert spec.baselines[0].pretrain is None
    assert spec.baselines[0].teacher_eps == 0.15
    assert teacher.figures is not None
    assert teacher.digest != own.teachers[0].digest
    assert report.given_teacher is not None
    assert report.given_teacher.used == "continued"
    assert f"{epochs} epochs of that training" in cartl_core.render_markdown(report)
    assert not any(isinstance(notice, TeacherWithoutDistance) for notice in report.warnings)
    again = cartl_core.run(spec, out=tmp_path / "given", teachers={"robust": file})
    assert again.spec == spec


@pytest.mark.slow
def test_auto_tries_what_the_given_teacher_allows_and_says_what_it_left_out(tmp_path: Path) -> None:
    file = network_file(tmp_path / "robust.safetensors")
    request = {**SMALL, "method": "auto", "teacher": "robust", "auto": {"validation_images": 20}}
    report = cartl_core.run(request, out=tmp_path / "out", teachers={"robust": file})
    auto = spec_of(report).auto
    assert auto is not None
    assert [arm.method for arm in auto.candidates] == [
        "vanilla",
        "consistent",
        "consistent",
        "adversarial",
        "adversarial",
    ]
    assert [(row.method, row.why) for row in auto.left_out] == [
        ("vanilla", "another_teacher"),
        ("consistent", "another_teacher"),
    ]
    assert CandidatesLeftOut(left_out=auto.left_out) in report.warnings
    assert "Candidates of the catalog were not tried" in cartl_core.render_markdown(report)
