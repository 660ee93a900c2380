"""Reports with their outcomes in a folder, and what `cartl verify` says of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from typer.testing import CliRunner

from cartl.http.problems import NotUsable
from cartl.main import app
from cartl_core.analysis.acceptance.judge import Outcomes, judge_acceptance, plain_comparison
from cartl_core.analysis.comparisons import compare
from cartl_core.analysis.metrics import AttackRecord, TestSet, figures, worst_case
from cartl_core.spec import digest
from tests.factories import make_spec
from tests.fixtures.reports import arm_of, full_report


def outcome(folder: Path, *options: str) -> tuple[int, str]:
    """Exit code and what was said; what cannot be used is 2, as the program's end makes of it."""
    done = CliRunner().invoke(app, ["verify", str(folder), *options])
    if isinstance(done.exception, NotUsable):
        return 2, str(done.exception)
    return done.exit_code, done.output


def rewrite(folder: Path, change: Callable[[Any], None]) -> None:
    written = json.loads((folder / "report.json").read_text())
    change(written)
    (folder / "report.json").write_text(json.dumps(written))


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
