"""`cartl verify`: a good report, one that was tampered with, a truncated one, and files that do not fit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from typer.testing import CliRunner

from cartl.main import app
from cartl.problems import NotUsable
from cartl_core.analysis.acceptance.judge import Outcomes, judge_acceptance, plain_comparison
from cartl_core.analysis.comparisons import compare
from cartl_core.analysis.metrics import AttackRecord, TestSet, figures, worst_case
from cartl_core.catalog.network_file import inspect
from cartl_core.nn.files import save_network
from cartl_core.planning.existing_network import resolve_existing_network
from cartl_core.report import Report
from cartl_core.run.pipeline import run
from cartl_core.spec import digest
from cartl_core.spec.existing_network import EvaluateJobRequest
from cartl_core.storage.stage_cache import LocalStageCache
from cartl_core.storage.stop_flag import StopFlag
from tests.factories import make_spec
from tests.fixtures.reports import arm_of, full_report
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


def outcome(folder: Path) -> tuple[int, str]:
    """Exit code and what was said; what cannot be used is 2, as the program's end makes of it."""
    done = CliRunner().invoke(app, ["verify", str(folder)])
    if isinstance(done.exception, NotUsable):
        return 2, str(done.exception)
    return done.exit_code, done.output


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


def rewrite(folder: Path, change: Callable[[Any], None]) -> None:
    written = json.loads((folder / "report.json").read_text())
    change(written)
    (folder / "report.json").write_text(json.dumps(written))


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


def transfer(folder: Path, plain_right: int) -> None:
    """A transfer with plain transfer beside it, of 100 images, by hand: report and outcomes."""
    attack = {"label": "pgd", "eps": 0.1, "step": 0.01, "steps": 5}
    nothing = {"curve": None, "checks": None, "corruptions": None, "gallery": None}
    spec = make_spec(
        evaluate={"attacks": [attack], **nothing},
        accept={"kept_against_plain": {"at_least": 0.0}, "robust_accuracy": {"at": 0.1, "at_least": 0.7}},
    )
    labels = tuple(number % 2 for number in range(100))
    test = TestSet("digits", "f" * 64, labels, ("zero", "one"))
    clean = (True,) * 95 + (False,) * 5
    arms, records = [], []
    for subject, right in (("student", 90), ("vanilla", plain_right)):
        robust = (True,) * right + (False,) * (100 - right)
        records.append([AttackRecord(spec.evaluate.attacks[0], robust, 1.0)])
        arms.append(arm_of(subject.replace("student", "cartl"), figures(test, clean, records[-1], spec.seed)))
        tensors = {"clean": torch.tensor(clean), "robust.pgd": torch.tensor(robust)}
        whole = {"index": torch.arange(100), "label": torch.tensor(labels)}
        safetensors.torch.save_file(tensors | whole, folder / f"outcomes-{subject}.safetensors")
    compared = (
        compare("worst_case", worst_case(clean, records[0]), worst_case(clean, records[1])),
        compare("clean", clean, clean),
    )
    baseline = arms[1].model_copy(update={"comparisons": compared})
    report = full_report(spec=spec, spec_digest=digest(spec), student=arms[0], baselines=(baseline,))
    assert spec.accept is not None
    found = Outcomes(clean, records[0], against_plain=plain_comparison(report))
    whole_report = report.model_copy(update={"acceptance": judge_acceptance(spec.accept, found)})
    (folder / "report.json").write_text(whole_report.model_dump_json())


@pytest.mark.parametrize(("plain", "code", "said"), [(70, 0, "Accepted"), (90, 1, "Not decided")])
def test_a_transfer_is_compared_with_plain_transfer(tmp_path: Path, plain: int, code: int, said: str) -> None:
    transfer(tmp_path, plain)
    found = outcome(tmp_path)
    assert found[0] == code, found[1]
    assert f"{said}: of 2 criteria that were fixed before the run" in found[1]
    rewrite(tmp_path, lambda written: written["baselines"][0]["comparisons"][0].update(only_baseline=3))
    code, told = outcome(tmp_path)
    assert code == 1 and "baselines.0.comparisons.0.only_baseline" in told
