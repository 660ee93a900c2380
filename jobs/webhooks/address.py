"""Where a webhook may go: to public addresses, and to what the operator has named.

A webhook makes this service call an address that a stranger chose. Without this check it would reach the
machine itself, its neighbours, and the metadata service of a cloud, which gives away credentials.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from jobs.networks import IpNetwork

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9_-]{1,63})*\.?"
)
NOT_PUBLIC = tuple(
    map(
        ipaddress.ip_network,
        (
            "168.63.129.16/32",  # the platform's own address inside Azure
            "192.0.0.0/24",  # protocol assignments; a metadata service of Oracle's cloud
            "192.88.99.0/24",  # relays from IPv6 to IPv4
            "64:ff9b::/96",  # IPv4 addresses in IPv6: whatever lies behind the translator
            "64:ff9b:1::/48",
            "2001::/23",  # protocol assignments, Teredo among them
            "2002::/16",  # IPv4 addresses in IPv6
            "fec0::/10",  # site-local of long ago
        ),
    )
)
"""Addresses that count as global in the registry of IANA, or did once, and are not the public Internet."""


@dataclass(frozen=True)
class AllowedHosts:
    """What the operator allows beside public addresses.

    Attributes:
        names: host names, in small letters.
    """

    names: frozenset[str] = frozenset()
    networks: tuple[IpNetwork, ...] = ()

    def has(self, host: str) -> bool:
        """Whether a host of a URL, name or address, is among them as it is written."""
        address = literal_address(host)
        if address is None:
            return host.lower().rstrip(".") in self.names
        return any(address in network for network in self.networks)

    def allow(self, host: str, address: IpAddress) -> bool:
        """Whether ``host``, which has this address, may be called there."""
        address = _plain(address)
        return is_public(address) or self.has(host) or any(address in network for network in self.networks)


def parse_hosts(listed: str) -> AllowedHosts:
    """The hosts of a list with commas: names, addresses and networks.

    Raises:
        ValueError: a part is none of them.
    """
    names: set[str] = set()
    networks: list[IpNetwork] = []
    for part in filter(None, map(str.strip, listed.split(","))):
        try:
            networks.append(ipaddress.ip_network(part))
        except ValueError:
            # Digits and dots alone are a mistyped address, not a name.
            if not HOST_NAME.fullmatch(part) or not re.search(r"[A-Za-z]", part):
                raise ValueError(
                    "host names, addresses and networks in CIDR form, with commas, are expected"
                ) from None
            names.add(part.lower().rstrip("."))
    return AllowedHosts(frozenset(names), tuple(networks))


def literal_address(host: str) -> IpAddress | None:
    """The address that is written as a host; None of a name."""
    try:
        return _plain(ipaddress.ip_address(host))
    except ValueError:
        return None


def is_public(address: IpAddress) -> bool:
    """Whether an address belongs to the public Internet, and to one machine there."""
    address = _plain(address)
    if address.is_multicast or not address.is_global or address.is_reserved:
        return False
    return not any(address in network for network in NOT_PUBLIC)


def _plain(address: IpAddress) -> IpAddress:
    """An IPv4 address that is written in IPv6 goes to the IPv4 one. A zone is left away: it is no address."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.scope_id is not None:
            return ipaddress.IPv6Address(int(address))
    return address
