"""The result of a stage: a directory whose ``result.json`` is written last and vouches for its files.

It vouches for itself, too: its ``seal`` is the SHA-256 of all else that it says.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cartl_core.errors import StageDamaged, describe_error
from cartl_core.storage.atomic_write import write_whole
from cartl_core.storage.directory_store import DirectoryStore
from cartl_core.storage.disk_errors import disk_faults
from cartl_core.strict_json import ANSWER, read_file

RESULT = "result.json"
NETWORK = "network.safetensors"
OUTCOMES = "outcomes.safetensors"
KEYS = frozenset({"facts", "files", "seal"})


def write_result(directory: Path, facts: dict[str, Any], files: Sequence[str] = ()) -> None:
    """Close a stage: its facts, and the SHA-256 of the files that lie beside them.

    Raises:
        DiskFull: no space is left.
    """
    store = DirectoryStore(directory)
    content: dict[str, Any] = {"facts": facts, "files": {name: store.stat(name).sha256 for name in files}}
    content["seal"] = _seal(content)
    with disk_faults("a stage's result"):
        write_whole(directory / RESULT, json.dumps(content, indent=1, allow_nan=False).encode())


def read_result(directory: Path) -> dict[str, Any]:
    """The facts of a finished stage, once its files are proven to be those that were written.

    Raises:
        StageDamaged: the result is missing, or a file is not as it was written.
    """
    try:
        content: Any = read_file(directory / RESULT, ANSWER)
        facts: dict[str, Any] = content["facts"]
        files: dict[str, str] = content["files"]
        # Results of the first version have no seal.
        if not content.keys() <= KEYS or content.get("seal", _seal(content)) != _seal(content):
            raise StageDamaged(f"{RESULT} of a finished stage has changed since it was written")
        store = DirectoryStore(directory)
        for name, expected in files.items():
            if not store.verify(name, expected):
                raise StageDamaged(f"{name} of a finished stage has changed since it was written")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise StageDamaged(f"a finished stage cannot be read back: {describe_error(error)}") from error
    return facts


def files_of(directory: Path) -> tuple[str, ...]:
    """Names of the files that a result vouches for; none where it cannot be read. Nothing is proven."""
    try:
        content: Any = read_file(directory / RESULT, ANSWER)
        return tuple(content["files"])
    except (OSError, ValueError, LookupError, TypeError):
        return ()


def damage(directory: Path) -> str | None:
    """What is wrong with the finished result in ``directory``; None when it is as it was written."""
    try:
        read_result(directory)
    except StageDamaged as error:
        return str(error)
    return None


def is_closed(directory: Path) -> bool:
    """Whether a result was finished in ``directory``, whatever became of it since."""
    return (directory / RESULT).exists()


def discard(directory: Path) -> None:
    """A damaged result counts no longer; whoever reads its other files at this moment keeps them."""
    (directory / RESULT).unlink(missing_ok=True)


def _seal(content: dict[str, Any]) -> str:
    sealed = {name: value for name, value in content.items() if name != "seal"}
    return hashlib.sha256(json.dumps(sealed, sort_keys=True).encode()).hexdigest()
