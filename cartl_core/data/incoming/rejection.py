"""How a check ends early: the whole content is rejected, or one file of it cannot be used."""

from __future__ import annotations

from cartl_core.errors import CartlError
from cartl_core.spec.resources.dataset import DatasetRejection


class Rejected(CartlError):
    """The content is no data set that can be used.

    Args:
        reason: for programs.
        message: what is wrong and what to do about it, for people.
    """

    def __init__(self, reason: DatasetRejection, message: str) -> None:
        super().__init__(message)
        self.reason: DatasetRejection = reason
        self.message = message


class Unusable(CartlError):
    """One file is no image that can be used; ``reason`` is a key of ``skipped.SKIPPED_IN_WORDS``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
