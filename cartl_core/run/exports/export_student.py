"""At the end of a run: the student's exports, each told of or withheld, whatever goes wrong with them."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import Path

import torch

from cartl_core.errors import Interruption, describe_error
from cartl_core.events import ArtifactWritten, ExportWithheld, Reporter
from cartl_core.report.exports import Export, WithheldReason
from cartl_core.run.active_run import ActiveRun
from cartl_core.run.exports.formats import WRITERS
from cartl_core.run.exports.layouts import layout_for
from cartl_core.run.exports.order import Begun, Made, Order, Task
from cartl_core.run.exports.process import exported
from cartl_core.run.exports.sample import export_images
from cartl_core.run.stage_runner import Services
from cartl_core.spec import JobSpec
from cartl_core.storage.atomic_write import place_whole, write_whole
from cartl_core.storage.disk_errors import disk_faults
from cartl_core.storage.stop_flag import StopFlag

BINARY = "application/octet-stream"
CLASSES = "classes.json"
FOLDER = ".exports-"
PARTS: dict[str, float] = {"safetensors": 0.2, "layout": 0.2, "pt2": 4.0, "onnx": 5.0}
"""What each format takes beside the others, in seconds of five recorded runs; of `layout` it is a guess."""
PREPARING = 4.0
"""The same of what comes first: making the images that they are measured on, starting the process."""

log = logging.getLogger(__name__)


def export_student(out: Path, run: ActiveRun, network_file: Path, services: Services) -> tuple[Export, ...]:
    """Write the formats that the specification asks for below ``out``, and say what was measured of each.

    Args:
        network_file: the student's.

    Raises:
        Interruption: the run was asked to stop.
    """
    spec = run.plan.spec
    assert isinstance(spec, JobSpec)
    out = out.resolve()
    for left in out.glob(f"{FOLDER}*"):  # by an attempt that was killed
        shutil.rmtree(left, ignore_errors=True)
    with disk_faults("the exports"), tempfile.TemporaryDirectory(dir=out, prefix=FOLDER) as name:
        folder = Path(name)
        tasks = tuple(_tasks(spec, out, folder))
        if not tasks:
            return ()
        classes = run.inputs.samples["target"].data.class_names
        try:
            order = _order(run, network_file, folder, tasks, classes, services)
            return tuple(_done(order, out, folder, run, services.stop))
        except Interruption:
            raise
        # Making images and files for an export may fail as any computation does; the report is there.
        except Exception as error:
            log.exception("the student could not be exported")
            said = f"{type(error).__name__}: {describe_error(error)}"
            return tuple(_withheld(task, "failed", said, run.report) for task in tasks)


def _tasks(spec: JobSpec, out: Path, folder: Path) -> Iterator[Task]:
    """In the order in which they are made; a network without a public layout has none."""
    layout = layout_for(spec)
    names = {"pt2": "student.pt2", "onnx": "student.onnx", "layout": f"student.{layout}.safetensors"}
    for kind in WRITERS:
        if kind not in spec.exports or (kind == "layout" and layout is None):
            continue
        if kind == "safetensors":
            # It is there, whatever comes of the exports: other jobs measure it.
            yield Task(format=kind, path=str(out / "student.safetensors"))
        else:
            yield Task(
                format=kind, path=str(folder / names[kind]), layout=layout if kind == "layout" else None
            )


def _order(
    run: ActiveRun,
    network_file: Path,
    folder: Path,
    tasks: tuple[Task, ...],
    classes: tuple[str, ...],
    services: Services,
) -> Order:
    spec, runtime = run.plan.spec, services.runtime
    attacks = spec.evaluate.attacks
    _tell(tasks[0], tasks, run)
    images = folder / "images.safetensors"
    export_images(
        network_file,
        run.inputs.samples["target"].test,
        attacks[-1] if attacks else None,
        model=spec.model,
        seed=spec.seed,
        batch_size=run.inputs.batch_size,
        device=torch.device(runtime.device),
    ).save(images)
    return Order(
        network=str(network_file.resolve()),
        images=str(images),
        classes=classes,
        tasks=tasks,
        threads=runtime.threads,
    )


def _done(order: Order, out: Path, folder: Path, run: ActiveRun, stop: StopFlag) -> Iterator[Export]:
    tasks, report = {task.name: task for task in order.tasks}, run.report
    for answer in exported(order, folder, stop):
        task = tasks[answer.name]
        match answer:
            case Begun():
                _tell(task, order.tasks, run)
            case Made():
                _publish(task, out, report)
                yield Export(name=task.name, format=task.format, measured=answer.measured)
            case _:
                yield _withheld(task, answer.reason, answer.message, report)
    write_whole(out / CLASSES, json.dumps(list(order.classes), indent=1, ensure_ascii=False).encode())
    report(ArtifactWritten(name=CLASSES, path=CLASSES, media_type="application/json"))


def _publish(task: Task, out: Path, report: Reporter) -> None:
    """Let the file count, once it is whole at its place."""
    made, place = Path(task.path), out / task.name
    if made != place:
        place_whole(made, place)
        report(ArtifactWritten(name=task.name, path=task.name, media_type=BINARY))


def _withheld(task: Task, reason: WithheldReason, message: str, report: Reporter) -> Export:
    report(ExportWithheld(name=task.name, format=task.format, reason=reason, message=message))
    return Export(name=task.name, format=task.format, withheld=reason)


def _tell(task: Task, tasks: Iterable[Task], run: ActiveRun) -> None:
    """It is begun; what the ones before it take is done."""
    parts = {one.name: PARTS[one.format] for one in tasks}
    before = sum(parts[name] for name in takewhile(lambda name: name != task.name, parts))
    done = (PREPARING + before) / (PREPARING + sum(parts.values())) if before else 0.0
    run.advance_after(done, f"export {task.name}")
