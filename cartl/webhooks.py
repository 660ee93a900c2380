"""Webhooks over HTTP, for the client: registered, listed, shown with what was sent, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cartl.http.address import id_in_path
from cartl.http.answers import Answer, Page, Shape, read_answer, shaped
from cartl.http.catalog_answers import Delivery, Webhook
from cartl.resources import Send

PATH = "/webhooks"


class Webhooks:
    """The webhooks of the key's owner."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def add(self, body: Mapping[str, Any]) -> Answer:
        """Register one; its ``secret`` is in this answer alone."""
        return read_answer(self._send("POST", PATH, json=body), PATH, Webhook)

    def all(self) -> list[Answer]:
        """All of them, oldest first, without their secrets."""
        return self._rows(PATH, Webhook)

    def one(self, webhook_id: str) -> Answer:
        """The one of this id, without its secret."""
        path = _of(webhook_id)
        return read_answer(self._send("GET", path), path, Webhook)

    def deliveries(self, webhook_id: str, *, most: int) -> list[Answer]:
        """At most ``most`` messages for it, newest first, with what came of each."""
        return self._rows(f"{_of(webhook_id)}/deliveries", Delivery, {"limit": most})

    def delete(self, webhook_id: str) -> None:
        """Send nothing more to it; what was sent is forgotten too."""
        self._send("DELETE", _of(webhook_id))

    def _rows(self, path: str, shape: type[Shape], params: Mapping[str, int] | None = None) -> list[Answer]:
        page = read_answer(self._send("GET", path, params=params), path, Page)
        return [shaped(one, path, shape) for one in page["data"]]


def _of(webhook_id: str) -> str:
    return f"{PATH}/{id_in_path(webhook_id)}"
