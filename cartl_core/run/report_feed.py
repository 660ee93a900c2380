"""Who listens is told of the report as it grows: the sections that changed, and each new warning once."""

from __future__ import annotations

from typing import Any

from cartl_core.events import Reporter, ReportUpdated, Warned
from cartl_core.render import sentences
from cartl_core.report import Report


class ReportFeed:
    """Turns reports, each with more known than the one before, into events."""

    def __init__(self, report: Reporter) -> None:
        self._report = report
        self._sections: dict[str, Any] = {}
        self._warned: set[str] = set()

    def tell(self, known: Report) -> None:
        """Tell what is new; nothing where nothing is."""
        for warning in sentences.read_first(known):
            if warning not in self._warned:
                self._warned.add(warning)
                self._report(Warned(message=warning))
        sections = known.model_dump(mode="json")
        changed = {
            name: value
            for name, value in sections.items()
            if name not in self._sections or self._sections[name] != value
        }
        if changed:
            self._sections = sections
            self._report(ReportUpdated(complete=known.complete, sections=changed))
