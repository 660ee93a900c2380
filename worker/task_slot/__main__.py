"""``python -m worker.task_slot``: the slot for tasks of the worker that starts it, which is its parent.

A process of its own: a thread of the worker's main process would be copied, halfway through a write, into
each pool process that is forked.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from billiard.util import set_pdeathsig

from jobs import logs
from jobs.database.engine import make_engine, session_factory
from jobs.entry import ending_in_words
from jobs.files.private import keep_private
from jobs.settings import Settings
from worker.host.identity import identity_of
from worker.task_slot.slot import run_tasks
from worker.task_slot.task_command import Program, program_of
from worker.task_slot.task_supervisor import TaskContext


def main(program: Program = program_of) -> int:
    """Do tasks until SIGTERM, which comes from the worker, or from the system when that has ended."""
    terminations: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        terminations.append(number)

    signal.signal(signal.SIGTERM, note)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: the worker says when
    set_pdeathsig(signal.SIGTERM)
    parent = os.getppid()
    settings = Settings.from_env()
    logs.configure(settings)
    keep_private(settings)
    engine = make_engine(settings)
    context = TaskContext(
        settings=settings,
        factory=session_factory(engine),
        shutting_down=lambda: bool(terminations) or os.getppid() != parent,
        program=program,
    )
    try:
        run_tasks(context, identity_of(parent).worker_id)
    finally:
        engine.dispose()
    return 0


if __name__ == "__main__":
    sys.exit(ending_in_words(main))
