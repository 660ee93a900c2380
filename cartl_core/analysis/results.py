"""What finished stages left behind, as frozen values.

``TeacherResult`` and ``StudentResult`` are stored as ``result.json`` of their stage: their field names are
data and never change.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from cartl_core.analysis.checks.observations import CheckObservations
from cartl_core.analysis.metrics import MinimalRadii
from cartl_core.report.values import Value
from cartl_core.spec import AttackSpec


class StoredValue(BaseModel):
    """A frozen value that is kept as JSON; keys that a later version added are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ValidationSet(StoredValue):
    """What the validation figures of a training are over: ``images``, so many of them ``attacked``."""

    images: int
    attacked: int
    attack: AttackSpec


class TeacherResult(StoredValue):
    """A finished training.

    Attributes:
        history: a row of metrics an epoch.
        validated: what the validation figures of ``history`` are over.
        parts: gradient-accumulation steps that the last batches were cut into for want of memory.
    """

    selected_epoch: int
    epochs: int
    history: tuple[dict[str, float], ...]
    validated: ValidationSet
    parts: int = 1


class StudentResult(TeacherResult):
    """A finished transfer; ``norms``: largest singular value of each tuned layer's reshaped weight."""

    norms: dict[str, float]


@dataclass(frozen=True)
class ImportedNetwork:
    """An existing network was copied; its file had this SHA-256."""

    sha256: str


@dataclass(frozen=True)
class AttackOutcomes:
    """Which images were right and withstood one attack, in the order of the data, and the seconds it took.

    Attributes:
        not_finite: positions of the images with an output that was infinite or not a number.
        answers: the predicted classes, of a measurement without an attack. None under an attack, and where an
            earlier version measured.
    """

    robust: tuple[bool, ...]
    seconds: float
    not_finite: frozenset[int] = frozenset()
    answers: tuple[int, ...] | None = None


@dataclass(frozen=True)
class DiagnosticResult:
    """What a diagnostic found.

    Attributes:
        minimal_radii: the smallest radius at which each test image was misclassified, where it has radii.
        observations: what was recorded image by image, where it is the checks.
    """

    value: Value
    minimal_radii: MinimalRadii | None = None
    observations: CheckObservations | None = None


StageResult = TeacherResult | StudentResult | ImportedNetwork | AttackOutcomes | DiagnosticResult
