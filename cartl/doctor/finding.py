"""What one look has found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How it stands."""

    OK = "ok"
    NOTE = "note"
    """Something can be done about it; nothing has to be."""
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """A row of the table.

    Attributes:
        what: what was looked at, e.g. `disk`.
        found: what was seen.
        to_do: what to do about it; empty where nothing is.
    """

    what: str
    status: Status
    found: str
    to_do: str = ""

    def as_json(self) -> dict[str, str]:
        """As JSON has it."""
        return {"what": self.what, "status": self.status, "found": self.found, "to_do": self.to_do}
