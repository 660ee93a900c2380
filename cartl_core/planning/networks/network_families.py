"""What a job leaves out, or refuses by name, for a network without convolutions with batch norm."""

from __future__ import annotations

from pydantic import BaseModel

from cartl_core.catalog.network_families import why_not
from cartl_core.errors import SpecError
from cartl_core.spec import EvaluateSpec


def without_audit(evaluate: EvaluateSpec, asked: BaseModel | None, model: str) -> EvaluateSpec:
    """``evaluate`` less the audit of layers, where there are no bounds for those of ``model``.

    Args:
        asked: what the request says of the evaluation.

    Raises:
        SpecError: the request asks for it.
    """
    why = why_not("evaluate.audit", model)
    if why is None:
        return evaluate
    if getattr(asked, "audit", None) is not None:
        raise SpecError("evaluate.audit", why, allowed="null")
    return evaluate.model_copy(update={"audit": None})
