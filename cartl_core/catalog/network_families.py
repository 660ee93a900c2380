"""What a family of networks cannot do, as a table, and why: said when a network comes in, not in mid-job."""

from __future__ import annotations

from cartl_core.catalog.networks import model_facts
from cartl_core.spec.methods import METHODS

CONVOLUTIONS = "convolutions with batch norm, which {name} does not have"

SETTINGS_OF_BATCH_NORM: dict[str, str] = {
    "evaluate.audit": "the audit of Lipschitz constants has bounds for",
    "transfer.beta": "non-expansive tuning bounds",
    "transfer.trunk_statistics": "the statistics of a trunk are those of",
    "transfer.affine": "the affine parameters that are frozen are those of",
}
"""Fields of a request that are about convolutions with batch norm, and how to say so."""


def why_not(setting: str, model: str) -> str | None:
    """Why the network named ``model`` does not take ``setting`` of the table; None: it does.

    Raises:
        SpecError: the network is not known.
    """
    if model_facts(model).batch_norm:
        return None
    return f"{SETTINGS_OF_BATCH_NORM[setting]} {CONVOLUTIONS.format(name=model)}"


def refused_methods(model: str) -> dict[str, str]:
    """The methods that do not work from the network named ``model``: why, and what does."""
    why = why_not("transfer.beta", model)
    if why is None:
        return {}
    works = [name for name, facts in METHODS.items() if not facts.nonexpansive]
    return {
        name: f"{why}; these work: {', '.join(works)}"
        for name, facts in METHODS.items()
        if facts.nonexpansive
    }
