"""The address of a bucket: ``s3://bucket/prefix``."""

from __future__ import annotations

import re

URL = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/([A-Za-z0-9._/-]{0,200}))?")


def parse_bucket_url(url: str) -> tuple[str, str]:
    """The bucket and the prefix of an address; the prefix may be empty.

    Raises:
        ValueError: it is none. The message has no part of it: people put credentials into addresses.
    """
    found = URL.fullmatch(url)
    if found is None:
        raise ValueError("`s3://bucket/prefix` is expected, of letters, digits, `.`, `_` and `-`")
    return found[1], (found[2] or "").strip("/")
