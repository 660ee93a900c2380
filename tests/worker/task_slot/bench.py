"""Scripted checks for one task, and what became of them."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.files.stores import artifact_store
from jobs.settings import Settings
from jobs.store.tasks import TaskClaim
from tests.fixtures.tasks import Parents, TaskRecord
from worker.task_slot.task_command import TaskCommand
from worker.task_slot.task_supervisor import TaskContext, TaskSupervisor

FAKE_CHECK = Path(__file__).parents[1] / "fake_check.py"


def program(command: TaskCommand) -> tuple[str, ...]:
    return (sys.executable, str(FAKE_CHECK), command.name)


@dataclass
class Bench:
    """Plays checks for the task of the parent ``p1``."""

    settings: Settings
    record: TaskRecord
    parents: Parents
    shutdown: threading.Event = field(default_factory=threading.Event)
    ended: list[str] = field(default_factory=list)

    def order(self, play: str, **more: Any) -> None:
        store = artifact_store(self.settings)
        store.put("datasets/p1/content", b"the content")
        self.parents.orders["p1"] = {
            "order": {"play": play, "pids": str(self.pids_file)},
            "content": "datasets/p1/content",
            "root": None,
            "verify": None,
            **more,
        }

    def run(self, claim: TaskClaim | None = None, **changed: Any) -> str:
        context = TaskContext(
            self.settings.model_copy(update=changed), self.record.factory, self.shutdown.is_set, program
        )
        end = TaskSupervisor(context, claim or self.record.claim()).run()
        self.ended.append(end)
        return end

    def begin(self, claim: TaskClaim | None = None) -> threading.Thread:
        thread = threading.Thread(target=self.run, args=(claim or self.record.claim(),), daemon=True)
        thread.start()
        return thread

    @property
    def pids_file(self) -> Path:
        return self.settings.data_dir / "pids"

    def pids(self) -> list[int]:
        return [int(pid) for pid in self.pids_file.read_text().split()] if self.pids_file.exists() else []

    def kept(self) -> list[str]:
        return list(artifact_store(self.settings).list("datasets"))
