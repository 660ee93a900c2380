"""All looks, one after the other: one that breaks is a row like any other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cartl.doctor.deployment import database_and_broker
from cartl.doctor.finding import Finding, Status
from cartl.doctor.machine import device_and_data, disks, versions
from cartl.doctor.place import Place
from cartl.doctor.service import service
from cartl.http.problems import ClientError

Look = Callable[[], Iterator[Finding]]


def examine(place: Place, url: str, key: str | None, *, named: bool) -> Iterator[Finding]:
    """The rows, as they are found."""
    looks: dict[str, Look] = {
        "versions": versions,
        "disk": lambda: disks(place),
        "device": lambda: device_and_data(place),
        "database": lambda: database_and_broker(place),
        "service": lambda: service(url, key, named=named),
    }
    for what, look in looks.items():
        try:
            yield from look()
        except (ClientError, OSError, ValueError) as error:
            yield Finding(what, Status.FAILED, str(error)[:300] or type(error).__name__, "mend what it names")
