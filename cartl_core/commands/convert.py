"""``convert``: turn a .pth file into safetensors on its owner's machine, and say what a service will ask."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cartl_core.catalog.layouts import TeacherRefused, recognise
from cartl_core.catalog.network_file import HEADER_KEY
from cartl_core.catalog.network_tensors import FoundTensor
from cartl_core.commands.exit_codes import FAILED, FINISHED
from cartl_core.errors import SpecError, describe_error
from cartl_core.nn.convert_checkpoint import MOST_SHOWN, convert_checkpoint
from cartl_core.nn.import_teacher import read_published_header


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command."""
    parser.add_argument("file", type=Path, metavar="FILE.pth", help="a checkpoint of torch.save")
    parser.add_argument("out", type=Path, metavar="OUT.safetensors", help="what is written")
    parser.add_argument("--key", help="which state dict, dotted, where the file holds several")


def main(options: argparse.Namespace) -> int:
    """Convert; returns the exit code."""
    try:
        converted = convert_checkpoint(options.file, options.out, options.key)
        told = "\n".join(_told(options.out))
    except SpecError as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    except OSError as error:
        sys.stderr.write(f"{options.file.name}: {describe_error(error)}\n")
        return FAILED
    where = f" of {converted.key!r}" if converted.key else ""
    sys.stdout.write(f"{options.out.name}: {converted.tensors} tensors{where}\n{told}\n")
    if converted.left_out:
        named = ", ".join(map(ascii, converted.left_out[:MOST_SHOWN]))
        sys.stdout.write(f"left out, as they are no tensors: {named}\n")
    return FINISHED


def _told(path: Path) -> list[str]:
    """The layout, and what it does not tell."""
    try:
        header = read_published_header(path)
        if HEADER_KEY in header.metadata:
            return ["layout: ours"]
        found = recognise({tensor.name: FoundTensor(tensor.dtype, tensor.shape) for tensor in header.tensors})
    except TeacherRefused as refused:
        return [f"layout not settled ({refused.reason}): {refused.message}"]
    model, row = found.model, found.row
    lines = [
        f"layout: {row.name} ({row.about}; {row.computes})",
        f"network: {model.name}, {model.channels} channels, {model.image_size} pixels, "
        f"{found.classes} classes",
    ]
    if found.means and found.deviations:
        return [*lines, f"normalisation: in the file, {found.means[0]} and {found.deviations[0]}"]
    return [*lines, 'normalisation: not in the file, it will be asked for: mean and std, or "none"']
