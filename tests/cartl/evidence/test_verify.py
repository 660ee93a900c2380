"""`cartl verify`: a good report, one that was tampered with, a truncated one, and files that do not fit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from cartl_core.catalog.network_file import inspect
from cartl_core.nn.files import save_network
from cartl_core.planning.networks.existing_network import resolve_existing_network
from cartl_core.report import Report
from cartl_core.run.pipeline import run
from cartl_core.spec import digest
from cartl_core.spec.existing_network import EvaluateJobRequest
from cartl_core.storage.stage_cache import LocalStageCache
from cartl_core.storage.stop_flag import StopFlag
from tests.cartl.reports_on_disk import outcome, rewrite, transfer
from tests.golden.fixed_network import fixed
from tests.golden.tiny import RUNTIME

REQUEST: dict[str, Any] = {
    "kind": "evaluate",
    "dataset": {"name": "digits", "classes": [5, 6, 7, 8, 9]},
    "network": {},
    "preset": "smoke",
    "evaluate": {
        "test_limit": 40,
        "attacks": [{"label": "pgd", "eps": 0.05, "step": 0.02, "steps": 3}],
        "curve": {"steps": 2},
        "checks": {"images": 20, "queries": 20},
        "corruptions": None,
        "gallery": None,
    },
    "accept": {"robust_accuracy": {"at": 0.05, "at_least": 0.1}, "clean_accuracy": {"at_least": 0.1}},
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an evaluation with a curve and checks."""
    folder = tmp_path_factory.mktemp("evaluation")
    network = folder / "network.safetensors"
    save_network(network, fixed())
    spec = resolve_existing_network(EvaluateJobRequest.model_validate(REQUEST), inspect(network))
    cache = LocalStageCache(folder / "stages", lambda event: None, StopFlag())
    out = folder / "out"
    run(spec, cache=cache, data_root=folder, out=out, runtime=RUNTIME, download=False, network=network)
    return out


@pytest.fixture
def copied(measured: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(measured, tmp_path / "out"))


def test_a_report_of_a_run_is_what_its_outcomes_give(measured: Path) -> None:
    report = Report.model_validate_json((measured / "report.json").read_text())
    assert report.spec.evaluate.curve and report.spec.evaluate.checks, "both narrow the worst case"
    code, said = outcome(measured / "report.json")
    assert "differs" not in said
    statuses = [verdict.status for verdict in report.acceptance]
    assert code == (0 if statuses == ["passed", "passed"] else 1)
    assert said.count("passed: ") == statuses.count("passed")
    assert statuses[1] == "passed"


def test_figures_that_were_changed_are_named(copied: Path) -> None:
    def better(written: Any) -> None:
        written["student"]["figures"]["clean"]["successes"] += 1

    rewrite(copied, better)
    code, said = outcome(copied)
    assert code == 1
    assert "differs: student.figures.clean.successes is" in said
    assert "The report is not what its outcomes give." in said


def test_a_lower_bound_after_the_run_is_seen(copied: Path) -> None:
    def lower(written: Any) -> None:
        written["spec"]["accept"]["clean_accuracy"]["at_least"] = 0.0

    rewrite(copied, lower)
    code, said = outcome(copied)
    assert code == 1
    assert "differs: spec_digest" in said and "differs: acceptance.1.at_least" in said


def test_outcomes_that_were_changed_are_seen(copied: Path) -> None:
    path = copied / "outcomes-student.safetensors"
    tensors = safetensors.torch.load_file(path)
    tensors["clean"] = torch.zeros_like(tensors["clean"])
    safetensors.torch.save_file(tensors, path)
    code, said = outcome(copied)
    assert code == 1 and "student.figures.clean" in said


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("index", lambda tensor: tensor * 0, "an image is there twice"),
        ("label", lambda tensor: tensor + 90, "a label that is no class"),
        ("label", lambda tensor: tensor - 90, "a number is negative"),
        ("clean", lambda tensor: tensor[:-1].clone(), "rows, not 40"),
        ("clean", lambda tensor: tensor.long(), "it is not one row"),
        ("robust.pgd", lambda tensor: None, "of other attacks than the report's"),
        ("curve.radius", lambda tensor: tensor - 9, "a radius is negative"),
        ("curve.index", lambda tensor: tensor + 10**6, "its images are not those of index"),
        ("checks.index", lambda tensor: None, "rows, not 0"),
    ],
)
def test_outcomes_that_do_not_fit_are_refused(copied: Path, name: str, change: Any, why: str) -> None:
    path = copied / "outcomes-student.safetensors"
    tensors = safetensors.torch.load_file(path)
    changed = change(tensors.pop(name))
    safetensors.torch.save_file(tensors | ({} if changed is None else {name: changed}), path)
    code, said = outcome(copied)
    assert (code, why in said) == (2, True), said


def test_what_is_no_report_is_refused_with_its_first_fault(copied: Path) -> None:
    rewrite(copied, lambda report: report.update(complete=7))
    code, said = outcome(copied)
    assert code == 2 and "no report of this version: complete: true or false is expected" in said
    (copied / "report.json").write_text("[]")
    code, said = outcome(copied)
    assert code == 2 and "no report of this version: the file: an object is expected" in said


def test_files_that_are_cut_off_or_missing_are_refused(copied: Path) -> None:
    outcomes, report = copied / "outcomes-student.safetensors", copied / "report.json"
    outcomes.write_bytes(outcomes.read_bytes()[:-1])
    code, said = outcome(copied)
    assert code == 2 and "bytes of numbers where its header names" in said
    outcomes.unlink()
    code, said = outcome(copied)
    assert code == 2 and "is missing: it belongs beside the report" in said
    report.write_text(report.read_text()[:-9])
    code, said = outcome(copied)
    assert code == 2 and "cannot be read as JSON" in said
    report.write_text('{"schema_version": 2}')
    assert outcome(copied)[0] == 2


def test_a_report_without_criteria_gates_nothing(copied: Path) -> None:
    def without(written: Any) -> None:
        spec = written["spec"]
        spec["accept"], written["acceptance"] = None, []
        report = Report.model_validate(written)
        written["spec_digest"] = digest(report.spec)

    rewrite(copied, without)
    code, said = outcome(copied)
    assert code == 1 and "had no acceptance criteria" in said
    rewrite(copied, lambda written: written.update(complete=False))
    assert outcome(copied) == (2, "the report is not complete")


@pytest.mark.parametrize(("plain", "code", "said"), [(70, 0, "Accepted"), (90, 1, "Not decided")])
def test_a_transfer_is_compared_with_plain_transfer(tmp_path: Path, plain: int, code: int, said: str) -> None:
    transfer(tmp_path, plain)
    found = outcome(tmp_path)
    assert found[0] == code, found[1]
    assert f"{said}: of 2 criteria that were fixed before the run" in found[1]
    rewrite(tmp_path, lambda written: written["baselines"][0]["comparisons"][0].update(only_baseline=3))
    code, told = outcome(tmp_path)
    assert code == 1 and "baselines.0.comparisons.0.only_baseline" in told
