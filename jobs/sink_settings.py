"""The settings of what hears of jobs: trackers of experiments, and the webhooks of owners."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, field_validator
from pydantic_settings import BaseSettings

from cartl_core.spec.data_and_model import NAME
from jobs.webhooks.address import parse_hosts
from jobs.written_values import absolute

MLFLOW_SCHEMES = ("http", "https", "file")

Label = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NAME)]
"""Name of an experiment or a project of a tracker."""


class SinkSettings(BaseSettings):
    """All are off unless they are set. None of them can fail a job or hold one up."""

    mlflow_uri: str = Field(
        default="",
        repr=False,
        description="Jobs are tracked at this MLflow server, or in this `file:` folder; unset: they are not.",
    )
    mlflow_experiment: Label = Field(default="cartl", description="Of MLflow, made when it is not there.")
    wandb_mode: Literal["off", "offline", "online"] = Field(
        default="off",
        description="`offline`: jobs are written as runs of Weights & Biases, for `wandb sync`; `online`: "
        "they are sent, with `WANDB_API_KEY` of the worker.",
    )
    wandb_project: Label = Field(default="cartl", description="Of Weights & Biases.")
    wandb_entity: str = Field(
        default="", max_length=200, description="Of Weights & Biases; unset: the key's."
    )
    wandb_dir: Path | None = Field(
        default=None, description="Runs of Weights & Biases; unset: DATA_DIR/wandb."
    )
    tensorboard_dir: Path | None = Field(
        default=None, description="A folder of event files a job is written here; unset: none is."
    )
    tracker_seconds: float = Field(
        default=60.0,
        gt=0,
        le=3600,
        description="A tracker that takes longer for one batch of events is ended and started again.",
    )
    tracker_file_bytes: int = Field(
        default=100 * 1024**2, ge=0, le=2**40, description="Larger files of a job are not sent to a tracker."
    )
    webhooks: bool = Field(default=False, description="May owners register webhooks, and are they called?")
    webhook_hosts: str = Field(
        default="",
        description="Names, addresses and networks, with commas, that webhooks may go to although they are "
        "not public, and without TLS.",
    )
    max_webhooks_per_owner: int = Field(default=10, ge=1, le=1000, description="Registered at a time.")
    webhook_seconds: float = Field(
        default=10.0, gt=0, le=60, description="For one call of a webhook, from the look-up to the answer."
    )

    @field_validator("mlflow_uri")
    @classmethod
    def _known_place(cls, uri: str) -> str:
        """A server or a folder; what is said of it shows none of it."""
        if uri and urlsplit(uri).scheme not in MLFLOW_SCHEMES:
            raise ValueError("it is no URL that begins with http://, https:// or file:")
        return uri

    @field_validator("wandb_dir", "tensorboard_dir")
    @classmethod
    def _absolute(cls, folder: Path | None) -> Path | None:
        return None if folder is None else absolute(folder)

    @field_validator("webhook_hosts")
    @classmethod
    def _are_hosts(cls, listed: str) -> str:
        parse_hosts(listed)
        return listed

    @property
    def trackers(self) -> tuple[str, ...]:
        """The trackers that are switched on, by name."""
        switched = {
            "mlflow": bool(self.mlflow_uri),
            "tensorboard": self.tensorboard_dir is not None,
            "wandb": self.wandb_mode != "off",
        }
        return tuple(name for name, on in switched.items() if on)
