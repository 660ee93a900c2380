"""One call of a webhook: to an address that was checked, within a deadline, without redirects.

The name is looked up here, and the connection goes to the very address that was checked: a name that answers
otherwise the next time (DNS rebinding) gains nothing. TLS still asks for the certificate of the name. Proxies
of the environment are not used: they would look the name up again.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from typing import Any

import httpcore
import httpx

from jobs.errors import WebhookRefused
from jobs.webhooks.address import AllowedHosts
from jobs.webhooks.deliveries import Outcome
from jobs.webhooks.url import read_target

READ_BYTES = 64 * 1024
"""Of an answer, which is not looked at: only so that a sane receiver sees its answer taken."""
MOST_ADDRESSES = 16

NOT_PUBLIC = "the host has no address that is public or that the operator has named"
UNKNOWN_HOST = "the host's name is not known"
TOO_SLOW = "no answer in time"


class CallRefused(Exception):
    """The call is not made. The message is for the owner: it tells nothing of our network."""


class _Stream(httpcore.NetworkStream):
    """A connection on which every step has what is left of the time."""

    def __init__(self, stream: httpcore.NetworkStream, ends_at: float) -> None:
        self._stream = stream
        self._ends_at = ends_at

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._ends_at))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._ends_at))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        tls = self._stream.start_tls(ssl_context, server_hostname, _left(self._ends_at))
        return _Stream(tls, self._ends_at)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _CheckedBackend(httpcore.NetworkBackend):
    """Connects to addresses that are allowed, and to no others."""

    def __init__(self, allowed: AllowedHosts, ends_at: float) -> None:
        self._allowed = allowed
        self._ends_at = ends_at
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        refused: Exception | None = None
        for address in checked_addresses(host, port, self._allowed):
            try:
                stream = self._backend.connect_tcp(address, port, _left(self._ends_at))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                refused = error
            else:
                return _Stream(stream, self._ends_at)
        raise refused or CallRefused(NOT_PUBLIC)


def checked_addresses(host: str, port: int, allowed: AllowedHosts) -> list[str]:
    """The addresses of ``host`` that may be called.

    Raises:
        CallRefused: it has none, or its name is not known.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise CallRefused(UNKNOWN_HOST) from error
    addresses = [ipaddress.ip_address(sockaddr[0]) for *_, sockaddr in found[:MOST_ADDRESSES]]
    checked = [str(address) for address in addresses if allowed.allow(host, address)]
    if not checked:
        raise CallRefused(NOT_PUBLIC)
    return list(dict.fromkeys(checked))


def call(
    url: str, headers: Mapping[str, str], body: bytes, *, allowed: AllowedHosts, seconds: float
) -> Outcome:
    """POST ``body`` to a webhook; what came of it. Nothing is raised for what a receiver does."""
    ends_at = time.monotonic() + seconds
    try:
        target = read_target(url, allowed)
        host = f"[{target.host}]" if ":" in target.host else target.host
        with (
            httpcore.ConnectionPool(
                ssl_context=httpx.create_ssl_context(), network_backend=_CheckedBackend(allowed, ends_at)
            ) as pool,
            pool.stream(
                "POST",
                f"{target.scheme}://{host}:{target.port}{target.path}",
                headers=list({"Host": _host_header(host, target.scheme, target.port), **headers}.items()),
                content=body,
            ) as response,
        ):
            status = int(response.status)
            _read_some(response)
    except (WebhookRefused, CallRefused) as error:
        return Outcome(error=str(error))
    except (httpcore.TimeoutException, TimeoutError):
        return Outcome(error=TOO_SLOW)
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError, ValueError) as error:
        return Outcome(error=f"the call has failed ({type(error).__name__})")
    return Outcome(status=status)


def _host_header(host: str, scheme: str, port: int) -> str:
    usual = {"https": 443, "http": 80}[scheme]
    return host if port == usual else f"{host}:{port}"


def _read_some(response: httpcore.Response) -> None:
    """Take the beginning of an answer; what goes wrong with it changes nothing, since its status is known."""
    taken = 0
    try:
        for part in response.iter_stream():
            taken += len(part)
            if taken >= READ_BYTES:
                return
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        return


def _left(ends_at: float) -> float:
    """Seconds that are left.

    Raises:
        TimeoutError: none are.
    """
    left = ends_at - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
