"""Whatever answers: values, or a ``ClientError``; a newer service is read as far as it can be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

import cartl
from cartl import Client, ClientError, JobReport, Retries, ServiceError
from cartl_core.report import FurtherData, Report
from cartl_core.report.notices import OtherNotice
from tests.fixtures.reports import full_report

JOB = {"id": "j", "state": "succeeded"}
ROOT = Path(__file__).resolve().parents[3]


def answered(**changes: Any) -> dict[str, Any]:
    text = {"headline": "It keeps.", "warnings": ["Beware."]}
    return {**full_report().model_dump(mode="json"), "text": text, **changes}


def evaluated_on_two() -> Report:
    """An evaluation with a further data set, about which there is something to say."""
    report = full_report()
    assert report.student and report.student.figures
    figures = report.student.figures.model_copy(update={"data": "mnist"})
    further = FurtherData(dataset=report.spec.dataset, warnings=report.warnings, figures=figures)
    return report.model_copy(update={"further": (further,), "baselines": ()})


def test_a_network_on_several_data_sets_has_a_row_for_each(kind: str, scripted: Any, script: Any) -> None:
    answer = {**evaluated_on_two().model_dump(mode="json"), "text": {}}
    answer["further"][0]["warnings"].append({"code": "cosmic_rays"})
    report = read(kind, scripted, script, answer)
    assert [row.data for row in report.rows] == ["digits, classes 5, 6, 7", "mnist"]
    assert report.further[0].warnings[-1] == OtherNotice(text="cosmic rays")


def read(kind: str, scripted: Any, script: Any, answer: dict[str, Any]) -> JobReport:
    found: JobReport = scripted.use(kind, script((200, JOB), (200, answer)), "report")
    return found


def with_more(value: Any) -> Any:
    """A value as JSON, every object of it with one more field; mappings by name stay as they are."""
    if isinstance(value, BaseModel):
        return {**{name: with_more(one) for name, one in value}, "brand_new": {"x": [1]}}
    if isinstance(value, dict):
        return {name: with_more(one) for name, one in value.items()}
    return [with_more(one) for one in value] if isinstance(value, tuple | list) else value


def test_fields_of_a_newer_service_do_no_harm(kind: str, scripted: Any, script: Any) -> None:
    plain = read(kind, scripted, script, answered())
    report = {**with_more(full_report()), "text": {**answered()["text"], "brand_new": 1}}
    assert json.dumps(report).count("brand_new") > 50
    more = read(kind, scripted, script, report)
    assert more.headline == "It keeps." and more.rows == plain.rows and more.spec == plain.spec
    told = script((200, {**JOB, "brand_new": {"x": 1}, "state": "paused", "estimate": {"low": 3}}))
    job = scripted.run(kind, told, "job", "j")
    assert (job.state, job.job.ended, job.job.model_extra) == ("paused", False, {"brand_new": {"x": 1}})
    assert job.estimate is not None and job.estimate.model_extra == {"low": 3}


def test_a_notice_of_an_unknown_kind_is_kept_as_one(kind: str, scripted: Any, script: Any) -> None:
    new = {"code": "cosmic_rays", "count": 3}
    report = read(kind, scripted, script, answered(warnings=[*answered()["warnings"], new]))
    assert report.warnings == (*full_report().warnings, OtherNotice(text="cosmic rays"))
    assert report.text.warnings == ("Beware.",)


@pytest.mark.parametrize(
    "changes", [{"schema_version": 3}, {"spec": {"kind": "other"}}, {"teachers": 3}, {"warnings": "no"}]
)
def test_what_cannot_be_read_says_where_and_what_else_there_is(
    kind: str, scripted: Any, script: Any, changes: dict[str, Any]
) -> None:
    with pytest.raises(ServiceError, match=rf"report_json\(\).*{next(iter(changes))}"):
        read(kind, scripted, script, answered(**changes))
    raw = scripted.use(kind, script((200, JOB), (200, answered(**changes))), "report_json")
    assert raw == answered(**changes)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=5) | st.just("j"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("id", "state", "data", "number", "type", "name", "size", "sha256", "next_cursor"),
                    *("finished", "estimate", "spec", "text", "warnings", "table", "rows", "states"),
                    *("teachers", "student", "schema_version", "complete", "code", "detail", "errors"),
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=10,
)
BODIES = VALUES.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40)
RAISED = st.sampled_from(
    [httpx.ConnectError("x"), httpx.ReadError("x"), httpx.DecodingError("x"), httpx.TooManyRedirects("x")]
)
HEADERS = st.sampled_from(
    [{}, {"Retry-After": "1"}, {"Retry-After": "never"}, {"Content-Encoding": "gzip"}, {"Location": "//x"}]
)
ANSWERS = RAISED | st.builds(
    lambda status, body, headers: (status, body, headers),
    st.sampled_from([200, 200, 200, 201, 204, 301, 404, 409, 422, 429, 500, 503, 599]),
    BODIES,
    HEADERS,
)
HANDLE = [
    "refresh",
    "wait",
    "events",
    "report",
    "report_json",
    "report_markdown",
    "download",
    "cancel",
    "retry",
]
CLIENT: dict[str, tuple[Any, ...]] = {
    "submit": ({"dataset": "digits"},),
    "remeasure": ("j",),
    "estimate": ({},),
    "evaluate": ("j", "digits"),
    "sweep": ({}, {}),
    "job": ("j",),
    "jobs": (),
    "open_sweep": ("s",),
}
GOOD = httpx.Response(200, json=JOB)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(ANSWERS, min_size=1, max_size=4), st.sampled_from([*HANDLE, *CLIENT]))
def test_a_broken_service_gives_nothing_but_client_errors(
    tmp_path_factory: pytest.TempPathFactory, told: list[Any], method: str
) -> None:
    clock, answers = [0.0], iter([*told, *told])

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    def answer(request: httpx.Request) -> httpx.Response:
        one = next(answers, 410)
        if isinstance(one, Exception):
            raise one
        if isinstance(one, int):
            return httpx.Response(one)
        status, body, headers = one
        return httpx.Response(status, headers=headers, stream=httpx.ByteStream(body))

    first = [GOOD] if method in HANDLE else []
    transport = httpx.MockTransport(lambda request: first.pop() if first else answer(request))
    retries = Retries(jitter=lambda: 0.0)
    with Client(transport=transport, retries=retries, clock=lambda: clock[0], sleep=sleep) as client:
        try:
            if method in CLIENT:
                found = getattr(client, method)(*CLIENT[method])
            else:
                options = {"to": tmp_path_factory.mktemp("to")} if method == "download" else {}
                found = getattr(client.job("j"), method)(**options)
            if method in ("jobs", "events"):
                list(found)
            elif hasattr(found, "_repr_html_"):
                found._repr_html_()
        except ClientError as error:
            assert str(error)


def test_the_client_needs_nothing_but_the_base() -> None:
    """In a process where no package of an extra can be imported."""
    blocked = (
        *("torch", "torchvision", "numpy", "pandas", "scipy", "matplotlib", "jinja2", "PIL", "sklearn"),
        *("safetensors", "onnx", "timm", "fastapi", "starlette", "sqlalchemy", "celery", "IPython"),
    )
    code = f"""
import sys
for name in {blocked}: sys.modules[name] = None
import httpx
import cartl
from cartl import *
answers = {{"/jobs/j": {json.dumps(JOB)}, "/jobs/j/robustness": REPORT}}
def answer(request): return httpx.Response(200, json=answers[request.url.path])
with Client(transport=httpx.MockTransport(answer)) as client:
    job = client.job("j").wait()
    report = job.report()
    job._repr_html_(), report._repr_html_(), compare([job, report])._repr_html_()
    assert all(hasattr(cartl, name) for name in cartl.__all__)
    print(report.headline)
"""
    done = subprocess.run(
        [sys.executable, "-c", f"import json\nREPORT = json.loads(input())\n{code}"],
        input=json.dumps(answered()),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "It keeps.\n"), done.stderr


def test_every_public_name_is_there_and_no_other() -> None:
    assert all(getattr(cartl, name).__doc__ for name in cartl.__all__)
    assert set(cartl.__all__) <= set(dir(cartl))
    with pytest.raises(AttributeError, match="nothing"):
        cartl.nothing  # noqa: B018
