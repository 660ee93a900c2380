"""Commands that post something: `submit`, `evaluate` and `sweep`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cartl import request as asked
from cartl.client import DEFAULT_URL, Client
from cartl.commands.options import Key, Url
from cartl.commands.watch import watch_sweep_to_end, watch_to_end


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
    name: Annotated[str | None, typer.Option(help="For you.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="For filters; repeatable.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what it would become.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Then show it until it ends.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Post a job: SPEC.json, or --dataset and --freeze-depth; options win over the file."""
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
            "name": name,
            "tags": tag,
        },
    )
    with Client(url, key) as client:
        answer = client.submit(request, dry_run=dry_run)
        if dry_run:
            typer.echo(json.dumps(answer, indent=2))
            return
        typer.echo(answer["id"])
        if watch:
            watch_to_end(client, answer["id"])


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
    preset: Annotated[str | None, typer.Option(help="smoke, quick or paper.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None,
    name: Annotated[str | None, typer.Option(help="For you.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="For filters; repeatable.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Then show it until it ends.")] = False,
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
            "evaluate": {"preset": attacks} if attacks else None,
            "preset": preset,
            "seed": seed,
            "name": name,
            "tags": tag,
        },
    )
    with Client(url, key) as client:
        if file:
            request["network"] = {"upload": client.upload(file)["id"]}
        answer = client.submit(request)
        typer.echo(answer["id"])
        if watch:
            watch_to_end(client, answer["id"])


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
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Compare settings: post a sweep, show its jobs until all have ended, print the table.

    The exit code is 0 when every job succeeded.
    """
    file = asked.file_or_id(sweep)
    with Client(url, key) as client:
        if dry_run:
            request = asked.read(file or Path(sweep))
            typer.echo(json.dumps(client.submit_sweep(request, dry_run=True), indent=2))
            return
        sweep_id = client.submit_sweep(asked.read(file))["id"] if file else sweep
        if detach:
            typer.echo(sweep_id)
            return
        watch_sweep_to_end(client, sweep_id)
