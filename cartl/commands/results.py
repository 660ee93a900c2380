"""Commands about what jobs have found: `report` and `compare`."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console

from cartl.client import DEFAULT_URL, Client
from cartl.commands.options import AsJson, JobId, Key, Quiet, Url
from cartl.show import show_report
from cartl.terminal.completion import job_ids
from cartl.terminal.output import Output

MOST = 12


def report(
    job: JobId,
    format: Annotated[str, typer.Option(help="markdown or json.")] = "markdown",  # noqa: A002
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Print a job's robustness report, as far as it is known; with --quiet its headline alone."""
    if format not in ("markdown", "json"):
        raise typer.BadParameter("markdown or json", param_hint="--format")
    with Client(url, key) as client:
        if as_json or format == "json":
            typer.echo(json.dumps(client.robustness(job), indent=2))
        elif quiet:
            text = client.robustness(job).get("text")
            headline = text.get("headline") if isinstance(text, dict) else None
            Output(quiet=True).answer(None, lambda console: None, [str(headline or "nothing is known yet")])
        else:
            show_report(client.robustness_markdown(job), Console())


def compare(
    jobs: Annotated[
        list[str],
        typer.Argument(help=f"Two to {MOST} jobs.", metavar="ID...", autocompletion=job_ids()),
    ],
    csv: Annotated[bool, typer.Option("--csv", help="Print the figures as CSV.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Show jobs side by side; of the others the difference to the first, where the test images are the same.

    Differences are of the same images, with McNemar's exact test; --quiet prints ids and robust accuracies.
    """
    if not 2 <= len(dict.fromkeys(jobs)) <= MOST:
        raise typer.BadParameter(f"two to {MOST} different jobs", param_hint="ID...")
    # Only this command needs the models of reports, and each start would pay for them.
    from cartl.library.retrying import Retries
    from cartl.library.sync_client import Client as TypedClient
    from cartl.paired_jobs import side_by_side
    from cartl.terminal.comparison import as_csv, show_comparison

    with TypedClient(url, key, retries=Retries(tries=1)) as client:
        found = side_by_side(client, jobs)
    if csv:
        typer.echo(as_csv(found), nl=False)
        return
    rows = found.comparison.rows
    brief = (f"{row.job} {row.robust.value if row.robust else '-'}" for row in rows)
    Output(as_json, quiet).answer(found.as_json(), lambda console: show_comparison(found, console), brief)
