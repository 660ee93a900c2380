"""How a service is reached: what an HTTP client is made with, and what its errors mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from cartl.http.address import address_of, authorization
from cartl.http.answers import not_the_service
from cartl.http.problems import NotUsable, ServiceUnreachable

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
TIMEOUT = httpx.Timeout(30.0, connect=5.0)


@dataclass(frozen=True)
class Connection:
    """One service.

    Attributes:
        base_url: its address, without a password.
        options: arguments of ``httpx.Client`` and ``httpx.AsyncClient``.
    """

    base_url: str
    options: dict[str, Any]


def connection(base_url: str, key: str | None) -> Connection:
    """The service at ``base_url``, asked with ``key``.

    Raises:
        NotUsable: the address or the key cannot be used.
    """
    url = address_of(base_url)
    options = {
        "base_url": url,
        "headers": authorization(key),
        "timeout": TIMEOUT,
        # A service on this machine must not be asked of a proxy that the environment names.
        "trust_env": url.host not in LOOPBACK,
    }
    return Connection(str(url.copy_with(userinfo=b"")).rstrip("/"), options)


@contextmanager
def proxy_errors() -> Iterator[None]:
    """What making an HTTP client raises, as ``NotUsable``."""
    try:
        yield
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise NotUsable(
            "the environment names a proxy that cannot be used (HTTP_PROXY and the like)"
        ) from error


@contextmanager
def exchange_errors(base_url: str, path: str) -> Iterator[None]:
    """What one exchange with a service raises, as ``ClientError``."""
    try:
        yield
    except httpx.TransportError as error:
        raise ServiceUnreachable(base_url, str(error) or type(error).__name__) from error
    except (httpx.RequestError, httpx.InvalidURL) as error:
        raise not_the_service(f"{path} answered what cannot be read") from error
    except UnicodeEncodeError as error:
        raise NotUsable("what was typed holds characters that are no text") from error
