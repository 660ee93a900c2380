"""In-toto statements in DSSE envelopes, made and checked by securesystemslib."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cartl.http.problems import NotUsable
from cartl_core.strict_json import Limits, loads, read_file

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
LIMITS = Limits(size=4 * 1024**2, values=20_000, items=2_000)


class SignatureInvalid(ValueError):
    """Something is not signed with this key, or is not what was signed."""


def enclosed(stated: Mapping[str, Any], private: Any) -> dict[str, Any]:
    """The envelope of a statement, signed.

    Args:
        private: of ``keys.private_key``.

    Raises:
        NotUsable: keys of its kind sign no envelope.
    """
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]

    try:
        signer = CryptoSigner(private)
    except ValueError as error:
        raise NotUsable("keys of this kind sign nothing here; allowed: Ed25519, EC and RSA") from error
    envelope = Envelope(json.dumps(stated, sort_keys=True).encode(), PAYLOAD_TYPE, {})
    envelope.sign(signer)
    written: dict[str, Any] = envelope.to_dict()
    return written


def written_at(path: Path) -> Any:
    """The JSON of a signature's file.

    Raises:
        NotUsable: it is missing, or no JSON that a signature may be.
    """
    try:
        return read_file(path, LIMITS)
    except FileNotFoundError as error:
        raise NotUsable(f"{path} is missing: nothing here was signed") from error
    except ValueError as error:
        raise NotUsable(f"{path} is no signed envelope") from error


def statement_in(written: Any, public: Any, path: Path, *, named: bool = True) -> Any:
    """The statement inside an envelope, once a key has verified it.

    Args:
        written: the envelope as JSON.
        public: of ``keys.public_key``.
        path: of the envelope, for errors.
        named: the signature names its key by our id; else the only one there is tried.

    Raises:
        SignatureInvalid: it is not signed with this key, or holds no statement.
        NotUsable: it is no envelope.
    """
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError
    from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]

    try:
        key = SSlibKey.from_crypto(public)
        if not named:
            (signature,) = written["signatures"]
            written = {**written, "signatures": [{"keyid": key.keyid, "sig": signature["sig"]}]}
        envelope = Envelope.from_dict(written)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotUsable(f"{path} is no signed envelope") from error
    try:
        envelope.verify([key], 1)
    except VerificationError as error:
        raise SignatureInvalid(f"{path.name} is not signed with this key") from error
    if envelope.payload_type != PAYLOAD_TYPE:
        raise SignatureInvalid(f"{path.name} holds no in-toto statement")
    try:
        return loads(envelope.payload, LIMITS)
    except ValueError as error:
        raise SignatureInvalid(f"{path.name} holds no in-toto statement") from error


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
