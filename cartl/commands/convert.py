"""The command `convert`: a checkpoint becomes safetensors on its owner's machine."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from cartl.problems import NotUsable

NEEDED = ("torch", "safetensors")


def convert(
    file: Annotated[Path, typer.Argument(help="A checkpoint of torch.save.", metavar="FILE.pth")],
    out: Annotated[Path, typer.Argument(help="What is written.", metavar="OUT.safetensors")],
    key: Annotated[str | None, typer.Option(help="Which state dict, where the file holds several.")] = None,
) -> None:
    """Turn FILE.pth into safetensors without running code of it; say its layout and what will be asked."""
    absent = [name for name in NEEDED if find_spec(name) is None]
    if absent:
        raise NotUsable(f"convert needs {' and '.join(absent)}: pip install 'cartl[core]'")
    arguments = [*([f"--key={key}"] if key is not None else []), "--", str(file), str(out)]
    # A process of its own: this command imports no torch.
    done = subprocess.run([sys.executable, "-m", "cartl_core", "convert", *arguments], check=False)
    if done.returncode:
        raise typer.Exit(done.returncode)
