"""When keys were last used: written beside the requests, so that none of them waits for it."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from jobs.database.engine import transaction
from jobs.store.rights.keys import note_use

log = logging.getLogger("cartl.api")


class KeyUses:
    """Notes the use of keys in a thread of its own; a database that is away costs the note, not a request."""

    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self._sessions = sessions
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="key-uses")
        self._lock = threading.Lock()
        self._waiting: set[str] = set()

    def note(self, key_id: str) -> None:
        """The key is used now. A key that waits to be noted already is not noted twice."""
        with self._lock:
            if key_id in self._waiting:
                return
            self._waiting.add(key_id)
        with suppress(RuntimeError):  # it is closed: the application ends
            self._thread.submit(self._write, key_id)

    def close(self) -> None:
        """Write what waits, and end."""
        self._thread.shutdown(wait=True)

    def _write(self, key_id: str) -> None:
        try:
            with transaction(self._sessions) as session:
                note_use(session, key_id)
        except SQLAlchemyError as error:
            log.warning("the last use of key %s was not noted: %s", key_id, type(error).__name__)
        finally:
            with self._lock:
                self._waiting.discard(key_id)
