"""Commands that post something: `submit`, `evaluate` and `sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cartl import request as asked
from cartl.client import DEFAULT_URL, Client, Json
from cartl.commands.agreement import agree, cost_of, tell_downloads, tell_dry_run, tell_posted
from cartl.commands.options import AsJson, Key, Norm, Quiet, Url, Yes
from cartl.commands.watch import watch_sweep_to_end, watch_to_end
from cartl.terminal.output import Output


def submit(
    spec: Annotated[Path | None, typer.Argument(help="A request as JSON.", metavar="[SPEC.json]")] = None,
    dataset: Annotated[str | None, typer.Option(help="The target: NAME, or NAME:0,1,2 for classes.")] = None,
    freeze_depth: Annotated[
        str | None, typer.Option(help="Leading blocks frozen, or auto.", metavar="NUMBER|auto")
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="One of `cartl teachers list`; left out: the job trains its own.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="What the teacher learns from.")] = None,
    model: Annotated[str | None, typer.Option(help="E.g. wrn-28-4, resnet18.")] = None,
    method: Annotated[str | None, typer.Option(help="E.g. cartl, vanilla or auto.")] = None,
    preset: Annotated[str | None, typer.Option(help="smoke, quick or paper.")] = None,
    baseline: Annotated[list[str] | None, typer.Option(help="A method beside it; repeatable.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None,
    priority: Annotated[
        int | None, typer.Option(help="Among your jobs, -10 to 10; higher goes first.")
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(min=1, metavar="SECONDS", help="That one attempt may take.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="For you.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="For filters; repeatable.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what it would become.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Then show it until it ends.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Post a job: SPEC.json, or --dataset and --freeze-depth; options win over the file.

    Its id is printed, and beside it what it will cost. Before a job of more than a day, or one whose data are
    not there, it asks; where nobody can be asked, it refuses without --yes.
    """
    request = asked.build(
        spec,
        {
            "dataset": asked.data(dataset) if dataset else None,
            "freeze_depth": asked.depth(freeze_depth) if freeze_depth else None,
            "teacher": teacher,
            "source": asked.data(source) if source else None,
            "model": model,
            "method": method,
            "preset": preset,
            "baselines": baseline,
            "seed": seed,
            "priority": priority,
            "time_limit": time_limit,
            "name": name,
            "tags": tag,
        },
    )
    output = Output(as_json, quiet)
    with Client(url, key) as client:
        if dry_run:
            tell_dry_run(client.submit(request, dry_run=True), output)
        else:
            _post(client, request, output, yes=yes, watch=watch)


def _post(client: Client, request: Json, output: Output, *, yes: bool, watch: bool) -> None:
    """Post a job once its cost is agreed to."""
    agree(client.submit(request, dry_run=True), output, yes=yes)
    answer = client.submit(request)
    tell_posted(answer, output)
    if watch:
        watch_to_end(client, answer["id"], quiet=output.quiet or output.as_json)


def evaluate(
    dataset: Annotated[
        list[str],
        typer.Option(help="What it is measured on: NAME, or NAME:0,1,2 for classes; repeatable, at most 8."),
    ],
    network: Annotated[
        str | None,
        typer.Argument(help="A job whose student is measured, or a file to upload.", metavar="[ID|FILE]"),
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="In their place: one of `cartl teachers list`, by name or id.")
    ] = None,
    attacks: Annotated[str | None, typer.Option(help="An evaluation by name, e.g. quick or pgd100.")] = None,
    norm: Norm = None,
    preset: Annotated[str | None, typer.Option(help="smoke, quick or paper.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None,
    name: Annotated[str | None, typer.Option(help="For you.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="For filters; repeatable.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Then show it until it ends.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Post a job that trains nothing: a student, the network in a file, or a teacher is measured."""
    file, ref = asked.network(network, teacher)
    request = asked.build(
        None,
        {
            "kind": "evaluate",
            "network": ref,
            **_measured_on(dataset),
            "evaluate": asked.evaluation(attacks, norm),
            "preset": preset,
            "seed": seed,
            "name": name,
            "tags": tag,
        },
    )
    with Client(url, key) as client:
        if file:
            request["network"] = {"upload": client.upload(file)["id"]}
        _post(client, request, Output(as_json, quiet), yes=yes, watch=watch)


def _measured_on(datasets: list[str]) -> dict[str, Any]:
    """One data set, or several."""
    found = [asked.data(dataset) for dataset in datasets]
    return {"dataset": found[0]} if len(found) == 1 else {"datasets": found}


def sweep(
    sweep: Annotated[
        str, typer.Argument(help="A request as JSON, or the id of a sweep to show again.", metavar="FILE|ID")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count and estimate its jobs.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Print the id; do not wait for the end.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Compare settings: post a sweep, show its jobs until all have ended, print the table.

    The exit code is 0 when every job succeeded.
    """
    file = asked.file_or_id(sweep)
    output = Output(as_json, quiet)
    with Client(url, key) as client:
        if dry_run:
            request = asked.read(file or Path(sweep))
            tell_dry_run(client.submit_sweep(request, dry_run=True), output)
            return
        posted = _post_sweep(client, asked.read(file), output, yes=yes) if file else None
        sweep_id = str(posted["id"]) if posted else sweep
        if detach:
            output.line(posted or client.sweep(sweep_id), sweep_id, sweep_id)
            return
        watch_sweep_to_end(client, sweep_id, as_json=as_json, quiet=quiet)


def _post_sweep(client: Client, request: Json, output: Output, *, yes: bool) -> Json:
    """Post a sweep once its cost is agreed to."""
    dry_run = client.submit_sweep(request, dry_run=True)
    agree(dry_run, output, yes=yes)
    estimate = cost_of(dry_run)
    if estimate:
        output.say(f"all its jobs together: {estimate}")
    tell_downloads(dry_run, output)
    return client.submit_sweep(request)
