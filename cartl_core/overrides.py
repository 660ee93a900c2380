"""A part of a specification with every field optional, as a request writes it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, create_model

from cartl_core.part import Part


def overrides(part: type[Part], docs: str, **replaced: Any) -> type[Part]:
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
    return create_model(f"{part.__name__}Overrides", __base__=Part, __doc__=docs, **fields)
