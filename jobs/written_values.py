"""Folders and URLs as people write them in the environment."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

DATABASES = ("sqlite", "postgresql")
BROKERS = ("filesystem", "redis", "rediss", "sentinel", "amqp", "amqps", "memory")
"""Schemes of URLs."""


def paths_in(listed: str) -> tuple[Path, ...]:
    """The folders of a list with `:` between them, as they were written."""
    return tuple(Path(part.strip()) for part in listed.split(":") if part.strip())


def absolute(written: object) -> Path:
    """A folder as it was written, absolute.

    Raises:
        ValueError: it names nobody's home, or goes in a circle.
    """
    try:
        return Path(str(written)).expanduser().resolve()
    except RuntimeError as error:
        raise ValueError("a folder is in nobody's home, or behind links that go in a circle") from error


def with_scheme(url: str, known: tuple[str, ...]) -> str:
    """``url``, once it was seen to be one; what is said of it shows none of it."""
    try:
        parts = urlsplit(url)
        right = parts.scheme.partition("+")[0] in known and "://" in url and (parts.port or 0) >= 0
    except ValueError:
        right = False
    if not right:
        raise ValueError(f"it is no URL that begins with {', '.join(f'{scheme}://' for scheme in known)}")
    return url
