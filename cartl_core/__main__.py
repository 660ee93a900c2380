"""The library as a command: ``python -m cartl_core run SPEC.json --out DIR`` and ``... fetch NAME``.

Exit codes: 0 finished, 1 failed, 2 the specification is wrong, 3 stopped and can go on later, 4 the
listener was gone. Events are told by ``--progress``; all else that is said goes to stderr.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from cartl_core.commands import COMMANDS
from cartl_core.compat.allocator import return_freed_memory
from cartl_core.compat.end_process import end_process
from cartl_core.compat.openmp import bound_spinning


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    given = sys.argv[1:] if arguments is None else list(arguments)
    if arguments is None:
        # This process is the command's own, and no command has loaded torch yet.
        bound_spinning(os.environ)
        return_freed_memory(os.environ)
    options = command_line(next(iter(given), None)).parse_args(given)
    code: int = options.command(options)
    return code


def command_line(first: str | None = None) -> argparse.ArgumentParser:
    """The arguments of the command.

    Args:
        first: the first word that was given: where it is a command's name, no other one is imported.
    """
    parser = argparse.ArgumentParser(prog="python -m cartl_core", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(required=True)
    for name, command in COMMANDS.items():
        one = commands.add_parser(name, help=command.summary)
        if first not in COMMANDS or first == name:
            command.complete(one)
    return parser


if __name__ == "__main__":
    end_process(main())
