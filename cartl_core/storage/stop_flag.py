"""Asking a run to stop: a flag that anyone may raise and the work looks at between steps."""

from __future__ import annotations

from typing import Literal

from cartl_core.errors import Cancelled, Interrupted

Why = Literal["cancelled", "interrupted"]


class StopFlag:
    """Raised at most once; the first reason stands, but a cancellation overrules an interruption.

    Args:
        outer: when it is raised, so is this one; not the other way round.
    """

    def __init__(self, outer: StopFlag | None = None) -> None:
        self._why: Why | None = None
        self._outer = outer

    @property
    def why(self) -> Why | None:
        """The reason, or None while the run may go on."""
        outer = self._outer.why if self._outer else None
        return outer if self._why is None or outer == "cancelled" else self._why

    def request(self, why: Why) -> None:
        """Ask the run to checkpoint and stop. Safe from any thread and from signal handlers."""
        if self._why is None or why == "cancelled":
            self._why = why

    def check(self) -> None:
        """Raise the interruption that was asked for, if any.

        Raises:
            Cancelled: the owner cancelled the run.
            Interrupted: the run should go on another time.
        """
        match self.why:
            case "cancelled":
                raise Cancelled
            case "interrupted":
                raise Interrupted
