"""An operator's keys: files in PEM that never come near the service."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cartl.http.problems import NotUsable

NEEDED = ("securesystemslib", "cryptography")
LARGEST_KEY = 64 * 1024


def private_key(path: Path) -> Any:
    """A private key, as cryptography has it.

    Raises:
        NotUsable: the file cannot be read or is no such key, or the packages are missing.
    """
    _require_packages()
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(_content(path), password=None)
    except (TypeError, ValueError) as error:
        raise NotUsable(f"{path} is no private key in PEM without a passphrase") from error


def public_key(path: Path) -> Any:
    """A public key, likewise."""
    _require_packages()
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        return load_pem_public_key(_content(path))
    except ValueError as error:
        raise NotUsable(f"{path} is no public key in PEM") from error


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_KEY + 1)
    except OSError as error:
        raise NotUsable(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > LARGEST_KEY:
        raise NotUsable(f"{path} is too large for a key")
    return content


def _require_packages() -> None:
    absent = [name for name in NEEDED if find_spec(name) is None]
    if absent:
        raise NotUsable(f"signatures need {' and '.join(absent)}: pip install 'cartl[signing]'")
