"""``python -m worker.task_slot``: the slot for tasks of the worker that starts it, which is its parent.

A process of its own: a thread of the worker's main process would be copied, halfway through a write, into
each pool process that is forked.
"""

from __future__ import annotations

import sys

from jobs import logs
from jobs.database.engine import make_engine, session_factory
from jobs.entry import ending_in_words
from jobs.files.private import keep_private
from jobs.settings import Settings
from worker.host.companion import attach_to_worker
from worker.task_slot.slot import run_tasks
from worker.task_slot.task_command import Program, program_of
from worker.task_slot.task_supervisor import TaskContext


def main(program: Program = program_of) -> int:
    """Do tasks until SIGTERM, which comes from the worker, or from the system when that has ended."""
    worker_id, shutting_down = attach_to_worker()
    settings = Settings.from_env()
    logs.configure(settings)
    keep_private(settings)
    engine = make_engine(settings)
    context = TaskContext(
        settings=settings,
        factory=session_factory(engine),
        shutting_down=shutting_down,
        program=program,
    )
    try:
        run_tasks(context, worker_id)
    finally:
        engine.dispose()
    return 0


if __name__ == "__main__":
    sys.exit(ending_in_words(main))
