"""Where the service is, and with which key it is asked: checked before anybody is. No error shows a key."""

from __future__ import annotations

import re

import httpx

from cartl.http.problems import NotUsable

KEY = re.compile(r"[!-~]{1,1000}")
ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
"""Of jobs, sweeps, uploads, data sets and teachers."""
OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


def address_of(url: str) -> httpx.URL:
    """An address as it was typed.

    Raises:
        NotUsable: it is none.
    """
    try:
        address = httpx.URL(url.rstrip("/"))
    except (httpx.InvalidURL, ValueError) as error:
        raise NotUsable(f"the address of the service cannot be read; allowed: {ALLOWED}") from error
    if address.scheme not in ("http", "https") or not address.host:
        raise NotUsable(f"the address of the service has no scheme or no host; allowed: {ALLOWED}")
    return address


ALLOWED = "http://HOST:PORT or https://HOST:PORT, with --url or in CARTL_URL"


def authorization(key: str | None) -> dict[str, str]:
    """The header that shows ``key``; none without one.

    Raises:
        NotUsable: no header can hold it.
    """
    if not key:
        return {}
    if not KEY.fullmatch(key):
        what = "a blank or a line break" if any(map(str.isspace, key)) else "a character that no key has"
        raise NotUsable(
            f"the key (--key or CARTL_KEY) holds {what}, or is too long; give it as it was printed"
        )
    return {"Authorization": f"Bearer {key}"}


def id_in_path(given: str) -> str:
    """An id that may stand in a path.

    Raises:
        NotUsable: it is none.
    """
    if not ID.fullmatch(given):
        raise NotUsable(
            f"{given[:80]!a} is no id; allowed: 1 to 64 letters, digits, - and _, as it was printed"
        )
    return given


def owner_in_path(given: str) -> str:
    """An owner that may stand in a path.

    Raises:
        NotUsable: it is none.
    """
    if not OWNER.fullmatch(given):
        raise NotUsable(
            f"{given[:80]!a} is no owner; allowed: 1 to 64 letters, digits and . _ @ -, "
            "the first a letter or a digit"
        )
    return given
