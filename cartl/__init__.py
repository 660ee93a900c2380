"""The command `cartl` and the Python client: both speak HTTP, neither imports the server."""

from cartl.client import Client
from cartl.problems import ServiceError, ServiceUnreachable

__all__ = ["Client", "ServiceError", "ServiceUnreachable"]
