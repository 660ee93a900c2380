"""Commands about this machine: `fetch`, `prune`, `run` and `convert`, done by the other programs.

This command imports neither torch nor a database: each is a process of its own.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from cartl.commands.options import DATA_DIR, AsJson, DataDir, Quiet
from cartl.exit_codes import CANCELLED, FAILED
from cartl.serving.programs import LIBRARY, RECORD, Program
from cartl.terminal.output import Output

STOPPED, NOBODY_LISTENS = 3, 4
"""Codes of `python -m cartl_core run` that mean something else here."""
OF_RUNS = {STOPPED: CANCELLED, NOBODY_LISTENS: FAILED}


def fetch(
    name: Annotated[str, typer.Argument(help="A data set of `cartl datasets list`.", metavar="NAME")],
    data_dir: DataDir = DATA_DIR,
    data_root: Annotated[
        Path | None,
        typer.Option(envvar="CARTL_DATA_ROOT", help="Where data sets lie; left out: DATA_DIR/data."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Download a data set of the catalog to where the service of this machine looks for it."""
    root = data_root or data_dir / "data"
    _run(LIBRARY, ["fetch", f"--data-root={root}", "--", name], data_dir, Output(as_json, quiet))


def prune(
    older_than: Annotated[
        float | None,
        typer.Option(min=0, max=10_000, metavar="DAYS", help="Left out: CARTL_RETENTION_DAYS, or 30."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    data_dir: DataDir = DATA_DIR,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Remove old stages, checkpoints and files that no job needs, on the machine of the service."""
    if older_than is not None and math.isnan(older_than):
        raise typer.BadParameter("it is no number of days", param_hint="--older-than")
    days = [] if older_than is None else [f"--older-than={older_than}"]
    _run(RECORD, ["prune", *days, *(["--dry-run"] if dry_run else [])], data_dir, Output(as_json, quiet))


def run(
    spec: Annotated[Path, typer.Argument(help="A request as JSON.", metavar="SPEC.json")],
    out: Annotated[Path, typer.Option(help="Where report, weights and outcomes go.")],
    data_root: Annotated[Path, typer.Option(help="Where data sets lie.")] = DATA_DIR / "data",
    as_json: Annotated[bool, typer.Option("--json", help="Every event as a line of JSON.")] = False,
    quiet: Quiet = False,
) -> None:
    """Run a job here, without a service; `python -m cartl_core run --help` has more options."""
    progress = "none" if quiet else "jsonl" if as_json else "human"
    arguments = ["run", f"--out={out}", f"--data-root={data_root}", f"--progress={progress}", "--", str(spec)]
    code = LIBRARY.run(arguments, shown=True).code
    if code:
        raise typer.Exit(OF_RUNS.get(code, code))


def convert(
    file: Annotated[Path, typer.Argument(help="A checkpoint of torch.save.", metavar="FILE.pth")],
    out: Annotated[Path, typer.Argument(help="What is written.", metavar="OUT.safetensors")],
    key: Annotated[str | None, typer.Option(help="Which state dict, where the file holds several.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Turn FILE.pth into safetensors without running code of it; say its layout and what will be asked."""
    chosen = [f"--key={key}"] if key is not None else []
    _run(LIBRARY, ["convert", *chosen, "--", str(file), str(out)], None, Output(as_json, quiet))


def _run(program: Program, arguments: list[str], data_dir: Path | None, output: Output) -> None:
    """Run it and exit as it did; its errors are its own words, on standard error."""
    settings = {} if data_dir is None else {"CARTL_DATA_DIR": str(data_dir)}
    done = program.run(arguments, settings=settings, shown=not (output.as_json or output.quiet))
    if output.as_json:
        output.answer({"exit_code": done.code, "lines": done.lines}, lambda console: None)
    if done.code:
        raise typer.Exit(done.code)
