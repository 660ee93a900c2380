"""A network on disk: safetensors with plain keys, its architecture as JSON in the file's header.

The one format for teachers, students and export. It holds no code, so reading it runs none.

>>> from cartl_core import load_network, save_network
>>> from cartl_core.nn.build import build_network
>>> from cartl_core.nn.rng import generator
>>> from cartl_core.spec import ModelSpec
>>> model = ModelSpec(name="tiny", image_size=8, channels=1)
>>> save_network("net.safetensors", build_network(model, 10, (0.5,), (0.5,), generator(0, "network")))
>>> load_network("net.safetensors").block_count
5
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from cartl_core.catalog.network_file import HEADER_KEY, read_architecture
from cartl_core.catalog.network_tensors import FoundTensor, tensor_fault
from cartl_core.errors import ResumeMismatch, SpecError, WeightsNotFinite
from cartl_core.nn.build import uninitialised
from cartl_core.nn.network import Network
from cartl_core.spec.architecture import Architecture
from cartl_core.storage.atomic_write import write_whole


def save_network(path: str | Path, network: Network) -> None:
    """Write ``network`` to ``path``, whole or not at all (temporary file, fsync, rename).

    Equal networks give equal bytes.

    Raises:
        ValueError: a layer is still parametrised; bake it in first, so that exported keys are plain.
        WeightsNotFinite: a tensor holds a number that is not finite; nothing is written.
    """
    path = Path(path)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    parametrised = [name for name in tensors if "parametrizations" in name]
    if parametrised:
        raise ValueError(f"{parametrised[0]} is parametrised: bake the network before it is saved")
    require_finite(tensors, path.name)
    write_whole(path, save(tensors, metadata={HEADER_KEY: network.arch.model_dump_json()}))


def load_network(path: str | Path) -> Network:
    """The network in ``path``, on the CPU, in eval mode.

    Raises:
        FileNotFoundError: there is no such file.
        ResumeMismatch: the file is damaged, or was not written by ``save_network``; a tensor that is
            missing, unknown or of another shape is named.
        WeightsNotFinite: a tensor holds a number that is not finite.
    """
    path = Path(path)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            arch = read_architecture(file.metadata() or {})
            names = list(file.keys())
            parts = {name: file.get_slice(name) for name in names}
            _check_tensors(path.name, arch, parts)
            tensors = {name: file.get_tensor(name) for name in names}
        network = uninitialised(arch)
        network.load_state_dict(tensors)
    except (SafetensorError, SpecError, ValueError, RuntimeError) as error:
        raise ResumeMismatch(f"{path.name} does not hold a network that can be loaded: {error}") from error
    require_finite(tensors, path.name)
    return network.eval()


def _check_tensors(file: str, arch: Architecture, parts: Mapping[str, Any]) -> None:
    """Before they are read: a file's tensors are those of the network that it says it is."""
    found = {name: FoundTensor(part.get_dtype(), tuple(part.get_shape())) for name, part in parts.items()}
    if fault := tensor_fault(arch, found):
        raise ResumeMismatch(f"{file} does not hold the network that its header describes: {fault}")


def require_finite(tensors: Mapping[str, Tensor], where: str) -> None:
    """Refuse weights that are infinite or not a number: figures of such a network mean nothing.

    Args:
        where: what holds the tensors, for the message.

    Raises:
        WeightsNotFinite: with the name of the first such tensor, in the order of ``tensors``.
    """
    for name, tensor in tensors.items():
        count = int((~tensor.isfinite()).sum())
        if count:
            raise WeightsNotFinite(
                f"{where}: {count:,} of {tensor.numel():,} numbers of the tensor {name} are infinite or not "
                "a number",
                tensor=name,
            )
