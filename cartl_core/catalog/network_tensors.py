"""Whether a file holds the tensors of the network that it says it is: names, types and shapes; torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cartl_core.catalog.networks import layout_of
from cartl_core.spec.architecture import Architecture

LONGEST_SHOWN = 100
WRAPPERS = ("module.", "_orig_mod.")
"""What data parallel training and compilation put before each name."""


@dataclass(frozen=True)
class FoundTensor:
    """A tensor as a file's header has it; ``dtype`` as safetensors says it, e.g. "F32"."""

    dtype: str
    shape: tuple[int, ...]


def tensor_fault(architecture: Architecture, found: Mapping[str, FoundTensor]) -> str | None:
    """What is wrong, in words; None where ``found`` are the tensors of ``architecture``.

    The first tensor that is missing and the first that is unknown are named together: a prefix shows.

    Raises:
        SpecError: the network's name is unknown.
    """
    expected = {
        tensor.name: FoundTensor(tensor.dtype, tensor.shape)
        for tensor in layout_of(architecture.model, architecture.classes).tensors(architecture)
    }
    missing = next((f"it lacks tensor {name!r}" for name in expected if name not in found), None)
    unknown = next((f"tensor {_shown(name)} is unknown" for name in found if name not in expected), None)
    if missing or unknown:
        return "; ".join(filter(None, (missing, unknown))) + _wrapped(found)
    for name, tensor in expected.items():
        if found[name] != tensor:
            return f"tensor {name!r} is {_described(found[name])}, expected {_described(tensor)}"
    return None


def _shown(name: str) -> str:
    """Written by a stranger: shortened, and in ASCII."""
    return ascii(name[:LONGEST_SHOWN])


def _wrapped(found: Mapping[str, FoundTensor]) -> str:
    """A hint, where a wrapper of torch has put its own name before all others."""
    prefix = next((wrapper for wrapper in WRAPPERS if all(name.startswith(wrapper) for name in found)), None)
    return f" (all names begin with {prefix!r}: save the network inside of that wrapper)" if prefix else ""


def _described(tensor: FoundTensor) -> str:
    return f"{tensor.dtype} {list(tensor.shape)}"[:LONGEST_SHOWN]
