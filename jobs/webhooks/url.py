"""The URL of a webhook: read strictly, and refused where it could not be called anyway."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from jobs.errors import WebhookRefused
from jobs.webhooks.address import HOST_NAME, AllowedHosts, is_public, literal_address

LONGEST_URL = 2000
ALLOWED = "an https:// URL of a public host, without user, password and fragment"
PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True)
class Target:
    """The parts of a URL that a call needs.

    Attributes:
        host: a name, or an address without brackets.
        path: with the query.
    """

    scheme: str
    host: str
    port: int
    path: str


def read_target(url: str, allowed: AllowedHosts) -> Target:
    """The parts of ``url``; names are not looked up here, only when they are called.

    Raises:
        WebhookRefused: it is none that may be called; the words say why.
    """
    if len(url) > LONGEST_URL or not re.fullmatch(r"[\x21-\x5b\x5d-\x7e]+", url):
        raise WebhookRefused(
            f"a URL has at most {LONGEST_URL} printable ASCII characters, without blanks and \\"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise WebhookRefused("it is no URL") from error
    host = parts.hostname or ""
    if parts.scheme not in PORTS:
        raise WebhookRefused("it does not begin with https://")
    if "@" in parts.netloc or parts.fragment:
        raise WebhookRefused("it has a user, a password or a fragment")
    address = literal_address(host)
    if port == 0 or (address is None and not HOST_NAME.fullmatch(host)):
        raise WebhookRefused("it names no host that can be called")
    if parts.scheme == "http" and not allowed.has(host):
        raise WebhookRefused("only https:// is called, except on hosts that the operator has named")
    if address is not None and not (is_public(address) or allowed.has(host)):
        raise WebhookRefused("the address is not public, and the operator has not named it")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port or PORTS[parts.scheme], path)
