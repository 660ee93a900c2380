"""Signatures, against the library that receivers use and the example of the specification's authors."""

from __future__ import annotations

import base64
import time
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from jobs.webhooks.schedule import DELAYS, JITTER, MOST_ATTEMPTS, delay_after
from jobs.webhooks.signature import new_secret, signed_headers

BODY = b'{"test": 2432232314}'


def test_the_published_example() -> None:
    headers = signed_headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, BODY
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_the_library_of_receivers_takes_what_is_signed_and_nothing_else() -> None:
    secret, now = new_secret(), int(time.time())
    headers = signed_headers(secret, "msg_1", now, BODY)
    assert Webhook(secret).verify(BODY, headers) == {"test": 2432232314}
    changed: tuple[tuple[Any, ...], ...] = (
        (secret, BODY + b" ", headers),
        (new_secret(), BODY, headers),
        (secret, BODY, headers | {"webhook-id": "msg_2"}),
        (secret, BODY, headers | {"webhook-timestamp": str(now + 1)}),
        (secret, BODY, signed_headers(secret, "msg_1", now - 3600, BODY)),
    )
    for key, body, sent in changed:
        with pytest.raises(WebhookVerificationError):
            Webhook(key).verify(body, sent)


def test_a_secret_has_256_random_bits() -> None:
    secrets = {new_secret() for _ in range(50)}
    assert len(secrets) == 50
    assert {len(base64.b64decode(secret.removeprefix("whsec_"))) for secret in secrets} == {32}


def test_pauses_grow_and_end() -> None:
    least = [delay_after(attempt, 0.0) for attempt in range(1, MOST_ATTEMPTS)]
    assert least == list(DELAYS) == sorted(DELAYS)
    assert delay_after(1, 1.0) == pytest.approx(DELAYS[0] * (1 + JITTER))
    assert delay_after(MOST_ATTEMPTS) is None and delay_after(MOST_ATTEMPTS + 1) is None
