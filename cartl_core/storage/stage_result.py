"""The result of a stage: a directory whose ``result.json`` is written last and vouches for its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cartl_core.errors import ResumeMismatch, describe_error
from cartl_core.storage.atomic_write import write_whole
from cartl_core.storage.disk_errors import disk_faults
from cartl_core.strict_json import ANSWER, read_file

RESULT = "result.json"


def write_result(directory: Path, facts: dict[str, Any], files: Sequence[str] = ()) -> None:
    """Close a stage: its facts, and the SHA-256 of the files that lie beside them.

    Raises:
        DiskFull: no space is left.
    """
    content = {"facts": facts, "files": {name: _sha256(directory / name) for name in files}}
    with disk_faults("a stage's result"):
        write_whole(directory / RESULT, json.dumps(content, indent=1, allow_nan=False).encode())


def read_result(directory: Path) -> dict[str, Any]:
    """The facts of a finished stage, once its files are proven to be those that were written.

    Raises:
        ResumeMismatch: the result is missing, or a file is not as it was written.
    """
    try:
        content: Any = read_file(directory / RESULT, ANSWER)
        facts: dict[str, Any] = content["facts"]
        files: dict[str, str] = content["files"]
        for name, expected in files.items():
            if _sha256(directory / name) != expected:
                raise ResumeMismatch(f"{name} of a finished stage has changed since it was written")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ResumeMismatch(f"a finished stage cannot be read back: {describe_error(error)}") from error
    return facts


def is_whole(directory: Path) -> bool:
    """Whether a finished result lies in ``directory``, undamaged."""
    try:
        read_result(directory)
    except ResumeMismatch:
        return False
    return True


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


NETWORK = "network.safetensors"


OUTCOMES = "outcomes.safetensors"
