"""The Celery application of a worker: ``celery -A worker.app worker`` or ``python -m worker``.

``worker.app.app`` is made when it is first asked for, from the settings in the environment;
importing this module makes nothing.
"""

from __future__ import annotations

import logging
import os
import signal
from functools import cache, lru_cache
from typing import Any

from billiard.util import get_logger, set_pdeathsig
from celery import Celery, bootsteps, signals
from sqlalchemy.orm import Session, sessionmaker

from cartl_core import __version__
from jobs import logs
from jobs.database.engine import make_engine, session_factory
from jobs.queue import DOORBELL, make_celery, ring
from jobs.settings import Settings
from worker.host.identity import identity_of
from worker.host.maintenance import Caretaker
from worker.host.shutdown_flag import Door
from worker.host.shutdown_watchdog import LEEWAY_SECONDS, end_after
from worker.supervision.child_command import Prepare, prepare
from worker.tasks import answer

WAKE_SECONDS = 0.5

log = logging.getLogger(__name__)


def make_app(settings: Settings, prepare: Prepare = prepare) -> Celery:
    """The application with its one task, its caretaker, and a door that shuts on shutdown.

    ``prepare`` says what process runs a job.
    """
    app = make_celery(settings, consumer=True)
    app.conf.worker_pool_start_method = "fork"  # the door is shared by inheritance
    door = Door()

    @app.task(name=DOORBELL, ignore_result=True)  # type: ignore[untyped-decorator]
    def doorbell(job_id: str | None = None) -> None:
        log.debug("the bell rang for job %s", job_id)
        answer(settings, door, prepare)

    def shut(**_: Any) -> None:
        door.shut()
        end_after(settings.stop_grace_seconds + LEEWAY_SECONDS)

    def configure_logs(**_: Any) -> None:
        logs.configure(settings)
        get_logger().propagate = True  # what the pool says would go past the formatter

    # With a receiver Celery leaves the logs alone.
    signals.setup_logging.connect(configure_logs, weak=False)
    signals.worker_shutting_down.connect(shut, weak=False)
    signals.worker_process_init.connect(_outlive_main, weak=False)
    app.steps["worker"].add(_caretaking(settings, door))
    return app


def _outlive_main(**_: Any) -> None:
    """Celery has the system kill a pool process when the thread that made it ends: ask it to stop instead.

    So a supervisor whose main process was killed puts its job back. And with a broker without an
    event loop the thread that replaces pool processes ends first in a warm shutdown.
    """
    set_pdeathsig(signal.SIGTERM)


def _caretaking(settings: Settings, door: Door) -> type[bootsteps.Step]:
    """A step of the worker's start: after the pool has forked, before the broker is connected to."""

    class Caretaking(bootsteps.StartStopStep):  # type: ignore[misc]
        requires = ("celery.worker.components:Pool",)

        def __init__(self, parent: Any, **options: Any) -> None:
            super().__init__(parent, **options)
            self._caretaker: Caretaker | None = None

        def start(self, parent: Any) -> None:
            self._caretaker = _caretaker(settings, door)
            self._caretaker.start()
            signals.worker_shutdown.connect(self._end, weak=False)

        def register_with_event_loop(self, parent: Any, hub: Any) -> None:
            """Celery looks at a shutdown only when its loop wakes up, which may take five seconds."""
            hub.call_repeatedly(WAKE_SECONDS, lambda: None)

        def stop(self, parent: Any) -> None:
            """Called before the pool's jobs have let go: the caretaker goes on until they have."""

        def _end(self, **_: Any) -> None:
            if self._caretaker is not None:
                self._caretaker.stop()

    return Caretaking


def _caretaker(settings: Settings, door: Door) -> Caretaker:
    bells = make_celery(settings)

    @lru_cache(maxsize=1)
    def factory() -> sessionmaker[Session]:
        return session_factory(make_engine(settings, keep_open=False))

    return Caretaker(
        settings,
        identity_of(os.getpid()),
        door,
        factory=factory,
        ring=lambda: ring(bells),
        version=__version__,
    )


@cache
def _app() -> Celery:
    return make_app(Settings.from_env())


def __getattr__(name: str) -> Celery:
    if name == "app":
        return _app()
    raise AttributeError(name)
