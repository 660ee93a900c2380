"""Notifies workers: a Celery message that says "look at the record". SQL is the only truth.

A message carries a job's id for the log alone; a worker that is woken claims the best claimable
job, whichever was named. Losing a message only delays: a worker's maintenance notifies again.

The settings below each cure something seen in practice or in the sources: see docs/explanation/faults.md.
"""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import Any

from celery import Celery
from kombu.connection import Connection
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from jobs.settings import Settings

WAKE_TASK = "cartl.doorbell"
"""The task's name on the wire."""
QUEUE = "cartl"
CONNECT_SECONDS = 0.75

# ValueError: the filesystem transport's table, read while another process writes it.
DOWN = (KombuError, OSError, RedisError, ValueError)

log = logging.getLogger(__name__)


def make_celery(settings: Settings, *, consumer: bool = False) -> Celery:
    """The Celery application, for notifying, or with ``consumer`` for a worker."""
    app = Celery("cartl", broker=_with_host(settings.broker_url), set_as_current=consumer)
    app.conf.update(
        task_default_queue=QUEUE,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        # The lease owns recovery. With late acknowledgement Redis would deliver a task again once its
        # visibility timeout had passed, for ever.
        task_acks_late=False,
        task_create_missing_queues=True,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        # A broker that went away must not end a run of many hours.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=CONNECT_SECONDS,
        broker_transport_options=_transport_options(settings, consumer),
        enable_utc=True,
    )
    if settings.broker_url.startswith("rediss:"):
        # Unless the address says otherwise: kombu would take any certificate.
        app.conf.broker_use_ssl = {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    if consumer:
        app.amqp.Connection = SoonBack
    return app


class SoonBack(Connection):
    """A worker's connection: knocks every second or two at a broker that is away.

    Celery's own pauses grow to half a minute, in which a broker that is back would not be noticed.
    """

    def ensure_connection(self, *args: Any, **options: Any) -> Connection:
        """See ``kombu.Connection``."""
        often = {"interval_start": 1, "interval_step": 1, "interval_max": 1}
        super().ensure_connection(*args, **{**often, **options})  # type: ignore[no-untyped-call]
        return self


def _with_host(url: str) -> str:
    """kombu warns of an address without a host, also for folders, which have none."""
    return f"{url}localhost" if url == "filesystem://" else url


def _transport_options(settings: Settings, consumer: bool) -> dict[str, Any]:
    if settings.broker_url.startswith("filesystem"):
        return _folders(settings.broker_dir)
    if consumer:
        return {"socket_connect_timeout": CONNECT_SECONDS, "socket_keepalive": True}
    return {
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": CONNECT_SECONDS,
        "retry_on_timeout": False,
        # Without this kombu tries to connect for ever, and a POST would hang with it.
        "max_retries": 0,
    }


def _folders(root: Path) -> dict[str, Any]:
    """Folders of the filesystem transport, made on demand: kombu makes none of them."""
    messages, control = root / "messages", root / "control"
    for folder in (messages, control):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return {
        "data_folder_in": str(messages),
        "data_folder_out": str(messages),
        "control_folder": str(control),
        "polling_interval": 0.5,
    }


def notify_workers(app: Celery, job_id: str | None = None) -> bool:
    """Wake one worker. A broker that is down is no error: False, within two seconds."""
    try:
        app.send_task(WAKE_TASK, args=[job_id], queue=QUEUE, retry=False, ignore_result=True)
    except DOWN as error:
        log.warning("the workers were not notified: %s", type(error).__name__)
        return False
    return True


def broker_answers(app: Celery) -> bool:
    """True when the broker can be reached now; for readiness."""
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
    except DOWN as error:
        log.info("the broker does not answer: %s", type(error).__name__)
        return False
    return True
