"""What each kind of task means for the row that it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from jobs.errors import RecordError
from jobs.settings import Settings
from jobs.store.resources.kinds import DATASET, TEACHER, TaskKind
from jobs.store.resources.record import apply_failure, apply_result, order_of


@dataclass(frozen=True)
class TaskHandler:
    """A kind's side of the record. Each function is called within the transaction of the task's change.

    Attributes:
        order: of a parent: what is to be done, as JSON values. It raises a ``RecordError`` when it cannot
            be done at all.
        succeed: stores a result; False where the parent is gone. It raises ``ValueError`` for what is no
            result.
        fail: notes that the task has failed for good, with a reason and words for people.
    """

    order: Callable[[Session, Settings, str], dict[str, Any]]
    succeed: Callable[[Session, str, dict[str, Any]], bool]
    fail: Callable[[Session, str, str, str], object]


def _check_of(kind: TaskKind) -> TaskHandler:
    """The check of a data set or a teacher."""
    return TaskHandler(
        order=lambda session, settings, parent_id: order_of(session, settings, kind, parent_id),
        succeed=lambda session, parent_id, result: apply_result(session, kind, parent_id, result),
        fail=lambda session, parent_id, reason, words: apply_failure(session, kind, parent_id, reason, words),
    )


def _no_order(session: Session, settings: Settings, parent_id: str) -> dict[str, Any]:
    raise RecordError("a part of a measurement is no order of its own: its job says what it is")


HANDLERS: dict[str, TaskHandler] = {kind.task: _check_of(kind.task) for kind in (DATASET, TEACHER)} | {
    "evaluate_shard": TaskHandler(
        order=_no_order,
        succeed=lambda session, parent_id, result: True,
        fail=lambda session, parent_id, reason, words: None,
    )
}
"""By the kind that stands in the table."""
