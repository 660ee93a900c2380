"""A record is a line: as JSON, with what it is about, or as text."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from jobs import logs
from jobs.settings import Settings


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, put back as it was."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield root
    logging.captureWarnings(False)
    root.handlers[:], level = before
    root.setLevel(level)


def record(message: str, *values: object, trace: bool = False) -> logging.LogRecord:
    fault = sys.exc_info() if trace else None
    return logging.LogRecord("worker.x", logging.WARNING, "file.py", 1, message, values, fault)


def test_json_tells_what_a_record_is_about() -> None:
    with logs.about(job="j1", attempt=2), logs.about(token=5):
        told = json.loads(logs.Json().format(record("lease of %s\nlost", "j1")))
    assert told["message"] == "lease of j1\nlost"
    assert (told["job"], told["attempt"], told["token"]) == ("j1", 2, 5)
    assert (told["level"], told["logger"]) == ("WARNING", "worker.x")
    assert abs((datetime.now(UTC) - datetime.fromisoformat(told["time"])).total_seconds()) < 60
    assert "job" not in json.loads(logs.Json().format(record("nothing")))


def test_a_trace_stays_in_its_line() -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        line = logs.Json().format(record("it broke", trace=True))
    assert "\n" not in line
    assert "ValueError: broken" in json.loads(line)["trace"]


def test_text_tells_it_in_brackets() -> None:
    with logs.about(job="j1", attempt=2):
        assert logs.Text().format(record("hello")).endswith("worker.x: hello [job=j1 attempt=2]")
    assert logs.Text().format(record("hello")).endswith("worker.x: hello")


def test_a_thread_is_about_what_its_maker_is_about() -> None:
    said: list[str] = []
    with logs.about(job="j1"):
        inside = logs.thread(lambda: said.append(logs.Text().format(record("x"))), "inside")
    inside.start()
    inside.join(60)
    assert said[0].endswith("[job=j1]")


def test_settings_choose_the_format_and_statements_are_not_told(
    root: logging.Logger, capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    logs.configure(Settings(log_format="json", log_level="DEBUG"))
    logging.getLogger("worker").debug("seen")
    logging.getLogger("sqlalchemy.engine").info("INSERT ...")
    logging.getLogger("alembic.runtime").info("Context impl")
    lines = capsys.readouterr().err.splitlines()
    assert [json.loads(line)["message"] for line in lines] == ["seen"]


def test_warnings_are_records_too(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logs.configure(Settings(log_format="json"))
        warnings.warn("as root", stacklevel=1)
        logging.captureWarnings(False)
    (line,) = capsys.readouterr().err.splitlines()
    assert "as root" in json.loads(line)["message"]
