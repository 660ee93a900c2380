"""The tree of errors. A class's docstring is its message; values are attached by the raiser.

    CartlError
    |-- SpecError                 the request cannot be run as written: nothing was started
    |   `-- ArgumentInvalid       an argument of a library function; it is a ValueError, too
    |-- JobError                  the run ended, and would end the same way again
    |   |-- DatasetMissing        |-- DatasetInvalid     |-- DataOverlap
    |   |-- LossNotFinite         |-- WeightsNotFinite   |-- OutOfMemory
    |   |-- DiskFull              |-- NetworkInvalid     `-- ResumeMismatch
    |   |                                                    `-- StageDamaged
    `-- Interruption              the run stopped without a result; it is not a failure
        |-- Cancelled             |-- Interrupted        `-- WaitingForStage

Each ``JobError`` carries a stable ``reason`` (snake case) that clients may match on.
"""

from __future__ import annotations

from typing import ClassVar


class CartlError(Exception):
    """Something went wrong in robust transfer."""

    def __init__(self, message: str | None = None, **values: object) -> None:
        self.values = values
        super().__init__(message or (type(self).__doc__ or "").strip())


def describe_error(error: BaseException) -> str:
    """What an error says, less the path that errors of the system name: a job's owner will read it."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error)


class SpecError(CartlError):
    """The specification is not valid.

    ``field`` is the dotted path of the offending field; ``allowed`` says in words what it may be.
    """

    def __init__(self, field: str, message: str, *, allowed: str | None = None) -> None:
        self.field = field
        self.message = message
        self.allowed = allowed
        hint = f"; allowed: {allowed}" if allowed else ""
        super().__init__(f"{field}: {message}{hint}", field=field, allowed=allowed)


class ArgumentInvalid(SpecError, ValueError):
    """An argument of a library function is not valid; ``field`` is its name."""


class JobError(CartlError):
    """The run failed in a way that would repeat."""

    reason: ClassVar[str] = "failed"


class DatasetMissing(JobError):
    """The data set is not on this machine and could not be downloaded."""

    reason = "dataset_missing"


class DatasetInvalid(JobError):
    """The data set's files are there but cannot be used."""

    reason = "dataset_invalid"


class DataOverlap(JobError):
    """Source and target share images, so the transfer would be measured on data it has seen."""

    reason = "data_overlap"


class LossNotFinite(JobError):
    """The training loss became infinite or not a number."""

    reason = "loss_not_finite"


class WeightsNotFinite(JobError):
    """A network has weights that are infinite or not a number; ``values["tensor"]`` is the first of them."""

    reason = "weights_not_finite"


class OutOfMemory(JobError):
    """The device ran out of memory."""

    reason = "out_of_memory"


class DiskFull(JobError):
    """No space is left where checkpoints and artifacts are written."""

    reason = "disk_full"


class NetworkInvalid(JobError):
    """The network that was to be measured is not the one that was named, or cannot be loaded."""

    reason = "network_invalid"


class ResumeMismatch(JobError):
    """A stored stage does not match what this run expects."""

    reason = "resume_mismatch"


class StageDamaged(ResumeMismatch):
    """A finished stage is not as it was written."""


class Interruption(CartlError):
    """The run stopped before it had a result."""


class Cancelled(Interruption):
    """The run was cancelled by its owner."""


class Interrupted(Interruption):
    """The run was asked to stop; it can be resumed from its last checkpoint."""


class PartFinished(Interruption):
    """The part of a stage that this process was to compute is written; there is nothing more for it to do."""


class WaitingForStage(Interruption):
    """Another run is computing a stage that this one needs."""

    def __init__(self, digest: str) -> None:
        self.digest = digest
        super().__init__(f"stage {digest} is being computed by another run", digest=digest)
