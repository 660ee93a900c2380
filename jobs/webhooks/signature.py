"""Signatures as in the Standard Webhooks specification (https://www.standardwebhooks.com), version 1.

The receiver computes the same HMAC-SHA256 over ``ID.TIMESTAMP.BODY``: so it knows that this service sent
these bytes, and lately.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

PREFIX = "whsec_"
SECRET_BYTES = 32
"""The specification asks for 24 to 64."""


def new_secret() -> str:
    """A fresh secret: ``whsec_`` and 32 random bytes in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signed_headers(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers that go with a message.

    Args:
        secret: as ``new_secret`` gives it.
        message_id: the same for every attempt to send this message.
        timestamp: seconds since 1970, of this attempt.
    """
    key = base64.b64decode(secret.removeprefix(PREFIX))
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
