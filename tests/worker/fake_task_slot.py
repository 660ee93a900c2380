"""A real slot for tasks, whose checks are played by fake_check.py, and whose parents are files.

What is told to the parent ``ID`` is written to ``CARTL_DATA_DIR/parents/ID.json``; its order is ``ID.order``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from jobs.settings import Settings
from jobs.store import task_handlers
from jobs.store.task_handlers import TaskHandler
from tests.fixtures.tasks import KIND
from worker.task_slot.__main__ import main
from worker.task_slot.task_command import TaskCommand

FAKE_CHECK = Path(__file__).with_name("fake_check.py")


def program(command: TaskCommand) -> tuple[str, ...]:
    return (sys.executable, str(FAKE_CHECK), command.name)


def handler(parents: Path) -> TaskHandler:
    def order(session: Session, settings: Settings, parent_id: str) -> dict[str, Any]:
        asked: dict[str, Any] = json.loads((parents / f"{parent_id}.order").read_text())
        return {"order": asked, "content": None, "root": str(parents), "verify": None}

    def succeed(session: Session, parent_id: str, result: dict[str, Any]) -> bool:
        (parents / f"{parent_id}.json").write_text(json.dumps(result))
        return True

    def fail(session: Session, parent_id: str, reason: str, message: str) -> None:
        (parents / f"{parent_id}.json").write_text(json.dumps({"reason": reason, "message": message}))

    return TaskHandler(order, succeed, fail)


def register(settings: Settings) -> None:
    """From now on this process tells the files."""
    task_handlers.HANDLERS[KIND] = handler(settings.data_dir / "parents")


if __name__ == "__main__":
    register(Settings.from_env())
    sys.exit(main(program))
