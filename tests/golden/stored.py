"""The names of the fields of stored specifications: they stand in digests and in databases."""

from __future__ import annotations

from pydantic import BaseModel

from cartl_core.spec import Arm, JobSpec, Runtime
from cartl_core.spec.existing_network import EvaluateJobSpec

MODELS: tuple[type[BaseModel], ...] = (JobSpec, EvaluateJobSpec, Arm, Runtime)


def fields(model: type[BaseModel]) -> list[str]:
    """Of the model, and of every part of it as ``PART.FIELD``."""
    schema = model.model_json_schema()
    parts = schema.get("$defs", {}).items()
    theirs = [f"{part}.{name}" for part, told in parts for name in told["properties"]]
    return sorted([*schema["properties"], *theirs])
