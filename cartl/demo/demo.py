"""The demo: choose a pair, run ours beside plain transfer and CARTL, print the report, check its promises."""

from __future__ import annotations

import json
import time
from http import HTTPStatus
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console

from cartl.client import TERMINAL, Client, Json
from cartl.demo import pairs
from cartl.demo.promises import acceptance_criteria
from cartl.http.answers import not_the_service
from cartl.http.problems import ServiceError
from cartl.serving.up import Service, Settings
from cartl.show import follow, show_outcome, show_report
from cartl.words import duration, expected
from cartl_core.render.schema_1 import read_report
from cartl_core.report import Report

TAG = "demo"
UNFINISHED = ("running", "queued")


def run(settings: Settings, console: Console, *, key: str | None = None, keep: bool = False) -> int:
    """Run the demo; returns 0 when the job succeeded and every promise for its pair was kept.

    With ``keep`` the service is left running after the report, until it is interrupted.
    """
    began = time.monotonic()
    choice = pairs.choose(settings.data_root, lambda text: _say(console, text))
    _say(console, f"The pair: {choice.pair.title}.\nWhy this one: {choice.why}.")
    with Service(settings) as service, Client(settings.url, key) as client:
        _say(console, f"The service is up: {settings.url}, everything is kept in {settings.data_dir}.")
        job = follow(client, adopt_or_post(client, choice.pair, console), console, tick=service.check)
        show_outcome(job, console)
        if job["state"] != "succeeded":
            return 1
        report = _save(client, job["id"], settings.data_dir, console)
        _say(console, f"All of this took {duration(time.monotonic() - began)}.")
        met = _check(report, choice.pair, console)
        if keep:
            _say(console, f"The service goes on at {settings.url}/jobs/{job['id']}; Ctrl-C ends it.")
            service.watch()
    return 0 if met else 1


def adopt_or_post(client: Client, pair: pairs.Pair, console: Console) -> str:
    """The id of the demo's job: one that was interrupted and asks for the same, or a new one."""
    wanted = client.submit(pair.request, dry_run=True)
    for state in UNFINISHED:
        for brief in client.jobs(tag=TAG, state=state):
            job = client.job(brief["id"])
            if job["spec_digest"] == wanted["spec_digest"]:
                _say(console, f"An earlier demo was interrupted: going on with its job {job['id']}.")
                return str(job["id"])
            cancel_unless_over(client, str(job["id"]))
    job = client.submit(pair.request)
    _say(console, f"Posted job {job['id']} ({_estimate(job)}).")
    return str(job["id"])


def cancel_unless_over(client: Client, job_id: str) -> None:
    """Ask for the end of a job that was under way when it was listed; it may have ended since."""
    try:
        client.cancel(job_id)
    except ServiceError as refused:
        if refused.status != HTTPStatus.CONFLICT or client.job(job_id)["state"] not in TERMINAL:
            raise


def _estimate(job: Json) -> str:
    return f"estimated: {expected(job.get('estimate') or {})}, less where teachers can be reused"


def _save(client: Client, job_id: str, data_dir: Path, console: Console) -> Report:
    """Print the report and keep it beside the data."""
    markdown = client.robustness_markdown(job_id)
    answer = client.robustness(job_id)
    text = json.dumps(answer, indent=2)
    try:
        # The service adds what is no part of the report, such as later measurements.
        report = read_report({name: value for name, value in answer.items() if name in Report.model_fields})
    except (ValidationError, LookupError, TypeError, AttributeError) as error:
        raise not_the_service("it answered no robustness report of this version") from error
    show_report(markdown, console)
    path = data_dir / "demo-report.md"
    path.write_text(markdown, encoding="utf-8")
    path.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    _say(console, f"\nThis report is saved as {path} and {path.with_suffix('.json')}.")
    _say(console, "Its teachers are kept: another run, or a job with another freeze depth, trains less.")
    return report


def _check(report: Report, pair: pairs.Pair, console: Console) -> bool:
    """Print what the preset promises and whether it was kept; nothing is promised for other pairs."""
    if not pair.has_acceptance_criteria:
        _say(console, "This pair is a stand-in: no figures are promised for it.")
        return True
    checked = acceptance_criteria(report)
    for criterion in checked:
        console.print(criterion.words, style="green" if criterion.met else "bold red", soft_wrap=True)
    return all(criterion.met for criterion in checked)


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
