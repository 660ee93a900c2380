"""One way from a teacher to a student, with nothing left open."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cartl_core.part import Part
from cartl_core.training_spec import PretrainSpec, TransferSpec

Method = Literal["vanilla", "neft", "cartl", "consistent", "lwf", "adversarial"]


class Arm(Part):
    """One way from a teacher to a student: the job's own method, a candidate, or a baseline beside it."""

    method: Method
    freeze_depth: int = Field(ge=0, description="Leading blocks frozen.")
    pretrain: PretrainSpec
    transfer: TransferSpec
