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

from pathlib import Path

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from cartl_core.catalog.network_file import HEADER_KEY
from cartl_core.errors import ResumeMismatch, SpecError
from cartl_core.nn.build import uninitialised
from cartl_core.nn.network import Network
from cartl_core.spec.architecture import Architecture
from cartl_core.storage.atomic_write import write_whole


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
            arch = Architecture.model_validate_json((file.metadata() or {})[HEADER_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        network = uninitialised(arch)
        network.load_state_dict(tensors)
    except (SafetensorError, ValidationError, KeyError, SpecError, ValueError, RuntimeError) as error:
        raise ResumeMismatch(f"{path.name} does not hold a network that can be loaded") from error
    return network.eval()
