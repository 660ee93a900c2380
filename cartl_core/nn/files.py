"""A network on disk: safetensors with plain keys, its architecture as JSON in the file's header.

The one format for teachers, students and export. It holds no code, so reading it runs none.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from cartl_core.catalog.network_file import HEADER_KEY, read_architecture
from cartl_core.errors import ResumeMismatch, SpecError
from cartl_core.nn.build import uninitialised
from cartl_core.nn.network import Network
from cartl_core.storage.atomic_write import write_whole
from cartl_core.strict_json import shown

WRAPPERS = ("module.", "_orig_mod.")
"""What data parallel training and compilation put before each name."""


def save_network(path: str | Path, network: Network) -> None:
    """Write ``network`` to ``path``, whole or not at all (temporary file, fsync, rename).

    Equal networks give equal bytes.

    Raises:
        ValueError: a layer is still parametrised; bake it in first, so that exported keys are plain.
    """
    path = Path(path)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    parametrised = [name for name in tensors if "parametrizations" in name]
    if parametrised:
        raise ValueError(f"{parametrised[0]} is parametrised: bake the network before it is saved")
    write_whole(path, save(tensors, metadata={HEADER_KEY: network.arch.model_dump_json()}))


def load_network(path: str | Path) -> Network:
    """The network in ``path``, on the CPU, in eval mode.

    Raises:
        FileNotFoundError: there is no such file.
        ResumeMismatch: the file is damaged, or was not written by ``save_network``.
    """
    path = Path(path)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            arch = read_architecture(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        network = uninitialised(arch)
    except (SafetensorError, SpecError, ValueError, RuntimeError) as error:
        raise ResumeMismatch(f"{path.name} does not hold a network that can be loaded: {error}") from error
    if fault := _first_difference(network.state_dict(), tensors):
        raise ResumeMismatch(f"{path.name} does not hold the network that its header describes: {fault}")
    network.load_state_dict(tensors)
    return network.eval()


def _first_difference(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str | None:
    """What is wrong with the tensors that were found: a missing name, an unknown one, a shape."""
    missing = next((name for name in expected if name not in found), None)
    unknown = next((name for name in found if name not in expected), None)
    if missing is not None or unknown is not None:
        lacking = f"tensor {missing!r} is missing" if missing is not None else ""
        strange = f"tensor {shown(unknown)!r} is unknown" if unknown is not None else ""
        return " and ".join(filter(None, (lacking, strange))) + _wrapped(found)
    for name, tensor in expected.items():
        if (found[name].shape, found[name].dtype) != (tensor.shape, tensor.dtype):
            return f"tensor {name!r} is {_described(found[name])}, not {_described(tensor)}"
    return None


def _wrapped(found: Mapping[str, Tensor]) -> str:
    """A hint, where a wrapper of torch has put its own name before all others."""
    prefix = next((wrapper for wrapper in WRAPPERS if all(name.startswith(wrapper) for name in found)), None)
    return f" (all names begin with {prefix!r}: save the network inside of that wrapper)" if prefix else ""


def _described(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {list(tensor.shape)}"
