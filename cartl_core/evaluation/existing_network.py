"""The network of an evaluation: a file from elsewhere, taken in once it is proven to be the one named."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cartl_core.errors import NetworkInvalid, ResumeMismatch
from cartl_core.execution.stage_context import StageContext
from cartl_core.nn.files import load_network
from cartl_core.storage.atomic_write import write_whole
from cartl_core.storage.disk_errors import disk_faults
from cartl_core.storage.stage_result import NETWORK, write_result


def import_network(network: Path | None, sha256: str, ctx: StageContext) -> None:
    """Copy ``network`` to ``ctx``.

    Raises:
        NetworkInvalid: it is not there, has another digest than ``sha256``, or cannot be loaded.
        WeightsNotFinite: a tensor of it is not finite.
    """
    if network is None:
        raise NetworkInvalid("no file was given for the network to measure")
    try:
        content = network.read_bytes()
    except OSError as error:
        raise NetworkInvalid(f"{network.name} cannot be read: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise NetworkInvalid(f"{network.name} is not the file that was named: its SHA-256 is another")
    with disk_faults("the network to measure"):
        write_whole(ctx.directory / NETWORK, content)
    try:
        load_network(ctx.directory / NETWORK)
    except ResumeMismatch as error:
        raise NetworkInvalid(f"the file of the network is refused: {error}") from error
    write_result(ctx.directory, {"sha256": sha256}, [NETWORK])
