"""What processes say to stderr: a line a record, as text or JSON, with the job and attempt it is about."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context

from jobs.log_throttle import Throttle
from jobs.settings import Settings

_subject: ContextVar[dict[str, str | int]] = ContextVar("subject")
_quiet = {
    # Every diagnostic of readiness asks Alembic for the schema's version, which it would log as news.
    "alembic": logging.WARNING,
    # They would tell whole statements with their parameters.
    "sqlalchemy": logging.WARNING,
}


@contextmanager
def about(**subject: str | int) -> Iterator[None]:
    """Records of this thread, and of those that ``thread`` makes within, say what they are about."""
    token = _subject.set(_subject.get({}) | subject)
    try:
        yield
    finally:
        _subject.reset(token)


def thread(target: Callable[[], object], name: str) -> threading.Thread:
    """A daemon thread whose records are about the same as those of its maker."""
    return threading.Thread(target=copy_context().run, args=(target,), name=name, daemon=True)


def configure(settings: Settings) -> None:
    """Send all records to stderr, as the settings say; what was configured before is replaced."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FORMATS[settings.log_format]())
    handler.addFilter(Throttle())
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name, level in _quiet.items():
        logging.getLogger(name).setLevel(level)


class Text(logging.Formatter):
    """Time, level, process, logger, message, and in brackets what it is about."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the base class's name
        """The line, before a trace that may follow it."""
        about = " ".join(f"{name}={value}" for name, value in _subject.get({}).items())
        return super().formatMessage(record) + (f" [{about}]" if about else "")


class Json(logging.Formatter):
    """One JSON object: time (UTC), level, logger, process, message; job, attempt, ...; trace."""

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        """The object, in one line."""
        told: dict[str, object] = {
            "time": f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{record.msecs:03.0f}Z",
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
            **_subject.get({}),
        }
        if record.exc_info:
            told["trace"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False)


FORMATS: dict[str, type[logging.Formatter]] = {"text": Text, "json": Json}
