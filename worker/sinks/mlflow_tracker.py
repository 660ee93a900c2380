"""MLflow: a run a job, with parameters, metrics and, at the end, the job's files."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from cartl_core.storage.store import Store
from jobs.files.stores import artifact_store
from jobs.settings import Settings
from jobs.state import JobState
from worker.sinks.values import Batch, JobFile

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

JOB_TAG = "cartl.job"
STATUS = {
    JobState.SUCCEEDED: "FINISHED",
    JobState.FAILED: "FAILED",
    JobState.CANCELLED: "KILLED",
}
"""Every other state is ``RUNNING``."""
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ALLOW_FILE_STORE": "true",
}
"""What is not set by the operator: no telemetry, and our own retries instead of those of the package."""
PARAMETERS_AT_ONCE, METRICS_AT_ONCE = 100, 1000
"""What the API takes in one request."""


class MlflowTracker:
    """Writes through the package's client, which speaks to servers and to folders.

    Args:
        renew: called when a part of a batch is done, so that a large file has the whole deadline for itself.
    """

    def __init__(self, settings: Settings, renew: Callable[[], None]) -> None:
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from mlflow.tracking import MlflowClient

        self._client: MlflowClient = MlflowClient(tracking_uri=settings.mlflow_uri)
        self._experiment_name = settings.mlflow_experiment
        self._experiment: str | None = None
        self._store: Store = artifact_store(settings)
        self._renew = renew

    def take(self, batch: Batch) -> str:
        """Log what is new; the id of the run."""
        run = batch.run or self._find_run(batch) or self._create_run(batch)
        if batch.claimed:
            self._client.update_run(run, status="RUNNING")
        self._log(run, batch)
        for file in batch.files:
            self._renew()
            self._send_file(run, file)
        if batch.whole:
            end = None if batch.finished_at is None else _milliseconds(batch.finished_at)
            self._client.set_terminated(run, STATUS[batch.state], end)
        return run

    def close(self) -> None:
        """Nothing is held."""

    def _log(self, run: str, batch: Batch) -> None:
        from mlflow.entities import Metric, Param

        parameters = list(batch.parameters.items()) if batch.first else []
        for start in range(0, len(parameters), PARAMETERS_AT_ONCE):
            part = parameters[start : start + PARAMETERS_AT_ONCE]
            self._client.log_batch(run, params=[Param(name, value) for name, value in part])
        for start in range(0, len(batch.points), METRICS_AT_ONCE):
            metrics = [
                Metric(point.path, point.value, _milliseconds(point.at), point.step or 0)
                for point in batch.points[start : start + METRICS_AT_ONCE]
            ]
            self._client.log_batch(run, metrics=metrics)

    def _find_run(self, batch: Batch) -> str | None:
        """The run that an attempt has made which ended before it could be noted."""
        asked = f"tags.`{JOB_TAG}` = '{batch.job_id}'"
        found: list[Any] = self._client.search_runs([self._experiment_id()], asked, max_results=1)
        return str(found[0].info.run_id) if found else None

    def _create_run(self, batch: Batch) -> str:
        tags = {JOB_TAG: batch.job_id, "cartl.owner": batch.owner, "cartl.tags": ", ".join(batch.tags)}
        made = self._client.create_run(
            self._experiment_id(), _milliseconds(batch.started_at), tags, run_name=batch.title
        )
        return str(made.info.run_id)

    def _experiment_id(self) -> str:
        if self._experiment is None:
            found = self._client.get_experiment_by_name(self._experiment_name)
            self._experiment = (
                str(self._client.create_experiment(self._experiment_name))
                if found is None
                else str(found.experiment_id)
            )
        return self._experiment

    def _send_file(self, run: str, file: JobFile) -> None:
        """Under its own name, whatever the store calls its copy."""
        with self._store.local_copy(file.key) as copy, TemporaryDirectory(prefix="cartl-mlflow-") as folder:
            link = Path(folder) / file.name
            link.symlink_to(copy)
            self._client.log_artifact(run, str(link))


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)
