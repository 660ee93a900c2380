"""Where a webhook may go. Each refused address below has been a way into somebody's network."""

from __future__ import annotations

import ipaddress

import pytest

from jobs.errors import WebhookRefused
from jobs.webhooks.address import AllowedHosts, is_public, parse_hosts
from jobs.webhooks.url import LONGEST_URL, read_target

NOBODY = AllowedHosts()
NOT_PUBLIC = (
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "168.63.129.16",
    "192.0.0.192",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
)
PUBLIC = ("1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "::ffff:1.1.1.1")


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_addresses_of_this_network_are_not_public(text: str) -> None:
    address = ipaddress.ip_address(text)
    assert not is_public(address)
    assert not NOBODY.allow("example.com", address)


@pytest.mark.parametrize("text", PUBLIC)
def test_addresses_of_the_internet_are(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


def test_the_operator_names_hosts_addresses_and_networks() -> None:
    allowed = parse_hosts("Hooks.internal, 10.0.0.0/8 ,::1,")
    private = ipaddress.ip_address("192.168.0.7")
    assert allowed.allow("hooks.INTERNAL", private) and allowed.allow("hooks.internal.", private)
    assert not allowed.allow("other.internal", private)
    assert allowed.allow("any.name", ipaddress.ip_address("10.1.2.3"))
    assert allowed.allow("any.name", ipaddress.ip_address("::ffff:10.1.2.3"))
    assert allowed.has("::1") and not allowed.has("127.0.0.1")


@pytest.mark.parametrize("listed", ["a b", "10.0.0.1/8", "10.0.0", "https://x.org", "x.org:80", "*.x.org"])
def test_a_list_of_something_else_is_refused(listed: str) -> None:
    with pytest.raises(ValueError, match="host names, addresses and networks"):
        parse_hosts(listed)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "https://",
        "https:///path",
        "https://user@example.com/",
        "https://user:secret@example.com/",
        "https://example.com/#fragment",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://example.com/\r\nX: y",
        "https://example.com\\@127.0.0.1/",
        "https://exämple.com/",
        "https://[::1/",
        "https://-example.com/",
        "https://example.com/" + "a" * LONGEST_URL,
        "http://example.com/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/latest/meta-data",
    ],
)
def test_a_url_that_could_not_be_called_is_refused(url: str) -> None:
    with pytest.raises(WebhookRefused):
        read_target(url, NOBODY)


def test_a_url_is_read_into_its_parts() -> None:
    found = read_target("https://example.com:8443/a/b?c=d", NOBODY)
    assert (found.scheme, found.host, found.port, found.path) == ("https", "example.com", 8443, "/a/b?c=d")
    assert read_target("https://example.com", NOBODY).path == "/"
    assert read_target("https://[2606:4700:4700::1111]/", NOBODY).host == "2606:4700:4700::1111"


def test_http_is_called_on_hosts_that_are_named_only() -> None:
    allowed = parse_hosts("127.0.0.0/8, hooks.internal")
    assert read_target("http://127.0.0.1:8080/", allowed).port == 8080
    assert read_target("http://hooks.internal/", allowed).port == 80
    with pytest.raises(WebhookRefused, match="https"):
        read_target("http://localhost/", allowed)


def test_a_number_that_stands_for_an_address_is_a_name_here_and_is_looked_up_when_called() -> None:
    """``2130706433`` is 127.0.0.1 for many programs; the address that it leads to is what is checked."""
    assert read_target("https://2130706433/", NOBODY).host == "2130706433"
