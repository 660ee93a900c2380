"""``python tied_process.py PARENT PROGRAM [ARGUMENT ...]``: become a program that ends with its parent.

A script by itself, so that starting it costs next to nothing. The system kills the program when the thread
that started it is gone, however that ended; and it runs at a low priority, beside training on the same host.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
NICENESS = 10
"""Of 19: a run that trains gets about nine times as much of a core."""


def main(arguments: list[str]) -> None:
    """Tie this process to ``PARENT``, and replace it by the program."""
    parent, program = int(arguments[0]), arguments[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(f"the parent {parent} had ended before")
    os.nice(NICENESS)
    os.execv(program[0], program)


if __name__ == "__main__":
    main(sys.argv[1:])
