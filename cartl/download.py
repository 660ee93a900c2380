"""`python -m cartl.download BASE_URL FOLDER NAME...`: fetch files by HTTPS, or say why not.

A process of its own, so that whoever starts it can end it in the middle of a name lookup.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import httpx

TIMEOUT = httpx.Timeout(8.0, connect=4.0)
FILE_BYTES_MAX = 64 << 20


def download(client: httpx.Client, url: str, path: Path) -> None:
    """Write what ``url`` holds to ``path``; raises ``httpx.HTTPError`` or, when too large, ``ValueError``."""
    with client.stream("GET", url) as response, path.open("wb") as file:
        response.raise_for_status()
        for chunk in response.iter_raw():
            file.write(chunk)
            if file.tell() > FILE_BYTES_MAX:
                raise ValueError(f"more than {FILE_BYTES_MAX} bytes")


def main(arguments: Sequence[str]) -> int:
    """0 when every file has arrived; otherwise 1, with the reason on standard error."""
    base_url, folder, *names = arguments
    with httpx.Client(follow_redirects=True, timeout=TIMEOUT) as client:
        for name in names:
            try:
                download(client, f"{base_url}/{name}", Path(folder) / name)
            except (httpx.HTTPError, ValueError) as error:
                sys.stderr.write(f"{name}: {error or type(error).__name__}\n")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
