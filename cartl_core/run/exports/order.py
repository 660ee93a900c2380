"""What the exporting process is told, and what it tells: JSON lines, one value a line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from cartl_core.report.exports import MeasuredExport, WithheldReason
from cartl_core.spec.exports import ExportFormat


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Task(_Value):
    """One export: its format and its file. ``layout`` is that of the format ``layout``."""

    format: ExportFormat
    path: str
    layout: str | None = None

    @property
    def name(self) -> str:
        """Of the artifact."""
        return Path(self.path).name


class Order(_Value):
    """All paths are absolute."""

    network: str = Field(description="The student's network file.")
    images: str = Field(
        description="safetensors: `clean` and `adversarial` (n, C, H, W) float32 in [0, 1], `labels` (n,) "
        "int64; without an attack `adversarial` is left out."
    )
    classes: tuple[str, ...]
    tasks: tuple[Task, ...]
    threads: int = Field(ge=1)


class Begun(_Value):
    """The process is at this export now."""

    type: Literal["begun"] = "begun"
    name: str


class Made(_Value):
    """The file is whole and computes the same as the network."""

    type: Literal["made"] = "made"
    name: str
    measured: MeasuredExport


class Refused(_Value):
    """There is no such file."""

    type: Literal["refused"] = "refused"
    name: str
    reason: WithheldReason
    message: str


Answer = Annotated[Begun | Made | Refused, Field(discriminator="type")]
ANSWER: TypeAdapter[Answer] = TypeAdapter(Answer)
