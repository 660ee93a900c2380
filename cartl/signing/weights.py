"""The weights of a run, signed in the form of OpenSSF model-signing.

Each file of weights has its signature beside it, ``NAME.sig``: a Sigstore bundle (v0.3) around a DSSE
envelope around an in-toto statement with the predicate model_signing/signature v1.0, whose only resource is
the file itself. `model_signing verify key` reads it as it is, so whoever takes the weights needs nothing of
ours; what that package writes of one file is read here. It knows keys on three curves alone.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from cartl.http.problems import NotUsable
from cartl.signing.envelope import (
    STATEMENT_TYPE,
    SignatureInvalid,
    enclosed,
    sha256_of,
    statement_in,
    written_at,
)
from cartl.signing.keys import private_key, public_key
from cartl_core.storage.atomic_write import write_whole

ENDING = ".sig"
WEIGHTS = re.compile(r"student(\.[a-z0-9-]+)?\.safetensors|student\.(pt2|onnx)")
BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"
SERIALIZATION = {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": []}
ITSELF = "."
"""Name of a model's only file, seen from the file."""
CURVES = ("secp256r1", "secp384r1", "secp521r1")
HOW_TO = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out operator.pem"


def sign_weights(folder: Path, key: Path) -> tuple[Path, ...]:
    """Write a signature beside each file of weights in a folder; returns their paths.

    Args:
        key: the operator's private key in PEM, on one of the curves P-256, P-384 and P-521.

    Raises:
        NotUsable: there are no weights, the key is no such key, or packages are missing.
    """
    private = private_key(key)
    _check_curve(key, private)
    signatures = []
    for path in _weights(folder):
        bundle = {
            "mediaType": BUNDLE_TYPE,
            "verificationMaterial": {"publicKey": {"hint": _hint(private.public_key())}, "tlogEntries": []},
            "dsseEnvelope": enclosed(_statement(path.name, sha256_of(path)), private),
        }
        signatures.append(_signature_of(path))
        write_whole(signatures[-1], json.dumps(bundle).encode())
    return tuple(signatures)


def check_weights(folder: Path, key: Path) -> tuple[str, ...]:
    """Check the signature of each file of weights in a folder; returns the names of the files.

    Args:
        key: the operator's public key in PEM.

    Raises:
        SignatureInvalid: one is not signed with this key, or is not the file that was signed.
        NotUsable: there are no weights, a signature is missing or cannot be read, the key is none of such
            signatures, or packages are missing.
    """
    public = public_key(key)
    _check_curve(key, public)
    found = _weights(folder)
    for path in found:
        if _signed_digest(_signature_of(path), public) != sha256_of(path):
            raise SignatureInvalid(f"{path.name} is not the file that was signed")
    return tuple(path.name for path in found)


def _statement(name: str, sha256: str) -> dict[str, Any]:
    # The digest of the model is that of the digests of its files.
    whole = hashlib.sha256(bytes.fromhex(sha256)).hexdigest()
    resource = {"name": ITSELF, "algorithm": "sha256", "digest": sha256}
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": whole}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {"serialization": SERIALIZATION, "resources": [resource]},
    }


def _signed_digest(path: Path, public: Any) -> str:
    """SHA-256 of the file that a signature is of."""
    written = written_at(path)
    try:
        bundle_type, envelope = written["mediaType"], written["dsseEnvelope"]
        hint = written["verificationMaterial"]["publicKey"].get("hint")
    except (KeyError, TypeError, AttributeError) as error:
        raise NotUsable(f"{path} is no signature of weights by a key") from error
    if bundle_type != BUNDLE_TYPE:
        raise NotUsable(f"{path} is a bundle of another version; allowed: {BUNDLE_TYPE}")
    if hint and hint != _hint(public):
        raise SignatureInvalid(f"{path.name} is not signed with this key")
    stated = statement_in(envelope, public, path, named=False)
    try:
        kinds, serialization = (
            (stated["_type"], stated["predicateType"]),
            stated["predicate"]["serialization"],
        )
        (resource,) = stated["predicate"]["resources"]
        (subject,) = stated["subject"]
        same = _statement(subject["name"], resource["digest"])
        fits = (
            kinds == (STATEMENT_TYPE, PREDICATE_TYPE)
            and (serialization["method"], resource["algorithm"], resource["name"])
            == ("files", "sha256", ITSELF)
            and subject["digest"]["sha256"] == same["subject"][0]["digest"]["sha256"]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SignatureInvalid(f"{path.name} is not of one file of weights") from error
    if not fits:
        raise SignatureInvalid(f"{path.name} is not of one file of weights and its SHA-256")
    return str(resource["digest"])


def _weights(folder: Path) -> list[Path]:
    """Files of weights, by name."""
    found = sorted(path for path in folder.iterdir() if WEIGHTS.fullmatch(path.name) and path.is_file())
    if not found:
        raise NotUsable(
            f"{folder} has no weights of a student; download them: cartl download ID --format safetensors"
        )
    return found


def _signature_of(path: Path) -> Path:
    return path.with_name(path.name + ENDING)


def _hint(public: Any) -> str:
    """By which a bundle names its key: SHA-256 of the public key in PEM."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    content: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(content).hexdigest()


def _check_curve(path: Path, key: Any) -> None:
    if getattr(getattr(key, "curve", None), "name", None) not in CURVES:
        raise NotUsable(
            f"{path}: weights are signed with keys on the curves P-256, P-384 and P-521, which also sign "
            f"reports; a new one: {HOW_TO}"
        )
