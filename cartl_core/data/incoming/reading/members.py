"""Members of an archive or files of a folder: names that are safe, and counts within the limits."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cartl_core.data.incoming.rejection import Rejected, Unusable
from cartl_core.spec.resources.dataset import DatasetLimits
from cartl_core.spec.visible_text import visible

LONGEST_NAME, LONGEST_PART = 4096, 255
"""Characters of a member's name, and bytes of one folder or file in it, as file systems allow."""
CHUNK = 2**20
BYTES_PER_PIXEL = 4
"""A file that is larger than this times the largest image is none."""

_DRIVE = re.compile(r"[A-Za-z]:")
SHOWN = 200


def shown(name: str) -> str:
    """A name as a message may show it: no hidden characters, and not endless."""
    text = visible(name.encode("utf-8", "replace").decode())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


@dataclass(frozen=True)
class Stamp:
    """What a file of the server looked like from outside: bytes, and when it was last written."""

    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Member:
    """One file of the content."""

    parts: tuple[str, ...]
    """Its folders and its name."""
    done: float
    """Part of the content that lies before it, 0 to 1."""
    read: Callable[[], bytes]
    """Its bytes; for the latest member only. Raises ``Unusable``, or ``Rejected`` where limits are met."""
    stamp: Stamp | None = None

    @property
    def path(self) -> str:
        """Relative to the content."""
        return "/".join(self.parts)


class Readable(Protocol):
    """What gives bytes one after another."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; none at the end."""


class Meter:
    """Counts members and unpacked bytes as they come, whatever a header says of them."""

    def __init__(self, limits: DatasetLimits) -> None:
        self.limits = limits
        self._entries = 0
        self._unpacked = 0

    def count_entry(self) -> None:
        """One member more.

        Raises:
            Rejected: there are more than the limit.
        """
        self._entries += 1
        if self._entries > self.limits.entries:
            raise Rejected(
                "archive_too_large", f"it has more than {self.limits.entries:,} members; allowed: as many"
            )

    def count_unpacked(self, size: int) -> None:
        """``size`` unpacked bytes more.

        Raises:
            Rejected: there are more than the limit.
        """
        self._unpacked += size
        if self._unpacked > self.limits.expanded_bytes:
            raise Rejected(
                "archive_too_large",
                f"it unpacks to more than {self.limits.expanded_bytes:,} bytes; allowed: as many",
            )

    @property
    def most_of_a_file(self) -> int:
        """Bytes of the largest file that is read."""
        return BYTES_PER_PIXEL * self.limits.image_pixels + CHUNK

    def read_all(self, stream: Readable, *, counted: bool = True) -> bytes:
        """All that ``stream`` gives.

        Args:
            counted: False where the stream counts its bytes itself.

        Raises:
            Unusable: it is larger than any image may be.
        """
        chunks, size = [], 0
        while chunk := stream.read(CHUNK):
            size += len(chunk)
            if counted:
                self.count_unpacked(len(chunk))
            if size > self.most_of_a_file:
                raise Unusable("file_too_large")
            chunks.append(chunk)
        return b"".join(chunks)


UNSAFE_NAMES: dict[str, Callable[[str], bool]] = {
    "is no UTF-8 text": lambda name: any("\ud800" <= one <= "\udfff" for one in name),
    "holds a NUL": lambda name: "\0" in name,
    "is absolute": lambda name: name.startswith("/") or _DRIVE.match(name) is not None,
    "holds a backslash": lambda name: "\\" in name,
    "leads upwards": lambda name: ".." in name.split("/"),
    "is too long": lambda name: (
        len(name) > LONGEST_NAME or any(len(part.encode()) > LONGEST_PART for part in name.split("/"))
    ),
}
"""What no name of a member may be; the first that fits is said."""


def safe_parts(name: str, limits: DatasetLimits) -> tuple[str, ...]:
    """The folders and the name of a member, in Unicode's composed form; empty for the top folder itself.

    Raises:
        Rejected: the name leads out of the archive, is no text, or lies too deep.
    """
    for what, fits in UNSAFE_NAMES.items():
        if fits(name):
            raise Rejected("archive_unsafe", f"the name of the member {shown(name)!r} {what}")
    parts = tuple(part for part in unicodedata.normalize("NFC", name).split("/") if part not in ("", "."))
    if len(parts) - 1 > limits.depth:
        raise Rejected(
            "archive_too_large",
            f"{shown(name)!r} lies {len(parts) - 1} folders deep; allowed: {limits.depth}",
        )
    return parts


class Seen:
    """Names of files that were met, so that each has one and none comes twice."""

    def __init__(self) -> None:
        self._names: set[tuple[str, ...]] = set()

    def add(self, parts: tuple[str, ...]) -> None:
        """Raises ``Rejected`` if a file of this name came before, or it has none."""
        if not parts:
            raise Rejected("archive_unsafe", "a member has no name")
        if parts in self._names:
            raise Rejected("archive_unsafe", f"two members are called {shown('/'.join(parts))!r}")
        self._names.add(parts)
