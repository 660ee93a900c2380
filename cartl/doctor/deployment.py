"""Database and broker of the service of this machine, looked at by its own program."""

from __future__ import annotations

from collections.abc import Iterator

from cartl.doctor.finding import Finding, Status
from cartl.doctor.place import Place
from cartl.serving.extras import missing
from cartl.serving.programs import RECORD

CHECK_SECONDS = 60.0
NAMES = ("database", "broker")


def database_and_broker(place: Place) -> Iterator[Finding]:
    """As `python -m jobs check` says; before the first start there is none."""
    if missing(("api",)):
        yield Finding("database", Status.NOTE, "not looked at: no service can be started here")
        return
    if place.has_own_database and not place.database_file.exists():
        yield Finding(
            "database",
            Status.NOTE,
            f"none yet in {place.data_dir}",
            "`cartl up` makes it, and starts the service",
        )
        return
    done = RECORD.run(
        ["check"], settings=place.settings, shown=False, seconds=CHECK_SECONDS, with_errors=True
    )
    told = dict(
        line.split(": ", 1) for line in done.lines if line.partition(":")[0] in NAMES and ": " in line
    )
    if "database" not in told:
        last = next((line for line in reversed(done.lines) if line.strip()), "it said nothing")
        yield Finding(
            "database", Status.FAILED, last[:300], "mend what it names, see docs/reference/settings.md"
        )
        return
    yield Finding(
        "database",
        Status.FAILED if done.code else Status.OK,
        told["database"],
        "start it; a database of an older version: `python -m jobs migrate`" if done.code else "",
    )
    if "broker" in told:
        away = told["broker"] != "answers"
        yield Finding(
            "broker",
            Status.NOTE if away else Status.OK,
            told["broker"],
            "start it, or look at CARTL_BROKER_URL" if away else "",
        )
