"""Why a teacher's file is not taken in."""

from __future__ import annotations

from cartl_core.spec.resources.teacher import TeacherRejection


class TeacherRefused(ValueError):
    """``reason`` is the code; the message names the tensor or the field, for people."""

    def __init__(self, reason: TeacherRejection, message: str) -> None:
        self.reason = reason
        self.message = message
        super().__init__(message)
