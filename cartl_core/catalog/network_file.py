"""Reading what a network's file says of itself, without torch and without trusting it.

The file is safetensors: eight bytes with the length of a JSON header, the header, then the numbers. The
header names each tensor's type, shape and bytes, and holds the architecture as ``cartl_core.nn.files`` wrote
it. Everything but the numbers is checked here, the name and shape of each tensor included: nothing is
unpickled, no number is read.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cartl_core.catalog.network_tensors import FoundTensor, tensor_fault
from cartl_core.catalog.networks import model_facts
from cartl_core.errors import SpecError
from cartl_core.spec.architecture import Architecture

HEADER_KEY = "cartl_architecture"
METADATA = "__metadata__"
LENGTH_BYTES = 8
LARGEST_HEADER = 4 * 1024 * 1024
BYTES_OF = {"F32": 4, "I64": 8}
"""Weights and statistics are single precision; batch norm counts its batches in 64 bits."""


@dataclass(frozen=True)
class NetworkFile:
    """``sha256`` of the whole file, ``size`` in bytes, ``parameters``: single-precision numbers in it."""

    architecture: Architecture
    sha256: str
    size: int
    parameters: int


def inspect(path: Path, *, field: str = "network") -> NetworkFile:
    """What ``path`` says it is.

    Args:
        path: a file that need not be safetensors at all.
        field: the field of the request that named it, for errors.

    Raises:
        SpecError: it is not a network that ``cartl_core.nn.files.save_network`` could have written.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        length = int.from_bytes(file.read(LENGTH_BYTES), "little")
        if size < LENGTH_BYTES or not 0 < length <= min(LARGEST_HEADER, size - LENGTH_BYTES):
            raise _refused(field, "it is not a safetensors file: the length of its header is wrong")
        header = _parsed(file.read(length), field)
    architecture = _architecture(header.pop(METADATA, None), field)
    parameters = _numbers(header, size - LENGTH_BYTES - length, field)
    found = {name: FoundTensor(told["dtype"], tuple(told["shape"])) for name, told in header.items()}
    if fault := tensor_fault(architecture, found):
        raise _refused(field, f"it does not hold the network that its header describes: {fault}")
    return NetworkFile(architecture, sha256, size, parameters)


def _parsed(text: bytes, field: str) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _refused(field, "it is not a safetensors file: its header is no JSON") from error
    if not isinstance(header, dict):
        raise _refused(field, "it is not a safetensors file: its header is no JSON object")
    return header


def _architecture(metadata: object, field: str) -> Architecture:
    told = metadata.get(HEADER_KEY) if isinstance(metadata, dict) else None
    if not isinstance(told, str):
        raise _refused(field, f"its header lacks {HEADER_KEY!r}: it is no network that cartl has exported")
    try:
        architecture = Architecture.model_validate_json(told)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise _refused(field, f"its architecture is not valid: {where}: {fault['msg']}") from error
    model_facts(architecture.model.name, field=field)
    channels = architecture.model.channels
    if len(architecture.mean) != channels or len(architecture.std) != channels:
        raise _refused(field, f"its mean and std do not have {channels} channels")
    if any(deviation <= 0 for deviation in architecture.std):
        raise _refused(field, "its std is not positive")
    return architecture


def _numbers(tensors: dict[str, Any], room: int, field: str) -> int:
    """How many single-precision numbers there are, once the tensors are seen to fill the file exactly."""
    if not tensors:
        raise _refused(field, "it holds no tensors")
    spans = sorted(_spans(tensors, field))
    reached = 0
    for start, end, name in spans:
        if start != reached:
            raise _refused(field, f"the bytes of tensor {name[:100]!a} overlap others or leave a gap")
        reached = end
    if reached != room:
        raise _refused(field, f"it has {room} bytes of numbers where its header names {reached}")
    return sum(math.prod(told["shape"]) for told in tensors.values() if told["dtype"] == "F32")


def _spans(tensors: dict[str, Any], field: str) -> Iterator[tuple[int, int, str]]:
    for name, told in tensors.items():
        try:
            dtype, shape, (start, end) = told["dtype"], told["shape"], told["data_offsets"]
            whole = all(type(number) is int and number >= 0 for number in (*shape, start, end))
            right = whole and end - start == math.prod(shape) * BYTES_OF[dtype]
        except (KeyError, TypeError, ValueError):
            right = False
        if not right:
            raise _refused(
                field, f"tensor {name[:100]!a} is not described as it should be", allowed="F32, or I64 counts"
            )
        yield start, end, name


def _refused(field: str, why: str, *, allowed: str | None = None) -> SpecError:
    return SpecError(field, why, allowed=allowed or "a safetensors file that a cartl run has exported")
