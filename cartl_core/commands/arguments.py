"""What commands have in common: numbers, JSON files and folders that a caller named."""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path

from cartl_core.errors import SpecError
from cartl_core.spec.data_and_model import DATA_NAME, SHA256
from cartl_core.strict_json import JsonRefused, read_file

LONGEST_SECONDS = 1e9
MOST_BYTES = 2**50


def threads(text: str) -> int:
    """A number of CPU threads."""
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and int(text) > 0):
        raise argparse.ArgumentTypeError("allowed: a whole number from 1 to 9999")
    return int(text)


def seconds(text: str) -> float:
    """A length of time."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(f"allowed: a number of seconds, 0 to {LONGEST_SECONDS:.0f}")
    return number


def dataset(text: str) -> tuple[str, Path]:
    """A data set's id or name, and the directory of its pack."""
    name, equals, directory = text.partition("=")
    if not (equals and directory and re.fullmatch(DATA_NAME, name)):
        raise argparse.ArgumentTypeError("allowed: ID=DIR, the directory of a pack")
    return name, Path(directory)


def byte_count(text: str) -> int:
    """A number of bytes."""
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= MOST_BYTES):
        raise argparse.ArgumentTypeError(f"allowed: a whole number of bytes, 0 to {MOST_BYTES}")
    return int(text)


def image_digest(text: str) -> str:
    """SHA-256 of a container image."""
    found = text.removeprefix("sha256:")
    if not re.fullmatch(SHA256, found):
        raise argparse.ArgumentTypeError("allowed: 64 hexadecimal digits, sha256: may precede")
    return found


def read_json(path: Path, argument: str) -> object:
    """What the file holds; raises ``SpecError`` that names ``argument``."""
    try:
        return read_file(path)
    except JsonRefused as error:
        raise SpecError(argument, f"{path.name} cannot be read as JSON: {error}") from error
    except OSError as error:
        raise SpecError(argument, f"{path.name} cannot be read: {error.strerror}") from error


def make_folders(**folders: Path) -> None:
    """Before anything is computed, whatever was named must be there to be written to."""
    for argument, folder in folders.items():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SpecError(argument, f"{folder.name} cannot be made: {error.strerror}") from error
