"""API keys over HTTP, for the client: made, rotated, revoked; and the log of what was changed with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cartl.http.address import id_in_path
from cartl.http.answers import Answer, not_the_service, read_answer
from cartl.http.catalog_answers import AuditEntry, Key
from cartl.resources import Send

PATH, LOG = "/keys", "/audit"


class Keys:
    """The keys of the owner, or of an operator's key those of all."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def create(self, body: Mapping[str, Any]) -> Answer:
        """Make a key; its ``secret`` is in this answer alone. The key that asks needs the role operator."""
        return read_answer(self._send("POST", PATH, json=body), PATH, Key)

    def rotate(self, key_id: str, grace_seconds: int) -> Answer:
        """Give a key a new secret, which is in this answer alone; the one until now counts a while longer."""
        path = f"{PATH}/{id_in_path(key_id)}/rotate"
        return read_answer(self._send("POST", path, params={"grace_seconds": grace_seconds}), path, Key)

    def revoke(self, key_id: str) -> None:
        """Have a key refused from now on."""
        self._send("DELETE", f"{PATH}/{id_in_path(key_id)}")

    def audit(self, after: int) -> Iterator[Answer]:
        """The rows of the audit log after number ``after``, page by page; for an operator's key."""
        while lines := self._send("GET", LOG, params={"after": after}).splitlines():
            for line in lines:
                entry = read_answer(line, LOG, AuditEntry)
                if entry["number"] <= after:
                    raise not_the_service(f"{LOG} answered rows that were not asked for")
                after = entry["number"]
                yield entry
