"""Probes: planned for every student, computed batch by batch, read back as values of the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from cartl_core.errors import Interrupted, ResumeMismatch
from cartl_core.evaluation.diagnostic_stage import read_rows, read_value, run_diagnostic
from cartl_core.evaluation.diagnostics import DIAGNOSTICS, Batch, Diagnostic, Subject
from cartl_core.nn.build import build_network
from cartl_core.nn.files import save_network
from cartl_core.nn.rng import generator
from cartl_core.planning.diagnostic_table import DIAGNOSTIC_FACTS, DiagnosticFacts, Passes
from cartl_core.planning.estimates.costs import diagnostic_cost
from cartl_core.planning.make_plan import plan_transfer
from cartl_core.planning.plan import DataCounts, TransferPlan
from cartl_core.report.values import Value
from cartl_core.spec import EvaluateSpec, JobSpec, Runtime
from cartl_core.spec.measures.diagnostics import DiagnosticSpec
from cartl_core.storage.stage_result import NETWORK


class Brightness(DiagnosticSpec):
    """A stand-in: how bright the images are, and how sure the networks."""

    factor: float = 2.0


class Found(Value):
    """What it finds."""

    n: int
    total: float
    logit: float


class Evaluation(EvaluateSpec):
    """An evaluation that can ask for it."""

    brightness: Brightness | None = None


def batch(subject: Subject, asked: Brightness) -> Batch:
    def rows(x: Any, labels: Any, indices: Any) -> dict[str, Any]:
        networks = [subject.network, *subject.others.values()]
        with torch.no_grad():
            logit = torch.stack([network(x).amax(1) for network in networks]).sum(0)
        return {"light": asked.factor * x.flatten(1).sum(1), "logit": logit, "position": indices.float()}

    return rows


def summarise(subject: Subject, asked: Brightness, rows: dict[str, Any]) -> Found:
    assert torch.equal(rows["position"].long(), torch.arange(len(subject.labels)))
    return Found(n=len(rows["light"]), total=float(rows["light"].sum()), logit=float(rows["logit"].sum()))


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = DiagnosticFacts(
        "brightness", "brightness", Found, lambda asked: Passes(2, asked.factor), uses_others=True
    )
    monkeypatch.setitem(DIAGNOSTIC_FACTS, "brightness", facts)
    monkeypatch.setitem(DIAGNOSTICS, "brightness", Diagnostic(batch, summarise))


@pytest.fixture
def networks(tiny: Any, tmp_path: Path) -> tuple[Path, Path]:
    places = (tmp_path / "own", tmp_path / "other")
    for number, ctx in enumerate(places):
        save_network(ctx / NETWORK, build_network(tiny, 4, (0.3,), (0.4,), generator(number, "network")))
    return places


def run(networks: tuple[Path, Path], images: Any, workspace: Any, size: int = 6, **how: Any) -> Found:
    run_diagnostic(
        "brightness",
        Brightness(),
        networks[0],
        images,
        freeze_depth=1,
        others={"vanilla": networks[1]},
        seed=0,
        batch_size=size,
        ctx=workspace.context(**how),
    )
    found = read_value("brightness", workspace.directory)
    assert isinstance(found, Found)
    return found


def test_what_is_found_covers_every_image(networks: Any, task: Any, workspace: Any) -> None:
    images, here = task().test, workspace("whole")
    found = run(networks, images, here)
    assert found.n == 20
    assert found.total == pytest.approx(2 * float(images.images.tensor().sum()), rel=1e-5)
    rows = read_rows(here.directory)
    assert torch.equal(rows["index"], images.index)
    assert found.logit == pytest.approx(float(rows["logit"].sum()))


def test_batching_changes_nothing(networks: Any, task: Any, workspace: Any) -> None:
    found = []
    for size in (3, 20):
        run(networks, task().test, here := workspace(str(size)), size)
        found.append(read_rows(here.directory)["light"])
    assert torch.equal(*found)


def test_an_interrupted_diagnostic_goes_on(networks: Any, task: Any, workspace: Any) -> None:
    whole, pieces = run(networks, task().test, workspace("whole")), workspace("pieces")
    for _ in range(2):
        with pytest.raises(Interrupted):
            run(networks, task().test, pieces, stop_after=2)
    assert run(networks, task().test, pieces) == whole
    assert pieces.saved_at == [6 / 20, 12 / 20]


def test_a_changed_result_is_noticed(networks: Any, task: Any, workspace: Any) -> None:
    here = workspace("changed")
    run(networks, task().test, here)
    file = next(here.directory.glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(ResumeMismatch):
        read_value("brightness", here.directory)


def planned(job: JobSpec, runtime: Runtime, **asked: Any) -> TransferPlan:
    others = dict.fromkeys(job.evaluate.diagnostics)
    evaluate = Evaluation(**{**dict(job.evaluate), **others, **asked})
    data = DataCounts("source", 1000, 100), DataCounts("target", 500, 100)
    return plan_transfer(
        job.model_copy(update={"evaluate": evaluate}), source=data[0], target=data[1], runtime=runtime
    )


def test_every_student_has_its_diagnostics(job: Any, runtime: Runtime) -> None:
    plan = planned(job(baselines=["vanilla", "neft"]), runtime, brightness=Brightness(images=50))
    probings = [student.diagnostics for student in plan.students]
    assert [len(own) for own in probings] == [1, 1, 1]
    assert [subject for subject, _ in probings[0][0].work.others] == ["vanilla", "neft"]
    assert [subject for subject, _ in probings[1][0].work.others] == ["student", "neft"]
    assert len({own[0].key.digest for own in probings}) == 3
    assert plan.costs[probings[0][0].key.digest].passes == 50 * (2 + 2 * 2.0)


def test_unasked_diagnostics_are_not_planned(job: Any, runtime: Runtime) -> None:
    assert all(not student.diagnostics for student in planned(job(), runtime).students)


def test_a_diagnostic_depends_on_its_settings_and_on_the_others(job: Any, runtime: Runtime) -> None:
    def digest(spec: JobSpec, **asked: Any) -> str:
        return planned(spec, runtime, brightness=Brightness(**asked)).students[0].diagnostics[0].key.digest

    known = {digest(job()), digest(job(), factor=3.0), digest(job(), images=9), digest(job(baselines=[]))}
    assert len(known) == 4
    assert digest(job(name="another")) in known


def test_it_costs_no_more_than_the_images_there_are() -> None:
    assert diagnostic_cost("brightness", Brightness(images=50), 20) == 20 * 6
    assert diagnostic_cost("brightness", Brightness(), 20) == 20 * 6
