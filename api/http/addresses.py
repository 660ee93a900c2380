"""Whom an address stands for: IPv6 networks of one customer as one, IPv4 written as IPv6 as IPv4."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

CUSTOMER_PREFIX = 64
"""Bits of an IPv6 address that a provider gives away as one piece."""
LOCAL_NAMES = {"localhost"}


@lru_cache(maxsize=10_000)
def origin_of(host: str | None) -> str:
    """What the limits of an address are counted under; ``host`` itself where it is no IP address."""
    try:
        address = ipaddress.ip_address((host or "").partition("%")[0])
    except ValueError:
        return host or ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, CUSTOMER_PREFIX), strict=False))


def is_loopback(host: str | None) -> bool:
    """True for localhost and the addresses of this machine's own loopback."""
    if host is None:
        return False
    name = host.lower().rstrip(".")
    if name in LOCAL_NAMES or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
