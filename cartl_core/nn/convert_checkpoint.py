"""A checkpoint of torch as safetensors: the tensors of one state dict, under the names that they have.

Nothing of the file is run: torch unpickles tensors and plain containers alone (``weights_only``). What needs
code to be unpickled is refused; docs/how-to/bring-a-teacher.md says what to do then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from cartl_core.catalog.safetensors_header import PUBLISHED_BYTES_OF
from cartl_core.errors import ArgumentInvalid
from cartl_core.storage.atomic_write import write_whole
from cartl_core.strict_json import shown

DEEPEST = 6
"""Dicts inside of one another that are looked through."""
MOST_SHOWN = 10

TYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
}
assert set(TYPES.values()) == set(PUBLISHED_BYTES_OF)

SNIPPET = """\
    import torch
    network = ...   # build it with the code that it was trained by
    loaded = torch.load("FILE.pth", map_location="cpu", weights_only=False)   # runs code of the file
    network.load_state_dict(loaded["state_dict"])   # or whatever the file holds
    torch.save(network.state_dict(), "WEIGHTS.pth")"""


@dataclass(frozen=True)
class Converted:
    """``key`` of the state dict that was written, "" for the whole file; ``left_out``: what is no tensor."""

    key: str
    tensors: int
    left_out: tuple[str, ...]


def convert_checkpoint(source: Path, target: Path, key: str | None = None) -> Converted:
    """Write a state dict of ``source`` to ``target``: contiguous, each tensor with memory of its own.

    Args:
        source: a .pth, .pt or .ckpt file of torch.save, or a safetensors file.
        key: which state dict, dotted, where the file holds several; "" is the file as a whole.

    Raises:
        ArgumentInvalid: it cannot be read without running code, holds no state dict or several, or a tensor
            is of a type that is not taken.
        OSError: a file cannot be read or written.
    """
    found = dict(_state_dicts(_loaded(source)))
    if not found:
        raise ArgumentInvalid("file", f"{source.name} holds no state dict: no names with tensors")
    if key is None and len(found) > 1:
        raise ArgumentInvalid(
            "key", f"{source.name} holds {len(found)} state dicts", allowed=", ".join(map(_said, _few(found)))
        )
    chosen = next(iter(found)) if key is None else key
    if chosen not in found:
        raise ArgumentInvalid(
            "key",
            f"{source.name} has no state dict {shown(chosen)!r}",
            allowed=", ".join(map(_said, _few(found))),
        )
    entries = found[chosen]
    tensors = {name: _plain(name, tensor) for name, tensor in entries.items() if isinstance(tensor, Tensor)}
    write_whole(target, save(tensors))
    left_out = tuple(name for name, value in entries.items() if not isinstance(value, Tensor))
    return Converted(chosen, len(tensors), left_out)


def _loaded(source: Path) -> object:
    if not source.is_file():
        raise FileNotFoundError(2, "No such file", source.name)
    if source.suffix == ".safetensors":
        try:
            return load_file(source)
        except SafetensorError as error:
            raise ArgumentInvalid("file", f"{source.name} is no safetensors file: {error}") from error
    try:
        return torch.load(source, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise ArgumentInvalid(
            "file",
            f"{source.name} cannot be read without running code that it holds. If you trust it, save the "
            f"plain weights first, where its own code is installed:\n\n{SNIPPET}\n\nthen convert WEIGHTS.pth",
        ) from error
    except (RuntimeError, ValueError, EOFError, KeyError) as error:
        raise ArgumentInvalid("file", f"{source.name} is no file of torch.save: {_first(error)}") from error


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _state_dicts(value: object, path: str = "", depth: int = 0) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Dicts that are mostly named tensors, by their dotted keys."""
    if not isinstance(value, Mapping) or depth > DEEPEST or not all(isinstance(name, str) for name in value):
        return
    tensors = [name for name, inner in value.items() if isinstance(inner, Tensor)]
    if len(tensors) > len(value) / 2:
        yield path, value
        return
    for name, inner in value.items():
        yield from _state_dicts(inner, f"{path}.{name}" if path else name, depth + 1)


def _plain(name: str, tensor: Tensor) -> Tensor:
    if tensor.layout != torch.strided or tensor.dtype not in TYPES:
        raise ArgumentInvalid(
            "file",
            f"the tensor {shown(name)!r} is {tensor.dtype}, {tensor.layout}",
            allowed=", ".join(map(str, TYPES)),
        )
    # A clone: tensors that share memory, or are a view of a larger one, are written by themselves.
    return tensor.detach().clone(memory_format=torch.contiguous_format)


def _few(found: Mapping[str, object]) -> list[str]:
    return list(found)[:MOST_SHOWN]


def _said(key: str) -> str:
    return f"--key {shown(key)}" if key else '--key ""'
