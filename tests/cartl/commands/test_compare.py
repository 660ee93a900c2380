"""`cartl compare`: figures side by side, and differences on the same images, counted by hand."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from typing import Any

import pytest
from typer.testing import CliRunner

from cartl.main import app
from tests.fixtures.reports import HOSTILE, full_report

OUTCOMES = "outcomes-student.safetensors"


def outcomes(clean: bytes, robust: bytes, index: bytes = b"\1\2\3\4") -> bytes:
    """As safetensors has them."""
    spans, place = {}, 0
    for name, part in {"clean": clean, "robust.pgd": robust, "index": index}.items():
        spans[name] = {"dtype": "U8", "shape": [len(part)], "data_offsets": [place, place + len(part)]}
        place += len(part)
    head = json.dumps(spans).encode().ljust(256)  # so that its length is ASCII, as all else is
    return len(head).to_bytes(8, "little") + head + clean + robust + index


FIRST = outcomes(b"\1\1\1\0", b"\1\0\0\0")
SECOND = outcomes(b"\1\1\1\1", b"\1\1\1\0")
OTHER_IMAGES = outcomes(b"\1\1\1\1", b"\1\1\1\0", index=b"\1\2\3\5")


def reply(answer: Any, files: dict[str, bytes], name: str) -> Any:
    report = full_report().model_dump(mode="json") | {"text": {"headline": "kept", "warnings": []}}
    report["spec"]["name"] = name

    def found(asked: Any) -> Any:
        _, _, job, *rest = asked.path.split("/")
        content = files.get(job, b"")
        told = {"name": OUTCOMES, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        match rest:
            case []:
                return answer(200, {"id": job, "state": "succeeded"})
            case ["robustness"]:
                return answer(200, report)
            case ["artifacts"]:
                return answer(200, {"data": [told] if content else []})
            case _:
                return answer(200, content.decode("ascii"), "application/octet-stream")

    return found


def run(service: Any, *arguments: str) -> Any:
    return CliRunner().invoke(app, ["compare", *arguments, "--url", service.url], catch_exceptions=False)


def test_jobs_on_the_same_images_are_compared_image_by_image(service: Any, answer: Any) -> None:
    service.reply = reply(answer, {"a": FIRST, "b": SECOND}, HOSTILE)
    told = json.loads(run(service, "a", "b", "--json").stdout)
    clean, robust = told["against_first"][0]["differences"]
    assert (clean["difference"], clean["n"], clean["p_value"]) == (0.25, 4, 1.0)
    assert (robust["difference"], robust["what"], robust["p_value"]) == (0.5, "robust against pgd", 0.5)
    assert told["same_images"] and [job["job"] for job in told["jobs"]] == ["a", "b"]
    text = run(service, "a", "b").stdout
    assert "+25.0" in text and "same test images" in text and "<script>" in text


@pytest.mark.parametrize(
    ("second", "why"), [(OTHER_IMAGES, "test images differ"), (b"", "no file of its outcomes")]
)
def test_why_there_is_no_difference_is_said(service: Any, answer: Any, second: bytes, why: str) -> None:
    service.reply = reply(answer, {"a": FIRST, "b": second}, "mine")
    assert why in run(service, "a", "b").stdout


def test_figures_as_csv_hold_no_formula(service: Any, answer: Any) -> None:
    service.reply = reply(answer, {}, "=1+1")
    rows = list(csv.DictReader(io.StringIO(run(service, "a", "b", "--csv").stdout)))
    assert [row["job"] for row in rows] == ["a", "b"]
    assert rows[0]["name"] == "'=1+1" and 0 <= float(rows[0]["robust"]) <= 1


@pytest.mark.parametrize("jobs", [["a"], ["a", "a"], list("abcdefghijklm")])
def test_one_job_alone_or_too_many_are_refused(service: Any, jobs: list[str]) -> None:
    assert run(service, *jobs).exit_code == 2
    assert service.asked == []
