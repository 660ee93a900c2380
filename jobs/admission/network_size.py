"""How large a network is, as admission asks for it; counted by ``cartl_core.catalog.network_size``."""

from cartl_core.catalog.network_size import Size, block_sizes, network_size, trunk_share

__all__ = ["Size", "block_sizes", "network_size", "trunk_share"]
