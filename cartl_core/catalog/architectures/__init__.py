"""The families of networks, one module each. A module here that has a ``FAMILY`` is registered by that.

A network is described once, as a tree of layers (``layers``). From the tree come its modules (``nn.build``),
its number of blocks (``catalog.networks``), its size, by which the cost of a job is estimated
(``catalog.network_size``), and the tensors that a file of it must hold (``catalog.network_tensors``).
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from cartl_core.catalog.architectures.family import Family, Layout

__all__ = ["FAMILIES", "Family", "Layout"]


def _families() -> dict[str, Family]:
    """By name, in the order of the modules' names."""
    modules = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
    families: list[Family] = [module.FAMILY for module in modules if hasattr(module, "FAMILY")]
    return {family.name: family for family in families}


FAMILIES = _families()
