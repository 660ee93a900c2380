"""The slot's loop: claim a task, do it, and look again; about once a second while there is none."""

from __future__ import annotations

import logging
import os
import time

from sqlalchemy.exc import DBAPIError

from cartl_core.errors import describe_error
from jobs import logs
from jobs.database.engine import check_within, reading, transaction
from jobs.errors import DatabaseMismatch, DirectoryMismatch
from jobs.files.directory_id import check_directories
from jobs.store import lost_tasks, tasks
from jobs.store.tasks import TaskClaim
from worker.supervision.fenced_writer import AWAY, first_line
from worker.task_slot.task_command import COMMANDS
from worker.task_slot.task_supervisor import TaskContext, TaskSupervisor

LOOK_SECONDS = 1.0
"""Between two looks for a task. They cost one indexed read each, and no notification has to arrive."""
NAP_SECONDS = 0.1

log = logging.getLogger(__name__)


def run_tasks(context: TaskContext, worker_id: str) -> int:
    """Do tasks for the worker until it shuts down; how many were done."""
    done = 0
    while not context.shutting_down():
        claim = _claim(context, worker_id)
        if claim is None:
            _rest(context)
            continue
        with logs.about(task=claim.task_id, attempt=claim.attempt, token=claim.token):
            log.info("%s claimed: %s", claim.subject, claim.kind)
            TaskSupervisor(context, claim).run()
        done += 1
    return done


def _rest(context: TaskContext) -> None:
    until = time.monotonic() + LOOK_SECONDS
    while time.monotonic() < until and not context.shutting_down():
        time.sleep(NAP_SECONDS)


def _claim(context: TaskContext, worker_id: str) -> TaskClaim | None:
    """The next task; None too when the database is away, or is another version's."""
    settings, pid = context.settings, os.getpid()
    try:
        with reading(context.factory) as session:
            if not tasks.a_task_waits(session, COMMANDS):
                return None
        with transaction(context.factory) as session:
            lost_tasks.free_unheld_tasks(session, worker_id=worker_id, supervisor_pid=pid)
            claim = tasks.claim_task(
                session, worker_id, settings.lease_seconds, kinds=COMMANDS, supervisor_pid=pid
            )
            check_directories(session, settings)
            check_within(session)
    except (DatabaseMismatch, DirectoryMismatch) as error:
        log.error("no task is claimed: %s", error)
        return None
    except OSError as error:
        log.error("no task is claimed, a directory is not there: %s", describe_error(error))
        return None
    except (*AWAY, DBAPIError) as error:
        log.warning("no task is claimed, the database is away: %s", first_line(error))
        return None
    return claim
