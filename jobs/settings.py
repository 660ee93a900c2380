"""The settings of a deployment: the only place that reads the environment (prefix ``CARTL_``)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from cartl_core.spec import Preset

SQLITE_NAME = "cartl.sqlite3"


class Settings(BaseSettings):
    """One value for api, worker and the administrator's command. Empty variables count as unset."""

    model_config = SettingsConfigDict(env_prefix="CARTL_", env_ignore_empty=True, extra="ignore", frozen=True)

    data_dir: Path = Field(default=Path(".cartl"), description="Holds everything that is not set below.")
    database_url: str = Field(
        default="", repr=False, description="SQLAlchemy URL; empty: SQLite in the data directory."
    )
    broker_url: str = Field(
        default="", repr=False, description="Celery URL; empty: folders in the data directory."
    )
    data_root: Path = Field(default=Path(), description="Data sets; unset: DATA_DIR/data.")
    artifacts_dir: Path = Field(default=Path(), description="Files for people; unset: DATA_DIR/artifacts.")
    stages_dir: Path = Field(default=Path(), description="Results and checkpoints; unset: DATA_DIR/stages.")

    default_preset: Preset = Field(default="quick", description="Of jobs that name none.")
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="What runs compute on; `auto`: a GPU where one is seen."
    )
    threads: int | None = Field(default=None, ge=1, description="Threads of a run; unset: the cores / slots.")
    slots: int = Field(default=1, ge=1, description="Runs at a time in one worker.")
    download: bool = Field(default=True, description="May a run download a data set that is missing?")

    lease_seconds: float = Field(
        default=45.0, gt=0, description="A claim that was not renewed for so long is lost."
    )
    renew_seconds: float = Field(default=10.0, gt=0, description="Between two renewals of a claim.")
    sweep_seconds: float = Field(default=5.0, gt=0, description="Between two maintenance rounds of a worker.")
    stop_grace_seconds: float = Field(default=30.0, gt=0, description="Given to a child to checkpoint.")
    checkpoint_seconds: float = Field(default=30.0, ge=0, description="Longest time between checkpoints.")
    max_attempts: int = Field(
        default=3, ge=1, le=100, description="Times in a row that a job may lose its worker without progress."
    )
    timeout_seconds: float | None = Field(
        default=None, gt=0, description="Longest time of one claim of a job; unset: no limit."
    )
    memory_bytes: int | None = Field(
        default=None, ge=1024**2, description="Memory of one run; unset: nine tenths of what the host has."
    )
    retention_days: float = Field(default=30.0, gt=0, description="What `python -m jobs prune` keeps.")

    max_queued_per_owner: int = Field(
        default=10_000, ge=1, description="Queued jobs of one owner, at submission and retry."
    )
    max_jobs_per_sweep: int = Field(default=100, ge=1, le=1000, description="Combinations of its grid.")
    max_running_per_owner: int | None = Field(
        default=None, ge=1, description="Unset: as many as there are slots."
    )
    max_epochs: int = Field(default=1000, ge=1, le=1000, description="Of one stage.")
    max_batch_size: int = Field(default=8192, ge=2, le=65_536, description="Of every batch.")
    max_attack_steps: int = Field(default=1000, ge=1, le=10_000, description="Of each attack.")
    max_restarts: int = Field(default=100, ge=1, le=100, description="Of each attack.")
    max_job_exaflop: float = Field(
        default=100.0, gt=0, description="Estimated operations of a whole job, in 1e18."
    )

    host: str = Field(default="127.0.0.1", description="Address of the API; others than loopback need a key.")
    port: int = Field(default=8000, ge=0, le=65_535, description="Port of the API.")
    require_key: bool = Field(default=False, description="Ask for a key on loopback too.")
    max_body_bytes: int = Field(default=1024 * 1024, ge=1024, description="Of a request, uploads apart.")
    max_upload_bytes: int = Field(default=1024**3, ge=1024, description="Of an uploaded network.")
    max_uploads_per_owner: int = Field(default=100, ge=1, description="Uploaded networks of one owner.")
    page_size_max: int = Field(default=200, ge=1, le=1000, description="Items on one page of a list.")
    requests_per_minute: int = Field(default=600, ge=1, description="Per key.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Of what API and workers write to stderr."
    )
    log_format: Literal["text", "json"] = Field(default="text", description="`json`: one object a line.")

    @classmethod
    def from_env(cls) -> Self:
        """Settings from the environment and the defaults."""
        return cls()

    @model_validator(mode="before")
    @classmethod
    def _inside_the_data_directory(cls, values: dict[str, object]) -> dict[str, object]:
        """What is left out lies in the data directory, which is made absolute."""
        given = {name: value for name, value in values.items() if value not in (None, "")}
        data_dir = Path(str(given.get("data_dir", ".cartl"))).expanduser().resolve()
        defaults: dict[str, object] = {
            "database_url": f"sqlite:///{data_dir / SQLITE_NAME}",
            "broker_url": "filesystem://",
            "data_root": data_dir / "data",
            "artifacts_dir": data_dir / "artifacts",
            "stages_dir": data_dir / "stages",
        }
        for name in ("data_root", "artifacts_dir", "stages_dir"):
            defaults[name] = Path(str(given.pop(name, defaults[name]))).expanduser().resolve()
        return {**defaults, **given, "data_dir": data_dir}

    @property
    def broker_dir(self) -> Path:
        """Where the filesystem broker keeps its messages."""
        return self.data_dir / "broker"

    def make_directories(self) -> None:
        """Create the data directory and its parts, for this user only."""
        for path in (self.data_dir, self.data_root, self.artifacts_dir, self.stages_dir):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
