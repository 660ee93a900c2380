"""One network on several data sets in one job: each as a job on it alone would have it, to the digest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
from pydantic import ValidationError

from cartl_core.catalog.network_file import NetworkFile, inspect
from cartl_core.commands.run import _read_spec
from cartl_core.errors import SpecError
from cartl_core.events import Event, ReportUpdated, StageFinished
from cartl_core.planning.make_plan import further_roles, plan_evaluation
from cartl_core.planning.networks.existing_network import resolve_existing_network
from cartl_core.planning.plan import DataCounts
from cartl_core.render import html, markdown
from cartl_core.report import FurtherData, Report
from cartl_core.run.library.own_objects import Brought, checked_datasets
from cartl_core.run.pipeline import run
from cartl_core.spec import JobSpec, Runtime, digest
from cartl_core.spec.existing_network import (
    MOST_DATASETS,
    EvaluateJobRequest,
    EvaluateJobSpec,
    spec_of,
)
from cartl_core.spec.faults import first_fault
from cartl_core.storage.stage_cache import LocalStageCache
from cartl_core.storage.stop_flag import StopFlag
from jobs.admission.estimate import estimated_evaluation
from tests.core.run.library.test_own_objects import digits
from tests.factories import HALF, make_runtime, make_spec

HIGH, LOW = ({"name": "digits", "classes": list(range(first, first + 5))} for first in (5, 0))
MEASURED = {"test_limit": 60, "batch_size": 32}


def written(**changes: Any) -> dict[str, Any]:
    return {"kind": "evaluate", "network": {}, "preset": "smoke", "evaluate": MEASURED} | changes


def resolved(found: NetworkFile, **changes: Any) -> EvaluateJobSpec:
    return resolve_existing_network(EvaluateJobRequest.model_validate(written(**changes)), found)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("several")


@pytest.fixture(scope="module")
def go(folder: Path) -> Callable[..., Report]:
    def start(
        spec: JobSpec | EvaluateJobSpec,
        out: str,
        told: list[Event] | None = None,
        *,
        stages: str = "stages",
        network: Path | None = None,
    ) -> Report:
        report = (told if told is not None else []).append
        cache = LocalStageCache(folder / stages, report, StopFlag())
        return run(
            spec,
            cache=cache,
            data_root=folder / "data",
            out=folder / out,
            report=report,
            runtime=make_runtime(),
            network=network,
        )

    return start


@pytest.fixture(scope="module")
def network(go: Callable[..., Report], folder: Path) -> Path:
    """A student, made once for all tests of this file."""
    changes = {"baselines": [], "evaluate": {"attacks": [], "checks": None, **MEASURED}}
    go(make_spec(HALF | {"exports": []}, **changes), "original")
    return folder / "original" / "student.safetensors"


def stages_of(told: list[Event]) -> dict[str, bool]:
    """Whether each stage was found, by digest."""
    return {event.digest: event.reused for event in told if isinstance(event, StageFinished)}


def figures_of(measured: Any) -> dict[str, Any]:
    found: dict[str, Any] = measured.figures.model_dump(mode="json")
    for attack in found["attacks"]:
        del attack["seconds"], attack["images_per_second"]
    return found


def test_each_data_set_has_the_stages_and_the_figures_of_a_job_on_it_alone(
    go: Callable[..., Report], network: Path, folder: Path
) -> None:
    found = inspect(network)
    both = resolved(found, datasets=[HIGH, LOW])
    told: list[Event] = []
    report = go(both, "both", told, stages="fresh", network=network)
    assert not any(stages_of(told).values()), "all of it was computed here"

    alone: dict[str, bool] = {}
    for place, (data, measured) in enumerate(
        zip((HIGH, LOW), (report.student, *report.further), strict=True), start=1
    ):
        seen: list[Event] = []
        single = go(resolved(found, dataset=data), f"alone-{place}", seen, stages="fresh", network=network)
        assert single.student is not None
        assert all(stages_of(seen).values()), "every stage of a job on it alone was found"
        alone |= stages_of(seen)
        assert figures_of(measured) == figures_of(single.student)
        assert measured is not None and measured.checks == single.student.checks
        names = ("outcomes-student", "outcomes-student-2")
        mine = safetensors.torch.load_file(folder / "both" / f"{names[place - 1]}.safetensors")
        theirs = safetensors.torch.load_file(folder / f"alone-{place}" / f"{names[0]}.safetensors")
        assert all(mine[name].equal(theirs[name]) for name in theirs)
    assert alone.keys() == stages_of(told).keys()
    assert report.student is not None and figures_of(report.student) != figures_of(report.further[0])

    assert Report.model_validate_json(report.model_dump_json()) == report
    sections = [event.sections for event in told if isinstance(event, ReportUpdated)]
    assert any("further" in each for each in sections)
    for face in (markdown.render(report), html.render(report)):
        assert "On further data sets" in face
        assert "classes 0, 1, 2, 3, 4" in face


def test_a_stage_of_a_further_data_set_names_it(network: Path, runtime: Runtime) -> None:
    spec = resolved(inspect(network), datasets=[HIGH, LOW])
    plan = plan_evaluation(
        spec, target=DataCounts("a", 1, 60), further=[DataCounts("b", 1, 60)], runtime=runtime
    )
    assert further_roles(spec) == ("target-2",)
    first, other = plan.measured
    assert (first.subject, other.subject, other.role) == ("student", "student-2", "target-2")
    assert other.measurements[0].key.label == "clean accuracy of the given network, digits"
    measured = [stage.cost.passes for one in plan.measured for stage in one.measurements]
    looked_at = [stage.cost.passes for one in plan.measured for stage in one.diagnostics]
    assert sum(cost.passes for cost in plan.costs.values()) == pytest.approx(sum(measured + looked_at))


def test_an_evaluation_on_one_data_set_is_stored_as_it_was(network: Path) -> None:
    found = inspect(network)
    spec = resolved(found, dataset=HIGH)
    assert "further" not in json.loads(spec.model_dump_json())
    assert digest(resolved(found, datasets=[HIGH])) == digest(spec)
    both = resolved(found, datasets=[HIGH, LOW])
    assert spec_of(json.loads(both.model_dump_json())) == both
    assert [part.dataset for part in both.on_each()] == [spec.dataset, both.further[0].dataset]


def test_the_command_reads_what_a_worker_writes(network: Path, tmp_path: Path) -> None:
    """A resolved specification, with settings of its own for each data set."""
    both = resolved(inspect(network), datasets=[HIGH, LOW])
    (tmp_path / "spec.json").write_text(both.model_dump_json())
    assert _read_spec(tmp_path / "spec.json", network, None, Brought()) == both
    (tmp_path / "spec.json").write_text(json.dumps(both.model_dump(mode="json") | {"more": 1}))
    with pytest.raises(SpecError) as refused:
        _read_spec(tmp_path / "spec.json", network, None, Brought())
    assert refused.value.field == "more"


def test_a_job_on_several_costs_what_jobs_on_each_cost(network: Path) -> None:
    found = inspect(network)
    together = estimated_evaluation(resolved(found, datasets=[HIGH, LOW]))
    each = [estimated_evaluation(resolved(found, dataset=data)) for data in (HIGH, LOW)]
    assert together.forward_passes == pytest.approx(sum(one.forward_passes for one in each))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({}, "dataset"),
        ({"dataset": None}, "dataset"),
        ({"datasets": []}, "dataset"),
        ({"dataset": HIGH, "datasets": [LOW]}, "dataset"),
        ({"datasets": [HIGH] * (MOST_DATASETS + 1)}, "datasets"),
        ({"datasets": [HIGH, "no where"]}, "datasets.1"),
        ({"datasets": "digits"}, "datasets"),
    ],
)
def test_one_data_set_or_up_to_eight_are_named(changes: dict[str, Any], field: str) -> None:
    body = written(**changes)
    with pytest.raises(ValidationError) as refused:
        EvaluateJobRequest.model_validate_json(json.dumps(body))
    fault = first_fault(EvaluateJobRequest, refused.value, body)
    assert fault.field == field
    assert fault.allowed


@pytest.mark.parametrize(
    ("datasets", "field"),
    [
        ([HIGH, HIGH], "datasets.1"),
        ([HIGH, "digits"], "datasets.1.classes"),
        ([HIGH, {"name": "cifar10", "classes": [0, 1, 2, 3, 4]}], "datasets.1"),
        ([{"name": "digits", "classes": [5, 6, 7, 8, 19]}, LOW], "datasets.0.classes"),
    ],
)
def test_a_data_set_that_does_not_fit_is_named(network: Path, datasets: list[Any], field: str) -> None:
    with pytest.raises(SpecError) as refused:
        resolved(inspect(network), datasets=datasets)
    assert refused.value.field == field


def test_each_data_set_has_radii_of_its_own(network: Path) -> None:
    mnist = {"name": "fashion_mnist", "classes": [0, 1, 2, 3, 4]}
    spec = resolved(inspect(network), datasets=[HIGH, mnist], evaluate={})
    first, second = (part.evaluate.attacks[0].eps for part in spec.on_each())
    assert first != second


def test_an_older_report_is_read_without_further_data_sets(go: Callable[..., Report], network: Path) -> None:
    report = go(resolved(inspect(network), dataset=HIGH), "older", network=network)
    old = report.model_dump(mode="json")
    assert old.pop("further") == []
    assert Report.model_validate(old).further == ()
    empty = FurtherData(dataset=resolved(inspect(network), dataset=LOW).dataset)
    unfinished = report.model_copy(update={"further": (empty,)})
    for face in (markdown.render(unfinished), html.render(unfinished)):
        assert "not yet known" in face


def test_one_of_several_may_be_ones_own(network: Path, tmp_path: Path) -> None:
    brought = Brought(datasets=checked_datasets({"mine": digits(tmp_path)}))
    own = {"name": "mine", "classes": LOW["classes"]}
    request = EvaluateJobRequest.model_validate(written(datasets=[HIGH, own]))
    spec = resolve_existing_network(request, inspect(network), "quick", brought.lookup)
    assert (spec.further[0].dataset.name, spec.further[0].dataset.classes) == ("mine", (0, 1, 2, 3, 4))
    brought.refuse_unused()
