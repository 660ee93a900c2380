"""What a task has left in its directory: read within bounds, and named in the store."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from cartl_core.storage.atomic_write import sync_file, sync_tree
from cartl_core.storage.s3_store import S3Store
from cartl_core.storage.store import Store
from cartl_core.strict_json import Limits, read_file
from jobs.files.stores import FileStore
from worker.task_slot.task_command import TaskCommand

RESULT = "result.json"
LIMITS = Limits(size=8 * 1024**2, values=100_000, items=10_000)
"""A thousand classes in three splits, and the blocks of a deep network, are a tenth of it."""


class NoResult(Exception):
    """A task left no result that counts; the words say why."""


def read_result(out: Path, command: TaskCommand) -> dict[str, Any]:
    """The result in a claim's directory, whose product is there if it says that something was found.

    Raises:
        NoResult: there is none.
    """
    try:
        result = read_file(out / RESULT, LIMITS)
    except OSError as error:
        raise NoResult("it left no result") from error
    except ValueError as error:
        raise NoResult(f"its result cannot be read: {error}") from error
    if not isinstance(result, dict):
        raise NoResult("its result is no object")
    if result.get("found") is not None and not (out / command.product).exists():
        raise NoResult(f"it left no {command.product}")
    return result


def carry_logs(store: FileStore, directory: Path, key: str) -> None:
    """Move the logs of a task below ``key`` in the bucket, where there is one; what cannot be moved stays."""
    if isinstance(store, S3Store):
        with suppress(OSError):
            for log in directory.glob("attempt-*.log"):
                store.adopt(f"{key}/{log.name}", log)
            directory.rmdir()


class Product:
    """The file or directory that a task has made, to be named in the store under its claim.

    Args:
        path: in the claim's directory; need not be there.
        key: its name in the store.
    """

    def __init__(self, store: Store, path: Path, key: str) -> None:
        self._store, self._path, self._key = store, path, key

    def make_last(self) -> None:
        """Write it to the disk for good, while nobody waits for it."""
        if self._path.is_dir():
            sync_tree(self._path)
        elif self._path.exists():
            sync_file(self._path)

    def publish(self) -> None:
        """Name it; called while the claim holds, so what has the name comes from a claim that does not.

        When the transaction around it is repeated it was named before, and is left as it is.
        """
        if self._path.is_dir():
            self._store.delete(self._key)
            self._store.put_tree(self._key, self._path)
        elif self._path.exists():
            self._store.adopt(self._key, self._path)
