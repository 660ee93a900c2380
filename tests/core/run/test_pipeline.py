"""Whole runs on real digits: complete, reused, resumed, refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from cartl_core.errors import Interrupted
from cartl_core.events import (
    ArtifactWritten,
    AttackFinished,
    Event,
    Progress,
    ReportUpdated,
    RuntimeResolved,
    StageFinished,
    Warned,
)
from cartl_core.nn.files import load_network
from cartl_core.render import sentences
from cartl_core.render.checks.sentences import check_words
from cartl_core.render.evidence import EvidenceDocument, document
from cartl_core.report import Report
from cartl_core.report.checks import FINDINGS
from cartl_core.report.notices import ImagesLeftOut
from cartl_core.storage.stop_flag import StopFlag
from cartl_core.training import pretrain as stage
from cartl_core.training.memory import HALVINGS
from tests.core.run.conftest import Run, computed, of


def test_a_run_from_data_to_report(go: Run, job: Any, tmp_path: Path) -> None:
    events: list[Event] = []
    report = go(job(), events)
    assert report.complete
    assert report.student is not None
    assert report.student.figures is not None
    assert report.student.figures.n == 100
    assert report.student.k == 3
    assert [attack.label for attack in report.student.figures.attacks] == ["pgd5"]
    assert sum(row.clean.n for row in report.student.figures.per_class) == 100
    assert [arm.method for arm in report.baselines] == ["vanilla"]
    assert [comparison.what for comparison in report.baselines[0].comparisons] == ["worst_case", "clean"]
    assert [(teacher.objective, teacher.freeze_depth) for teacher in report.teachers] == [
        ("fdm", 2),
        ("at", None),
    ]
    assert all(teacher.figures and teacher.figures.worst_case for teacher in report.teachers)
    for arm in (report.student, *report.baselines):
        assert arm.kept is not None
        assert [pair.target for pair in arm.kept.attacks] == ["pgd5"]
        # Of the attack that both stood: the teacher has no curve.
        assert (arm.kept.target, arm.kept.source.n) == (arm.figures.attacks[0].robust, 100)  # type: ignore[union-attr]
        assert arm.figures.curve.n == arm.figures.corruptions.n == 20  # type: ignore[union-attr]
        assert [check.name for check in arm.checks] == list(FINDINGS)
        assert arm.figures.checks.n == 20  # type: ignore[union-attr]
        assert arm.validation is not None
        assert arm.validation.robust.n <= arm.validation.clean.n
    failed = [
        check
        for arm in (report.student, *report.baselines)
        for check in arm.checks
        if check.status == "failed"
    ]
    said = sentences.read_first(report)
    for check, warning in zip(failed, said, strict=False):
        assert check_words(check) in warning, "failed checks come first"
    assert sentences.headline(report)
    assert report.warnings
    assert isinstance(events[0], RuntimeResolved)
    assert [event.subject for event in of(AttackFinished, events)] == [
        "student",
        "vanilla",
        "teacher",
        "teacher",
    ]
    updates = of(ReportUpdated, events)
    assert [known.complete for known in updates] == [False] * (len(updates) - 1) + [True]
    merged: dict[str, Any] = {}
    for update in updates:
        assert all(merged.get(name, ...) != value for name, value in update.sections.items())
        merged |= update.sections
        Report.model_validate(merged)
    assert Report.model_validate(merged) == report
    assert len(updates) <= len(of(StageFinished, events)) + 1, "at most one a stage, and the last"
    assert {event.message for event in of(Warned, events)} == set(said)
    assert len(of(Warned, events)) == len(said)
    fractions = [event.fraction for event in of(Progress, events)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)


@pytest.mark.usefixtures("saved_figures")
def test_the_files_for_the_person(go: Run, job: Any, tmp_path: Path) -> None:
    events: list[Event] = []
    report = go(job(), events)
    out = tmp_path / "out"
    written = {event.path for event in of(ArtifactWritten, events)}
    assert written == {path.name for path in out.iterdir()}
    assert Report.model_validate_json((out / "report.json").read_bytes()) == report
    assert (out / "report.md").read_text().startswith("# Robustness report")
    assert load_network(out / "student.safetensors").arch.classes == 5
    assert {"report.html", "curve.svg", "curve.png", "per-class.svg", "evidence.json"} <= written
    assert len((out / "curve.svg").read_bytes()) > 5_000 < len((out / "curve.png").read_bytes())
    page = (out / "report.html").read_text()
    assert page.startswith("<!doctype html>")
    assert page.count('<img src="data:image/') == len(
        {"curve.svg", "per-class.svg", "worst-images.png", "history.svg"} & written
    )
    assert EvidenceDocument.model_validate_json((out / "evidence.json").read_bytes()) == document(report)
    assert report.student is not None
    assert report.student.figures is not None
    gallery = report.student.figures.gallery
    assert gallery is not None
    assert gallery.images, "two epochs do not make a network that nothing fools"
    pictures = safetensors.torch.load_file(out / "worst-images.safetensors")
    assert pictures["clean"].shape == pictures["adversarial"].shape == (len(gallery.images), 1, 8, 8)
    assert pictures["index"].tolist() == [image.index for image in gallery.images]
    moved = (pictures["adversarial"] - pictures["clean"]).abs()
    assert moved.amax() <= gallery.eps + 1e-6
    own = safetensors.torch.load_file(out / "outcomes-student.safetensors")
    rival = safetensors.torch.load_file(out / "outcomes-vanilla.safetensors")
    assert torch.equal(own["index"], rival["index"])
    assert torch.equal(own["label"].bincount(), torch.tensor([20] * 5))
    assert report.student is not None
    assert report.student.figures is not None
    assert int(own["clean"].sum()) == report.student.figures.clean.successes
    held = own["clean"] & own["robust.pgd5"]
    fallen = own["curve.index"][own["curve.radius"] <= report.student.figures.attacks[0].eps]
    assert held[torch.isin(own["index"], fallen)].any(), "the curve breaks what the attack did not"
    held &= ~torch.isin(own["index"], fallen)
    assert int(held.sum()) == report.student.figures.worst_case.successes  # type: ignore[union-attr]
    assert len(own["corruptions.jpeg.3"]) == len(own["corruptions.index"]) == 20
    assert torch.equal(own["curve.index"], rival["curve.index"])


def test_the_same_job_again_computes_nothing(go: Run, job: Any) -> None:
    first, events = go(job()), list[Event]()
    again = go(job(name="another name", tags=["tag"]), events, out="other")
    assert computed(events) == []
    assert all(event.reused for event in of(StageFinished, events))
    assert again.student is not None
    assert first.student is not None
    assert again.student.figures == first.student.figures
    assert again.student.reused


def test_a_resumed_job_keeps_what_its_earlier_attempt_made(go: Run, job: Any, tmp_path: Path) -> None:
    """Stopped once its first teacher is trained; then the same job goes on, and another one follows."""
    stop, cache = StopFlag(), tmp_path / "stages"
    events: list[Event] = []

    def listen(event: Event) -> None:
        if isinstance(event, StageFinished):
            stop.request("interrupted")

    with pytest.raises(Interrupted):
        go(job(), events, cache_at=cache, stop=stop, listen=listen)
    (trained,) = of(StageFinished, events)
    report = go(job(), cache_at=cache)
    origins = {teacher.digest: teacher.origin for teacher in report.teachers}
    assert [teacher.reused for teacher in report.teachers] == [False, False]
    own = origins.pop(trained.digest)
    assert own.made_by == "earlier_attempt"
    assert own.seconds == pytest.approx(trained.seconds, rel=0.2)
    assert report.seconds[trained.label] == own.seconds
    assert [origin.made_by for origin in origins.values()] == ["this_attempt"]
    assert report.student is not None and report.student.origin.made_by == "this_attempt"

    other = go(job(transfer={"beta": 0.9}), cache_at=cache, out="other")
    assert {teacher.origin.made_by for teacher in other.teachers} == {"another_job"}
    assert all(teacher.reused for teacher in other.teachers)
    assert other.teachers[0].origin.seconds == report.teachers[0].origin.seconds
    (cache / trained.digest / "origin.json").write_text("{}")
    last = go(job(transfer={"beta": 0.9}), cache_at=cache, out="other")
    assert {teacher.origin.made_by for teacher in last.teachers} == {"another_job", "unknown"}


def test_another_evaluation_trains_nothing(go: Run, job: Any) -> None:
    go(job())
    events: list[Event] = []
    attack = {"label": "strong", "eps": 0.15, "step": 0.02, "steps": 7}
    go(job(evaluate={"attacks": [attack]}), events)
    assert computed(events) == [
        *("attack strong on cartl", "attack strong on vanilla"),
        # Made at the radius of the job's attacks.
        *(f"checks against self-deception of {method}" for method in ("cartl", "vanilla")),
    ]


def test_another_transfer_reuses_the_teacher(go: Run, job: Any) -> None:
    go(job())
    events: list[Event] = []
    report = go(job(transfer={"beta": 0.9}), events, out="other")
    assert [label for label in computed(events) if "teacher" in label] == []
    assert "student (cartl)" in computed(events)
    assert "student (vanilla)" not in computed(events)
    assert all(teacher.reused for teacher in report.teachers)


def test_no_checkpoints_are_left_of_finished_stages(go: Run, job: Any, stages: Path) -> None:
    go(job())
    assert list(stages.rglob("*.checkpoint")) == []


def test_images_that_were_left_out_of_the_source_are_told(
    go: Run, job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cartl_core.run.transfer_run.keep_apart", lambda source, target: (source, 2))
    told = ImagesLeftOut(source="digits", target="digits", count=2)
    report = go(job(), [])
    assert told in report.warnings
    said = "2 images of the source digits are also in the target digits, pixel by pixel"
    assert any(said in warning for warning in sentences.read_first(report))
    monkeypatch.undo()
    assert told not in go(job(), []).warnings


def test_batches_cut_for_memory_are_told_in_every_report_of_the_stage(
    go: Run, job: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the run that trained the teacher, and in one that finds it."""
    cache, batch = tmp_path / "cache", job().pretrain.batch_size

    def perturb(network: Any, images: torch.Tensor, labels: torch.Tensor, **attack: Any) -> torch.Tensor:
        if len(images) >= batch:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return images

    monkeypatch.setattr(stage, "perturb", perturb)
    monkeypatch.setitem(HALVINGS, "cpu", 1)
    spec = job(baselines=[], pretrain={"epochs": 1}, transfer={"epochs": 1}, evaluate={"attacks": []})
    for start in ("computed", "found"):
        events: list[Event] = []
        report = go(spec, events, out=start, cache_at=cache)
        assert ("teacher (fdm)" in computed(events)) is (start == "computed")
        (told,) = (found for found in report.warnings if found.code == "split_batches")
        assert told.stage == "teacher (fdm)"
        assert sentences.notice(told) in [event.message for event in of(Warned, events)]
