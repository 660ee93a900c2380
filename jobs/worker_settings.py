"""The settings of what a worker computes on, and of which image it is."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from cartl_core.spec.data_and_model import SHA256
from jobs.devices import AUTO, ONE_CPU, Slot, parse_devices, slots_on


class WorkerSettings(BaseSettings):
    """Devices and the runs on them."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="What runs compute on; `auto`: a GPU where one is seen."
    )
    devices: str = Field(
        default=AUTO,
        description="Those of a worker, one slot on each: `cpu` and `cuda:N`, with commas; `auto`: every GPU "
        "that is seen, else `cpu`.",
    )
    threads: int | None = Field(
        default=None, ge=1, le=4096, description="Threads of a run; unset: the cores / slots of the worker."
    )
    slots: int = Field(default=1, ge=1, le=1024, description="Runs at a time on each device of a worker.")
    evaluation_shards: int = Field(
        default=1,
        ge=1,
        le=1024,
        description="Parts that an attack on test images is cut into, for the slots of all workers; 1: none.",
    )
    attack_precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto",
        description="In which long attacks begin (PGD with 100 steps or more) of jobs that have not run yet; "
        "`auto`: in bf16 where a short measurement shows that it is faster.",
    )
    image_digest: str = Field(
        default="",
        description="SHA-256 of the container image that a worker runs in, for reports and what is signed of "
        "them; unset: reports name none.",
    )

    @field_validator("devices")
    @classmethod
    def _are_devices(cls, listed: str, info: ValidationInfo) -> str:
        """Of the kind that ``device`` lets runs compute on."""
        wanted, devices = info.data.get("device", AUTO), parse_devices(listed)
        if wanted != AUTO and any(device.kind != wanted for device in devices):
            raise ValueError(f"CARTL_DEVICE is {wanted}, so no others are expected")
        return listed.strip()

    @field_validator("image_digest")
    @classmethod
    def _is_a_digest(cls, told: str) -> str:
        """Its hexadecimal digits alone."""
        digits = told.removeprefix("sha256:")
        if told and not re.fullmatch(SHA256, digits):
            raise ValueError("64 hexadecimal digits are expected, with or without `sha256:` before them")
        return digits

    @property
    def worker_slots(self) -> tuple[Slot, ...]:
        """Of a worker that has these settings; while its devices are `auto`, as without a GPU."""
        return slots_on(parse_devices(self.devices) or ONE_CPU, self.slots)
