"""The Celery application of a worker: ``celery -A worker.app worker`` or ``python -m worker``.

``worker.app.app`` is made when it is first asked for, from the settings in the environment;
importing this module makes nothing.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

from billiard.util import get_logger, set_pdeathsig
from celery import Celery, bootsteps, signals
from sqlalchemy.orm import Session, sessionmaker

from cartl_core import __version__
from jobs import logs
from jobs.database.engine import make_engine, session_factory
from jobs.files.private import keep_private
from jobs.queue import WAKE_TASK, make_celery, notify_workers
from jobs.settings import Settings
from worker.host.devices import with_devices
from worker.host.identity import identity_of
from worker.host.maintenance import Maintenance
from worker.host.shutdown import LEEWAY_SECONDS, ShutdownFlag, end_after
from worker.host.slot_locks import SlotLocks
from worker.host.task_slot_process import COMMAND, Companions, TaskSlotProcess
from worker.sinks.switched_on import sink_processes
from worker.supervision.child_command import Prepare, prepare
from worker.tasks import run_jobs

WAKE_SECONDS = 0.5

log = logging.getLogger(__name__)


def make_app(settings: Settings, prepare: Prepare = prepare, task_slot: Sequence[str] = COMMAND) -> Celery:
    """The application with its one task, its maintenance, and a flag that is set on shutdown.

    Args:
        settings: of this process, which the processes that it starts read from the environment. Where its
            devices are `auto`, they are looked for.
        prepare: says what process runs a job.
        task_slot: the command of the process that does tasks.

    Raises:
        SettingsInvalid: a GPU is asked for that is not seen.
    """
    settings = with_devices(settings)
    app = make_celery(settings, consumer=True)
    app.conf.worker_pool_start_method = "fork"  # the shutdown flag is shared by inheritance
    shutdown, locks = ShutdownFlag(), SlotLocks(settings.worker_slots)
    beside = Companions([TaskSlotProcess(task_slot), *sink_processes(settings)])

    @app.task(name=WAKE_TASK, ignore_result=True)  # type: ignore[untyped-decorator]
    def wake(job_id: str | None = None) -> None:
        log.debug("notified of job %s", job_id)
        run_jobs(settings, shutdown, prepare, locks)

    def begin_shutdown(**_: Any) -> None:
        shutdown.set()
        beside.ask_to_end()
        end_after(settings.stop_grace_seconds + LEEWAY_SECONDS)

    def configure_logs(**_: Any) -> None:
        logs.configure(settings)
        get_logger().propagate = True  # what the pool says would go past the formatter

    # With a receiver Celery leaves the logs alone.
    signals.setup_logging.connect(configure_logs, weak=False)
    signals.worker_shutting_down.connect(begin_shutdown, weak=False)
    signals.worker_process_init.connect(_outlive_main, weak=False)
    app.steps["worker"].add(_maintenance_step(settings, shutdown, beside))
    return app


def _outlive_main(**_: Any) -> None:
    """Celery has the system kill a pool process when the thread that made it ends: ask it to stop instead.

    So a supervisor whose main process was killed puts its job back. And with a broker without an
    event loop the thread that replaces pool processes ends first in a warm shutdown.
    """
    set_pdeathsig(signal.SIGTERM)


def _maintenance_step(settings: Settings, shutdown: ShutdownFlag, beside: Companions) -> type[bootsteps.Step]:
    """A step of the worker's start: after the pool has forked, before the broker is connected to."""

    class MaintenanceStep(bootsteps.StartStopStep):  # type: ignore[misc]
        requires = ("celery.worker.components:Pool",)

        def __init__(self, parent: Any, **options: Any) -> None:
            super().__init__(parent, **options)
            self._maintenance: Maintenance | None = None

        def start(self, parent: Any) -> None:
            self._maintenance = _maintenance(settings, shutdown, beside)
            self._maintenance.start()
            signals.worker_shutdown.connect(self._end, weak=False)

        def register_with_event_loop(self, parent: Any, hub: Any) -> None:
            """Celery looks at a shutdown only when its loop wakes up, which may take five seconds."""
            hub.call_repeatedly(WAKE_SECONDS, lambda: None)

        def stop(self, parent: Any) -> None:
            """Called before the pool's jobs have let go: the maintenance goes on until they have."""

        def _end(self, **_: Any) -> None:
            beside.end()
            if self._maintenance is not None:
                self._maintenance.stop()

    return MaintenanceStep


def _maintenance(settings: Settings, shutdown: ShutdownFlag, beside: Companions) -> Maintenance:
    celery = make_celery(settings)

    @lru_cache(maxsize=1)
    def factory() -> sessionmaker[Session]:
        return session_factory(make_engine(settings, keep_open=False))

    return Maintenance(
        settings,
        identity_of(os.getpid()),
        shutdown,
        factory=factory,
        notify=lambda: notify_workers(celery),
        version=__version__,
        keep_companions=beside.keep,
    )


@cache
def _app() -> Celery:
    settings = Settings.from_env()
    keep_private(settings)
    return make_app(settings)


def __getattr__(name: str) -> Celery:
    if name == "app":
        return _app()
    raise AttributeError(name)
