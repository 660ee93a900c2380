"""The settings of a deployment: the only place that reads the environment (prefix ``CARTL_``)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from cartl_core.planning.estimates.scratch import DEFAULT_SCRATCH_BYTES
from cartl_core.spec import Preset
from cartl_core.spec.architecture import MOST_CLASSES
from cartl_core.spec.faults import WHOLE, Fault, faults_of
from cartl_core.spec.resources.dataset import GIB, DatasetLimits
from cartl_core.storage.shared_arrays import DEFAULT_BYTES
from jobs.errors import SettingsInvalid
from jobs.networks import parse_networks
from jobs.owner_settings import Count, OwnerSettings
from jobs.store_settings import StoreSettings
from jobs.worker_settings import WorkerSettings
from jobs.written_values import BROKERS, DATABASES, absolute, paths_in, with_scheme

PREFIX = "CARTL_"
SQLITE_NAME = "cartl.sqlite3"
MOST_ENTRIES = 10_000_000
"""Files of one folder or archive that are ever looked through."""

Seconds = Annotated[float, Field(gt=0, le=1e9)]
"""A length of time; no longer than a date can be moved by it."""
Bytes = Annotated[int, Field(ge=1024, le=2**50)]


class Settings(OwnerSettings, StoreSettings, WorkerSettings):
    """One value for api, worker and the administrator's command. Empty variables count as unset."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, allow_inf_nan=False
    )

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
    data_roots: str = Field(
        default="",
        description="Folders, absolute, with `:` between them; an operator may register those below them as "
        "data sets, where they lie.",
    )

    default_preset: Preset = Field(default="quick", description="Of jobs that name none.")
    download: bool = Field(default=True, description="May a run download a data set that is missing?")

    lease_seconds: Seconds = Field(
        default=45.0, description="A claim that was not renewed for so long is lost."
    )
    renew_seconds: Seconds = Field(default=10.0, description="Between two renewals of a claim.")
    sweep_seconds: Seconds = Field(default=5.0, description="Between two maintenance rounds of a worker.")
    stop_grace_seconds: Seconds = Field(default=30.0, description="Given to a child to checkpoint.")
    checkpoint_seconds: float = Field(
        default=30.0, ge=0, le=1e9, description="Longest time between checkpoints."
    )
    max_attempts: int = Field(
        default=3, ge=1, le=100, description="Times in a row that a job may lose its worker without progress."
    )
    timeout_seconds: Seconds | None = Field(
        default=None, description="Longest time of one claim of a job; unset: no limit."
    )
    retention_days: float = Field(
        default=30.0, gt=0, le=10_000, description="What `python -m jobs prune` keeps."
    )
    prune_every_days: float | None = Field(
        default=None,
        ge=0.01,
        le=400,
        description="Days between two prunes by the workers themselves; unset: they do not prune.",
    )
    memory_bytes: int | None = Field(
        default=None,
        ge=1024**2,
        le=2**50,
        description="Memory of one run; unset: nine tenths of what the host has.",
    )
    scratch_bytes: int = Field(
        default=DEFAULT_SCRATCH_BYTES,
        ge=0,
        le=2**50,
        description="Disk of one array that a run keeps beside its results, such as displaced images; a job "
        "that needs a larger one is refused.",
    )
    feature_cache_bytes: int = Field(
        default=DEFAULT_BYTES,
        ge=0,
        le=2**50,
        description="Disk of the features of frozen trunks that runs share, of all of them together; 0: each "
        "student makes its own.",
    )

    max_jobs_per_sweep: int = Field(default=100, ge=1, le=1000, description="Combinations of its grid.")
    max_epochs: int = Field(default=1000, ge=1, le=1000, description="Of one stage.")
    max_batch_size: int = Field(default=8192, ge=2, le=65_536, description="Of every batch.")
    max_attack_steps: int = Field(default=5000, ge=1, le=10_000, description="Of each attack.")
    max_restarts: int = Field(default=100, ge=1, le=100, description="Of each attack.")
    max_job_exaflop: float = Field(
        default=100.0, gt=0, le=1e12, description="Estimated operations of a whole job, in 1e18."
    )

    host: str = Field(default="127.0.0.1", description="Address of the API; others than loopback need a key.")
    port: int = Field(default=8000, ge=0, le=65_535, description="Port of the API.")
    require_key: bool = Field(default=False, description="Ask for a key on loopback too.")
    trusted_proxies: str = Field(
        default="",
        description="Addresses and networks of proxies, with commas; their `X-Forwarded-For` and "
        "`X-Forwarded-Proto` count, nobody else's.",
    )
    max_connections: int = Field(
        default=1000, ge=8, le=10**6, description="Of all clients; fewer where fewer open files are allowed."
    )
    max_connections_per_address: Count = Field(
        default=100, description="Behind a trusted proxy: requests at a time of one forwarded address."
    )
    head_seconds: Seconds = Field(
        default=10.0, description="For a request's head to come, and a connection to stay idle."
    )
    body_seconds: Seconds = Field(
        default=20.0, description="A body may stall for so long; later on it comes at 1 KiB a second."
    )
    max_body_bytes: Bytes = Field(default=1024 * 1024, description="Of a request, uploads apart.")
    max_upload_bytes: Bytes = Field(default=1024**3, description="Of an uploaded network.")
    max_uploads_per_owner: Count = Field(default=100, description="Uploaded networks of one owner.")
    max_upload_bytes_per_owner: Bytes = Field(
        default=10 * 1024**3, description="Of all uploaded networks of one owner."
    )
    max_dataset_bytes: Bytes = Field(default=20 * GIB, description="Of the content of a data set.")
    max_dataset_entries: int = Field(
        default=500_000, ge=1, le=MOST_ENTRIES, description="Members of its archive, files of its folder."
    )
    max_dataset_expanded_bytes: Bytes = Field(
        default=64 * GIB, description="Of its members unpacked, and of its images decoded."
    )
    max_image_pixels: int = Field(
        default=64_000_000, ge=64, le=10**9, description="Height times width of one image of it."
    )
    max_dataset_classes: int = Field(default=1000, ge=2, le=MOST_CLASSES, description="Of a data set.")
    max_dataset_depth: int = Field(default=8, ge=1, le=64, description="Folders of it inside one another.")
    max_datasets_per_owner: Count = Field(default=100, description="Data sets of one owner.")
    max_dataset_bytes_per_owner: Bytes = Field(
        default=100 * GIB, description="Of the contents of all data sets of one owner."
    )
    max_teacher_bytes: Bytes = Field(default=2 * GIB, description="Of the file of a teacher.")
    max_teachers_per_owner: Count = Field(default=100, description="Uploaded teachers of one owner.")
    max_teacher_bytes_per_owner: Bytes = Field(
        default=20 * GIB, description="Of the files of all uploaded teachers of one owner."
    )
    receive_seconds: Seconds = Field(
        default=3600.0, description="A reserved place is kept so long while no bytes come for it."
    )
    min_free_bytes: int = Field(
        default=256 * 1024**2, ge=0, le=2**50, description="Of each disk; with less, uploads are refused."
    )
    page_size_max: int = Field(default=200, ge=1, le=1000, description="Items on one page of a list.")
    requests_per_minute: Count = Field(default=600, description="Per key.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Of what API and workers write to stderr."
    )
    log_format: Literal["text", "json"] = Field(default="text", description="`json`: one object a line.")

    @classmethod
    def from_env(cls) -> Self:
        """Settings from the environment and the defaults.

        Raises:
            SettingsInvalid: naming the variables and what they may be, but no value: some are secret.
        """
        try:
            return cls()
        except ValidationError as error:
            raise SettingsInvalid("\n".join(map(_in_words, faults_of(cls, error)))) from error

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, listed: str) -> str:
        """Addresses and networks, nothing else."""
        parse_networks(listed)
        return listed

    @field_validator("data_roots")
    @classmethod
    def _are_folders(cls, listed: str) -> str:
        """Absolute paths, none of them the root of the file system; they need not be there yet."""
        for path in paths_in(listed):
            if not path.is_absolute() or absolute(path) == Path(path.anchor):
                raise ValueError("absolute folders, with `:` between them, are expected, and not `/` itself")
        return listed

    @model_validator(mode="before")
    @classmethod
    def _inside_the_data_directory(cls, values: dict[str, object]) -> dict[str, object]:
        """What is left out lies in the data directory, which is made absolute."""
        given = {name: value for name, value in values.items() if value not in (None, "")}
        data_dir = absolute(given.get("data_dir", ".cartl"))
        defaults: dict[str, object] = {
            "database_url": f"sqlite:///{data_dir / SQLITE_NAME}",
            "broker_url": "filesystem://",
            "data_root": data_dir / "data",
            "artifacts_dir": data_dir / "artifacts",
            "stages_dir": data_dir / "stages",
            "cache_dir": data_dir / "cache",
        }
        for name in ("data_root", "artifacts_dir", "stages_dir", "cache_dir"):
            defaults[name] = absolute(given.pop(name, defaults[name]))
        return {**defaults, **given, "data_dir": data_dir}

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        return with_scheme(url, DATABASES)

    @field_validator("broker_url")
    @classmethod
    def _known_broker(cls, url: str) -> str:
        return with_scheme(url, BROKERS)

    @property
    def broker_dir(self) -> Path:
        """Where the filesystem broker keeps its messages."""
        return self.data_dir / "broker"

    @property
    def file_dirs(self) -> dict[str, Path]:
        """Where files lie on this host, by what they are: beside an object store copies alone."""
        if self.store:
            return {"cache": self.cache_dir}
        return {"stages": self.stages_dir, "artifacts": self.artifacts_dir}

    @property
    def root_folders(self) -> tuple[Path, ...]:
        """The folders of ``data_roots``, links resolved."""
        return tuple(map(absolute, paths_in(self.data_roots)))

    @property
    def dataset_limits(self) -> DatasetLimits:
        """What a check of a data set allows."""
        return DatasetLimits(
            archive_bytes=self.max_dataset_bytes,
            entries=self.max_dataset_entries,
            expanded_bytes=self.max_dataset_expanded_bytes,
            image_pixels=self.max_image_pixels,
            classes=self.max_dataset_classes,
            depth=self.max_dataset_depth,
        )

    def make_directories(self) -> None:
        """Create the data directory and its parts, for this user only."""
        for path in (self.data_dir, self.data_root, *self.file_dirs.values()):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)


def _in_words(fault: Fault) -> str:
    """One fault of the environment: the variable, what is wrong, what may stand there."""
    variable = f"the folders in {PREFIX}*_DIR" if fault.field == WHOLE else PREFIX + fault.field.upper()
    return f"{variable}: {fault.message}" + (f"; allowed: {fault.allowed}" if fault.allowed else "")
