"""Where golden data lie and how they are read; nothing here writes: that is ``record``'s alone."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"


def read(name: str) -> Any:
    """The JSON golden data of ``name``."""
    return json.loads((DATA / f"{name}.json").read_bytes())


def read_packed(name: str) -> Any:
    """The same of data that are kept packed."""
    return json.loads(lzma.decompress((DATA / f"{name}.json.xz").read_bytes()))


def read_text(name: str) -> str:
    """A golden text with its line ends as they are."""
    return (DATA / name).read_bytes().decode()
