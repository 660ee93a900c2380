from __future__ import annotations

import logging

from jobs.log_throttle import MOST_RECORDS, MOST_TRACES, Throttle


def record(message: str, *values: object, error: Exception | None = None) -> logging.LogRecord:
    told = (type(error), error, None) if error else None
    return logging.LogRecord("api", logging.WARNING, "", 0, message, values, told)


def test_records_of_one_kind_are_written_so_often_and_counted_beyond() -> None:
    now = [0.0]
    throttle = Throttle(clock=lambda: now[0])
    written = [throttle.filter(record("port %d refused", number)) for number in range(MOST_RECORDS + 40)]
    assert written == [True] * MOST_RECORDS + [False] * 40
    assert throttle.filter(record("something else"))
    now[0] = 61.0
    first, second = record("port %d refused", 7), record("port %d refused", 8)
    assert throttle.filter(first) and throttle.filter(second)
    assert first.getMessage() == "port 7 refused (40 more like it were left out)"
    assert second.getMessage() == "port 8 refused"


def test_traces_are_written_less_often_and_by_the_kind_of_error() -> None:
    throttle = Throttle(clock=lambda: 0.0)
    written = [throttle.filter(record("failed", error=ValueError("x"))) for _ in range(MOST_TRACES + 3)]
    assert written == [True] * MOST_TRACES + [False] * 3
    assert throttle.filter(record("failed", error=KeyError("x")))


def test_a_flood_of_many_kinds_takes_little_memory() -> None:
    throttle = Throttle(clock=lambda: 0.0)
    for number in range(5000):
        assert throttle.filter(record(f"kind {number}"))
    assert len(throttle._kinds) <= 1000
