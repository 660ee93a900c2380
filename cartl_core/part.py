"""What every piece of a specification has in common."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cartl_core.errors import SpecError

# Strict mode would refuse a parsed JSON array for a tuple; the items stay strict.
ARRAY = Field(strict=False)
P = TypeVar("P", bound="Part")


class Part(BaseModel):
    """A frozen, strict piece of a specification."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


def build(part: type[P], settings: dict[str, Any], where: str) -> P:
    """Validate a part; the first fault becomes a ``SpecError`` at its full path."""
    try:
        return part.model_validate(settings)
    except ValidationError as error:
        fault = error.errors()[0]
        path = ".".join([where, *(str(step) for step in fault["loc"])])
        raise SpecError(path, fault["msg"]) from error
