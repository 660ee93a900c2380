"""Data sets and teachers over HTTP, for the client: announced, sent, listed, shared, deleted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import httpx

from cartl.http import answers
from cartl.http.address import id_in_path, owner_in_path
from cartl.http.answers import Answer, read_answer, shaped

SEND_TIMEOUT = httpx.Timeout(60.0, connect=5.0, read=600.0)
"""After the last byte the service makes sure that all are on its disk."""


class Send(Protocol):
    """Sends a request; gives the body of a success."""

    def __call__(self, method: str, path: str, **options: Any) -> bytes:
        """As ``Client`` does."""


class Resources:
    """The data sets, or the teachers, of a service.

    Attributes:
        path: `datasets` or `teachers`.
    """

    def __init__(self, send: Send, path: str, shape: type[answers.Resource]) -> None:
        self._send = send
        self.path = path
        self._shape = shape

    def announce(self, body: Mapping[str, Any]) -> Answer:
        """Reserve a place; the same again while it is awaited gives the same one."""
        return self._answer("POST", f"/{self.path}", json=body)

    def send_content(self, ref: str, content: Iterable[bytes], size: int) -> Answer:
        """Send the content, ``size`` bytes; it is checked then."""
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        path = f"{self._of(ref)}/content"
        return self._answer("PUT", path, content=content, headers=headers, timeout=SEND_TIMEOUT)

    def one(self, ref: str) -> Answer:
        """The one of this id or name."""
        return self._answer("GET", self._of(ref))

    def all(self, *, shared: bool = False) -> Iterator[Answer]:
        """All of them, page by page."""
        params = {"shared": "true"} if shared else {}
        while True:
            page = read_answer(self._send("GET", f"/{self.path}", params=params), self.path, answers.Page)
            yield from (shaped(one, self.path, self._shape) for one in page.get("data", []))
            if not page.get("next_cursor") or page["next_cursor"] == params.get("cursor"):
                return
            params["cursor"] = page["next_cursor"]

    def delete(self, ref: str) -> None:
        """Delete one, with its bytes."""
        self._send("DELETE", self._of(ref))

    def share(self, ref: str, owner: str) -> None:
        """Let the other see it, and name it in jobs."""
        self._send("PUT", f"{self._of(ref)}/shares/{owner_in_path(owner)}")

    def unshare(self, ref: str, owner: str) -> None:
        """Let the other see it no more."""
        self._send("DELETE", f"{self._of(ref)}/shares/{owner_in_path(owner)}")

    def _of(self, ref: str) -> str:
        return f"/{self.path}/{id_in_path(ref)}"

    def _answer(self, method: str, path: str, **options: Any) -> Answer:
        return read_answer(self._send(method, path, **options), path, self._shape)
