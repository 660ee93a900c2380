"""The service at the address: does it answer, is it ready, does it take the key?"""

from __future__ import annotations

from collections.abc import Iterator

from cartl.client import Client
from cartl.doctor.finding import Finding, Status
from cartl.http.problems import ClientError, ServiceError, ServiceUnreachable

UNAUTHORIZED, FORBIDDEN = 401, 403


def service(url: str, key: str | None, *, named: bool) -> Iterator[Finding]:
    """Rows about the service.

    Args:
        url: its address.
        key: what is shown to it.
        named: the address was given: a service that does not answer there is a failure then.
    """
    with Client(url, key) as client:
        try:
            ready = client.ready()
        except ServiceUnreachable as error:
            yield Finding(
                "service",
                Status.FAILED if named else Status.NOTE,
                str(error).partition(";")[0],
                "start it: `cartl up`; or give its address with --url",
            )
            return
        except ServiceError as error:
            to_do = "give the service's address with --url" if error.status == 502 else "see its log"
            yield Finding("service", Status.FAILED, f"{client.base_url}: {error}", to_do)
            return
        lacks = ready.get("message")
        found = f"{client.base_url}: {ready.get('status', 'ready')}"
        yield Finding(
            "service", Status.NOTE if lacks else Status.OK, found, "" if lacks is None else str(lacks)
        )
        yield _key(client)


def _key(client: Client) -> Finding:
    try:
        next(iter(client.jobs(limit=1)), None)
    except ServiceError as error:
        if error.status in (UNAUTHORIZED, FORBIDDEN):
            return Finding(
                "key",
                Status.FAILED,
                str(error),
                "give one with --key or CARTL_KEY; `cartl keys create` makes one",
            )
        return Finding("key", Status.FAILED, str(error), "see the log of the service")
    except ClientError as error:
        return Finding("key", Status.FAILED, str(error), "try again")
    return Finding("key", Status.OK, "jobs can be listed")
