"""A pool process is forked beside a maintenance that writes."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from sqlalchemy import text

from jobs.database.engine import make_engine, migrate
from jobs.settings import Settings
from worker.host.fork_lock import no_fork


def test_a_fork_waits_for_maintenance_and_the_child_finds_its_database_free(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    engine = make_engine(settings, keep_open=False)
    migrate(engine)
    inside, over = threading.Event(), threading.Event()

    def write() -> None:
        with no_fork():
            with engine.begin() as connection:
                connection.execute(text("DELETE FROM locks"))
                inside.set()
                time.sleep(0.5)
            over.set()

    maintenance = threading.Thread(target=write)
    maintenance.start()
    assert inside.wait(60)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            own = make_engine(settings)
            with own.connect() as connection:
                connection.exec_driver_sql("PRAGMA busy_timeout = 2000")
                connection.execute(text("DELETE FROM locks"))
            code = 0
        finally:
            os._exit(code)
    assert over.is_set()
    maintenance.join(60)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
