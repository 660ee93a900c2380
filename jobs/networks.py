"""Lists of addresses and networks, as in ``CARTL_TRUSTED_PROXIES``: `10.0.0.5, 192.168.0.0/16, ::1`."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_networks(listed: str) -> tuple[IpNetwork, ...]:
    """The networks of a list with commas; an address is a network of one.

    Raises:
        ValueError: a part is neither.
    """
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in listed.split(",") if part.strip())
    except ValueError:
        # The library's own words repeat what was written, which may be secret.
        raise ValueError("addresses and networks in CIDR form, with commas, are expected") from None


def contains(networks: Iterable[IpNetwork], host: str | None) -> bool:
    """True when ``host`` is an address in one of ``networks``."""
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return False
    return any(address in network for network in networks)
