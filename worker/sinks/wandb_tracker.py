"""Weights & Biases: a run a job, offline for ``wandb sync`` or online."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.settings import Settings
from jobs.state import JobState
from worker.sinks.values import Batch, Point

if TYPE_CHECKING:
    from wandb.sdk.wandb_run import Run

STEP = "epoch"
ENVIRONMENT = {"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}
"""What is not set by the operator: no reports of errors to its makers."""


class WandbTracker:
    """Keeps a run open for each job that has not ended.

    After a restart of this process a job goes on under the same id. Offline that is a second folder, which
    ``wandb sync`` sends into the same run.
    """

    def __init__(self, settings: Settings) -> None:
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        logging.getLogger("wandb").setLevel(logging.WARNING)  # it would tell each step of its start
        self._mode = settings.wandb_mode
        self._patience = settings.tracker_seconds / 2
        self._project = settings.wandb_project
        self._entity = settings.wandb_entity or None
        self._folder: Path = settings.wandb_dir or settings.data_dir / "wandb"
        self._runs: dict[str, Run] = {}
        self._series: set[tuple[str, str]] = set()

    def take(self, batch: Batch) -> str:
        """Log what is new; the id of the run, which is the job's."""
        run = self._runs.get(batch.job_id) or self._open(batch)
        for step in _steps(batch.points):
            self._log(run, batch.job_id, step)
        if batch.whole:
            run.summary["state"] = str(batch.state)
            run.finish(exit_code=0 if batch.state is JobState.SUCCEEDED else 1)
            del self._runs[batch.job_id]
        return batch.job_id

    def close(self) -> None:
        """Write what the open runs hold; they go on under their ids."""
        for run in self._runs.values():
            run.finish()
        self._runs.clear()

    def _open(self, batch: Batch) -> Run:
        import wandb

        self._folder.mkdir(parents=True, exist_ok=True)
        run = wandb.init(
            project=self._project,
            entity=self._entity,
            dir=str(self._folder),
            id=batch.job_id,
            resume="allow",
            name=batch.title,
            tags=list(batch.tags),
            config={**{name: _typed(text) for name, text in batch.parameters.items()}, "owner": batch.owner},
            reinit="create_new",
            settings=wandb.Settings(
                mode=self._mode,
                init_timeout=self._patience,
                silent=True,
                console="off",
                disable_git=True,
                save_code=False,
                x_disable_stats=True,
                x_disable_machine_info=True,
                x_save_requirements=False,
            ),
        )
        self._runs[batch.job_id] = run
        return run

    def _log(self, run: Run, job_id: str, points: list[Point]) -> None:
        """Points of one series and epoch; what is measured once goes into the summary."""
        series, step = points[0].series, points[0].step
        if step is None:
            run.summary.update({point.path: point.value for point in points})
            return
        axis = f"{series}/{STEP}"
        if (job_id, series) not in self._series:
            self._series.add((job_id, series))
            run.define_metric(f"{series}/*", step_metric=axis)
        values: dict[str, Any] = {point.path: point.value for point in points}
        run.log({**values, axis: step})


def _typed(text: str) -> Any:
    """A parameter as a number, a truth or a list, where it is one: W&B compares and plots them."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _steps(points: tuple[Point, ...]) -> list[list[Point]]:
    """Points of one series and epoch together, in their order."""
    grouped: dict[tuple[str, int | None], list[Point]] = {}
    for point in points:
        grouped.setdefault((point.series, point.step), []).append(point)
    return list(grouped.values())
