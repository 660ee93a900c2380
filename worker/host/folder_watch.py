"""Data sets that are folders of the server: each is looked at now and then, and marked if it changed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from sqlalchemy.orm import Session, sessionmaker

from jobs.database.engine import reading, transaction
from jobs.store.resources.record import folders, mark_changed
from jobs.tables import Dataset

SECONDS = 600.0
"""Between two looks at one folder."""

log = logging.getLogger(__name__)


class FolderWatch:
    """Which folder is to be looked at next: each once in ``seconds``, one at a time."""

    def __init__(self, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._looked: dict[str, float] = {}

    def due(self, factory: sessionmaker[Session]) -> Dataset | None:
        """The folder whose last look is the longest ago, if that is long enough; it counts as looked at."""
        with reading(factory) as session:
            known = {dataset.id: dataset for dataset in folders(session)}
        self._looked = {key: at for key, at in self._looked.items() if key in known}
        late = [key for key in known if self._clock() - self._looked.get(key, float("-inf")) >= self._seconds]
        if not late:
            return None
        chosen = min(late, key=lambda key: self._looked.get(key, float("-inf")))
        self._looked[chosen] = self._clock()
        return known[chosen]

    def mark(self, factory: sessionmaker[Session], dataset: Dataset) -> None:
        """The folder has changed: jobs may name it no more."""
        with transaction(factory) as session:
            if mark_changed(session, dataset.id):
                log.warning("the folder of data set %s has changed since it was checked", dataset.id)
