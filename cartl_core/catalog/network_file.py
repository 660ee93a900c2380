"""Reading what a network's file says of itself, without torch and without trusting it.

The file is safetensors: eight bytes with the length of a JSON header, the header, then the numbers. The
header names each tensor's type, shape and bytes, and holds the architecture as ``cartl_core.nn.files`` wrote
it. Everything but the numbers is checked here, the name and shape of each tensor included: nothing is
unpickled, no number is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cartl_core.catalog.network_tensors import FoundTensor, tensor_fault
from cartl_core.catalog.networks import model_facts
from cartl_core.catalog.safetensors_header import HeaderInvalid, read_header
from cartl_core.errors import SpecError
from cartl_core.spec.architecture import Architecture
from cartl_core.spec.faults import build
from cartl_core.strict_json import SMALL, JsonRefused, loads_text

HEADER_KEY = "cartl_architecture"


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
        try:
            header = read_header(file, size)
        except HeaderInvalid as error:
            raise _refused(field, str(error)) from error
    if not header.tensors:
        raise _refused(field, "it holds no tensors")
    architecture = read_architecture(header.metadata, field=field)
    found = {tensor.name: FoundTensor(tensor.dtype, tensor.shape) for tensor in header.tensors}
    if fault := tensor_fault(architecture, found):
        raise _refused(field, f"it does not hold the network that its header describes: {fault}")
    parameters = sum(tensor.numbers for tensor in header.tensors if tensor.dtype == "F32")
    return NetworkFile(architecture, sha256, size, parameters)


def read_architecture(metadata: Mapping[str, str], *, field: str = "network") -> Architecture:
    """What the metadata of a file's header say that the network is.

    Raises:
        SpecError: they say nothing, or no network that is known here.
    """
    told = metadata.get(HEADER_KEY)
    if told is None:
        raise _refused(field, f"its header lacks {HEADER_KEY!r}: it is no network that cartl has exported")
    try:
        written = loads_text(told, SMALL)
        architecture = build(Architecture, written if isinstance(written, dict) else {}, "architecture")
    except JsonRefused as error:
        raise _refused(field, f"its architecture is not valid: {error}") from error
    except SpecError as error:
        raise _refused(field, f"its architecture is not valid: {error}") from error
    model_facts(architecture.model.name, field=field)
    channels = architecture.model.channels
    if len(architecture.mean) != channels or len(architecture.std) != channels:
        raise _refused(field, f"its mean and std do not have {channels} channels")
    if any(deviation <= 0 for deviation in architecture.std):
        raise _refused(field, "its std is not positive")
    return architecture


def _refused(field: str, why: str, *, allowed: str | None = None) -> SpecError:
    return SpecError(field, why, allowed=allowed or "a safetensors file that a cartl run has exported")
