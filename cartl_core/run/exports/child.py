"""What the exporting process does: each export is written, loaded back and measured, one after the other."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from pathlib import Path
from typing import TextIO

import safetensors.torch
import torch

from cartl_core.errors import describe_error
from cartl_core.nn.files import load_network
from cartl_core.nn.network import Network
from cartl_core.run.exports.formats import WRITERS
from cartl_core.run.exports.measure import ExportRefused, Reference, compare
from cartl_core.run.exports.order import Answer, Begun, Made, Order, Refused, Task

LONGEST_MESSAGE = 300

log = logging.getLogger(__name__)


def work(order_file: Path) -> None:
    """Do what the file orders, and answer on stdout."""
    _be_killed_first()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    answers = _own_stdout()
    order = Order.model_validate_json(order_file.read_bytes())
    torch.set_num_threads(order.threads)
    network = load_network(order.network)
    network.requires_grad_(False)
    images = safetensors.torch.load_file(order.images)
    reference = Reference.of(network, images["clean"], images.get("adversarial"), images["labels"])
    for task in order.tasks:
        _tell(answers, Begun(name=task.name))
        _tell(answers, _export(task, network, reference, order))


def _export(task: Task, network: Network, reference: Reference, order: Order) -> Answer:
    path = Path(task.path)
    try:
        loaded = WRITERS[task.format](network, task, path, order.classes)
        return Made(name=task.name, measured=compare(reference, loaded))
    except ExportRefused as error:
        return Refused(name=task.name, reason=error.reason, message=str(error))
    # Exporters and runtimes of others: whatever they raise, the other exports and the job go on.
    except Exception as error:
        log.exception("%s could not be made", task.name)
        said = describe_error(error).partition("\n")[0].replace(str(path.parent), "")
        message = f"{type(error).__name__}: {said}"[:LONGEST_MESSAGE]
        return Refused(name=task.name, reason="failed", message=message)


def _tell(answers: TextIO, answer: Answer) -> None:
    answers.write(answer.model_dump_json() + "\n")
    answers.flush()


def _own_stdout() -> TextIO:
    """Stdout for the answers alone: what exporters print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _be_killed_first() -> None:
    """Where memory ends, Linux is to end this process and not the run, whose report is worth more."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
