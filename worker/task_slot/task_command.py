"""What is needed to do a task: its command line, its environment, and the files that it makes, by kind."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cartl_core.storage.store import Store
from jobs.settings import Settings
from jobs.store.resources.kinds import DATASET, NETWORK, PACK, TEACHER
from worker.supervision.child_command import environment

TIED = Path(__file__).with_name("tied_process.py")
ORDER = "order.json"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class TaskCommand:
    """One kind of task, as a process.

    Attributes:
        name: the subcommand of ``python -m cartl_core``.
        product: the file or directory that it leaves beside its result, where it found what it was to check.
        key: of the product in the store, by the parent's id.
        needs_data: it is told where the catalog's data sets lie.
    """

    name: str
    product: str
    key: Callable[[str], str]
    needs_data: bool = False


COMMANDS: dict[str, TaskCommand] = {
    DATASET.task: TaskCommand("check-dataset", PACK, lambda parent: DATASET.key(parent, PACK)),
    TEACHER.task: TaskCommand(
        "verify-teacher", NETWORK, lambda parent: TEACHER.key(parent, NETWORK), needs_data=True
    ),
}
"""The kinds that a worker of this version can do."""

Program = Callable[[TaskCommand], tuple[str, ...]]


def program_of(command: TaskCommand) -> tuple[str, ...]:
    """The program and its subcommand."""
    return (sys.executable, "-m", "cartl_core", command.name)


@contextmanager
def command_line(
    settings: Settings,
    store: Store,
    command: TaskCommand,
    order: Mapping[str, Any],
    out: Path,
    program: Program = program_of,
) -> Iterator[tuple[str, ...]]:
    """Program and arguments; what they name is there as long as the block lasts.

    Args:
        order: see ``jobs.store.resources.record.order_of``.
        out: the claim's own directory.

    Raises:
        FileNotFoundError: a file that the order names is not in the store.
    """
    written = out / ORDER
    written.write_text(json.dumps(order["order"]), encoding="utf-8")
    line = [*program(command), "--order", str(written), "--out", str(out)]
    with ExitStack() as copies:
        if order["root"] is not None:
            line += ["--root", order["root"]]
        else:
            line += ["--content", str(copies.enter_context(store.local_copy(order["content"])))]
        if command.needs_data:
            line += ["--data-root", str(settings.data_root)]
            verify = order["verify"]
            if verify is not None and verify["pack"] is not None:
                line += ["--pack", str(copies.enter_context(store.local_copy(verify["pack"])))]
            if not settings.download:
                line.append("--no-download")
        yield (sys.executable, "-I", "-S", str(TIED), str(os.getpid()), *line)


def task_environment(settings: Settings) -> dict[str, str]:
    """As of a run, with one thread and no GPU: those are the training slots'."""
    one_thread = dict.fromkeys(THREADS, "1")
    return {**environment(settings, os.environ), **one_thread, "CUDA_VISIBLE_DEVICES": ""}
