"""A term of a student's loss: a weight times a value, beside the cross-entropy of the target's images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

if TYPE_CHECKING:
    from cartl_core.spec.methods import MethodFacts


def by_no_other(facts: MethodFacts) -> bool:
    """Only methods that have the term in their row use it."""
    return False


@dataclass(frozen=True)
class Term:
    """What the specification, the training and the report know of a term; torch-free."""

    code: str
    """What a report calls it."""
    field: str
    """Of ``TransferSpec``: the term's weight; null where the loss is without it."""
    default: float
    """The weight of a method that has the term in its row, where neither preset nor request says one."""
    largest: float
    """The largest weight that is allowed; the least is 0."""
    description: str
    """Of the field."""
    implementation: str
    """``module:function`` of ``cartl_core.training.terms.Prepare``, imported when a student is trained."""
    metric: str
    """What its value, without the weight, is called among the metrics of training."""
    sentence: str
    """A clause for the report, with ``{weight:g}``."""
    also_used_by: Callable[[MethodFacts], bool] = by_no_other
    """Methods that may take the term up though it is not in their row."""
    replaces_decay: bool = False
    """Weights that came from the teacher do not decay towards zero where the term is on."""

    @property
    def weight(self) -> Any:
        """The field of the specification."""
        return Field(default=None, ge=0.0, le=self.largest, description=self.description)

    def used_by(self, facts: MethodFacts) -> bool:
        """Whether a request may give a weight beside this method."""
        return self.field in facts.terms or self.also_used_by(facts)
