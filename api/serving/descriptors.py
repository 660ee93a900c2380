"""How many connections the open files of this process leave room for."""

from __future__ import annotations

import resource

RESERVED = 64
"""For the database's connections, logs, uploads and the sockets to the broker."""
FEWEST = 8


def raise_descriptors() -> int:
    """Raise the limit on open files to what the system allows this process; returns that limit.

    A limit that cannot be raised stays as it is.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):
        return soft
    return hard


def room_for(connections: int, descriptors: int) -> int:
    """How many of ``connections`` fit into ``descriptors`` open files beside what else is open.

    Where little is allowed, a quarter of it: the rest is for databases and files.
    """
    if descriptors == resource.RLIM_INFINITY:
        return connections
    return max(FEWEST, min(connections, max(descriptors - RESERVED, descriptors // 4)))
