"""`cartl evaluate` and `cartl remeasure`: what they post."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cartl.main import app
from cartl.request import NotARequest, build


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_evaluate_posts_the_student_of_a_job(service: Any, answer: Any) -> None:
    service.reply = lambda asked: answer(201, {"id": "j2"})
    measured = ("--attacks", "pgd100", "--norm", "l2")
    result = run("evaluate", "j1", "--dataset", "digits:5,6", *measured, "--url", service.url)
    assert (result.exit_code, result.stdout) == (0, "j2\n")
    assert service.asked[0].body == {
        "kind": "evaluate",
        "network": {"job": "j1"},
        "dataset": {"name": "digits", "classes": [5, 6]},
        "evaluate": {"preset": "pgd100", "norm": "l2"},
    }


def test_remeasure_posts_what_is_new(service: Any, answer: Any, tmp_path: Path) -> None:
    service.reply = lambda asked: answer(201, {"id": "j2"})
    attack = {"label": "square", "name": "square", "eps": 0.1, "steps": 50}
    (tmp_path / "new.json").write_text(json.dumps({"attacks": [attack]}))
    for arguments, evaluate in (
        ([], {"preset": "ensemble"}),
        (["--attacks", "pgd100"], {"preset": "pgd100"}),
        (["--norm", "l2"], {"preset": "ensemble", "norm": "l2"}),
        ([str(tmp_path / "new.json")], {"attacks": [attack]}),
        ([str(tmp_path / "new.json"), "--norm", "l1"], {"attacks": [attack], "norm": "l1"}),
    ):
        service.asked.clear()
        result = run("remeasure", "j1", *arguments, "--tag", "later", "--url", service.url)
        assert (result.exit_code, result.stdout) == (0, "j2\n")
        assert [one.path for one in service.asked] == [
            "/jobs/j1/remeasure?dry_run=true",
            "/jobs/j1/remeasure",
        ]
        assert [one.body for one in service.asked] == 2 * [{"evaluate": evaluate, "tags": ["later"]}]


def test_evaluate_names_a_teacher_and_one_network_alone(service: Any, answer: Any) -> None:
    service.reply = lambda asked: answer(201, {"id": "j1"})
    run("evaluate", "--teacher", "robust", "--dataset", "birds", "--url", service.url)
    assert service.asked[0].body == {
        "kind": "evaluate",
        "dataset": "birds",
        "network": {"teacher": "robust"},
    }
    for more in ([], ["j1", "--teacher", "robust"]):
        with pytest.raises(NotARequest, match="name one network"):
            run("evaluate", *more, "--dataset", "birds", "--url", service.url)


def test_evaluate_posts_several_data_sets(service: Any, answer: Any) -> None:
    service.reply = lambda asked: answer(201, {"id": "j2"})
    several = ["--dataset", "digits:5,6", "--dataset", "mnist"]
    result = run("evaluate", "j1", *several, "--url", service.url)
    assert (result.exit_code, result.stdout) == (0, "j2\n")
    assert service.asked[0].body == {
        "kind": "evaluate",
        "network": {"job": "j1"},
        "datasets": [{"name": "digits", "classes": [5, 6]}, "mnist"],
    }


def test_evaluate_uploads_a_file(service: Any, answer: Any, tmp_path: Path) -> None:
    file = tmp_path / "student.safetensors"
    file.write_text('{"not": "judged here"}')
    service.reply = lambda asked: answer(201, {"id": "u1" if asked.path == "/uploads" else "j3"})
    result = run("evaluate", str(file), "--dataset", "digits", "--url", service.url)
    assert (result.exit_code, result.stdout) == (0, "j3\n")
    uploaded, _, posted = service.asked
    assert uploaded.path == "/uploads"
    assert uploaded.headers["Content-Type"] == "application/octet-stream"
    assert posted.body["network"] == {"upload": "u1"}


def test_an_evaluation_in_a_file_needs_no_depth(tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text('{"kind": "evaluate", "dataset": "digits", "network": {"job": "1"}}')
    assert build(spec, {})["network"] == {"job": "1"}
