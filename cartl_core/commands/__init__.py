"""What ``python -m cartl_core`` can do: one module for each command.

A module of ``COMMANDS`` has ``add_arguments(parser)`` and ``main(options)``, which returns the exit code.
Only the one that was asked for is imported: not each needs torch.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Command:
    """``module`` of this package, and what the command does, in a few words."""

    module: str
    summary: str

    def complete(self, parser: argparse.ArgumentParser) -> None:
        """Import the command: its arguments, and the function that ``options.command`` is then."""
        module = import_module(f"{__name__}.{self.module}")
        module.add_arguments(parser)
        main: Callable[[argparse.Namespace], int] = module.main
        parser.set_defaults(command=main)


COMMANDS = {
    "run": Command("run", "run a job from data to report"),
    "fetch": Command("fetch", "download a data set"),
    "verify-teacher": Command(
        "verify_teacher", "take in a teacher's file, whatever its layout, and measure it"
    ),
    "convert": Command("convert", "turn a .pth file into safetensors, without running code of it"),
    "machine": Command("machine", "say what this machine computes on, and which data sets lie here, as JSON"),
    "check-dataset": Command("check_dataset", "look at a data set that a person brings, and pack it"),
}
