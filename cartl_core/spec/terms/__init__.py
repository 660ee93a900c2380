"""The terms of a student's loss, a module each. A module here that has a ``TERM`` is registered by that.

From it come a field of ``TransferSpec``, its refusal beside methods that do not use it, its place in the
loss, and what the report says of it.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from pydantic import create_model

from cartl_core.spec.base import SpecModel
from cartl_core.spec.terms.term import Term

__all__ = ["TERMS", "Term", "with_weights"]


def _terms() -> dict[str, Term]:
    """By field, in the order of the modules' names."""
    modules = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
    terms: list[Term] = [module.TERM for module in modules if hasattr(module, "TERM")]
    return {term.field: term for term in terms}


TERMS = _terms()


def with_weights(part: type[SpecModel]) -> type[SpecModel]:
    """``part`` with a field for the weight of each term that it does not declare itself."""
    added: dict[str, Any] = {
        name: (float | None, term.weight) for name, term in TERMS.items() if name not in part.model_fields
    }
    if not added:
        return part
    return create_model(
        part.__name__, __base__=part, __module__=part.__module__, __doc__=part.__doc__, **added
    )
