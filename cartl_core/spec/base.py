"""What every piece of a specification has in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetPydanticSchema, create_model
from pydantic_core import CoreSchema, PydanticCustomError

# Strict mode would refuse a parsed JSON array for a tuple; the items stay strict.
ARRAY = Field(strict=False)
# The same for objects, of which the first faulty one ends the list: each has many fields, so a long list
# would make very many faults. pydantic counts only what it has read by then, so no least length goes with it.
OBJECTS = GetPydanticSchema(lambda source, handler: _ended_by_a_fault(handler(source)))


def _ended_by_a_fault(schema: CoreSchema) -> CoreSchema:
    changed: Any = {**schema, "strict": False, "fail_fast": True}
    return changed  # type: ignore[no-any-return]


class SpecModel(BaseModel):
    """A frozen, strict piece of a specification."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


REFUSED = "refused"
"""pydantic's type of the errors that ``refusal`` makes."""


def refusal(why: str, allowed: str) -> PydanticCustomError:
    """What a validator raises that knows better than the field's schema what is allowed."""
    return PydanticCustomError(REFUSED, "{why}; allowed: {allowed}", {"why": why, "allowed": allowed})


def overrides(part: type[SpecModel], docs: str, **replaced: Any) -> type[SpecModel]:
    """The same fields as ``part``, each optional: what is left out comes from the preset.

    ``replaced`` has other types, with all their constraints, for some of the fields.
    """

    def optional(name: str) -> Any:
        field = part.model_fields[name]
        annotation: Any = replaced.get(name, field.annotation)
        for constraint in () if name in replaced else field.metadata:
            annotation = Annotated[annotation, constraint]
        return annotation | None, Field(default=None, description=field.description)

    fields = {name: optional(name) for name in part.model_fields}
    return create_model(f"{part.__name__}Overrides", __base__=SpecModel, __doc__=docs, **fields)
