"""The command `cartl` and the Python client: both speak HTTP, neither imports the server.

>>> from cartl import Client
>>> client = Client("http://127.0.0.1:8000")
>>> client.close()

The names of ``__all__`` are the client of scripts and notebooks; `docs/how-to/use-from-python.md` shows them
at work. They are imported at their first use, so that the command starts without them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cartl.http.problems import ClientError as ClientError
    from cartl.http.problems import FileDamaged as FileDamaged
    from cartl.http.problems import JobUnfinished as JobUnfinished
    from cartl.http.problems import NotInstalled as NotInstalled
    from cartl.http.problems import NotUsable as NotUsable
    from cartl.http.problems import ServiceError as ServiceError
    from cartl.http.problems import ServiceUnreachable as ServiceUnreachable
    from cartl.library.async_client import AsyncClient as AsyncClient
    from cartl.library.comparison import Comparison as Comparison
    from cartl.library.comparison import compare as compare
    from cartl.library.job_handle import AsyncJobHandle as AsyncJobHandle
    from cartl.library.job_handle import JobHandle as JobHandle
    from cartl.library.report import JobReport as JobReport
    from cartl.library.retrying import Retries as Retries
    from cartl.library.sweep_handle import AsyncSweepHandle as AsyncSweepHandle
    from cartl.library.sweep_handle import SweepHandle as SweepHandle
    from cartl.library.sync_client import Client as Client

__all__ = [
    "AsyncClient",
    "AsyncJobHandle",
    "AsyncSweepHandle",
    "Client",
    "ClientError",
    "Comparison",
    "FileDamaged",
    "JobHandle",
    "JobReport",
    "JobUnfinished",
    "NotInstalled",
    "NotUsable",
    "Retries",
    "ServiceError",
    "ServiceUnreachable",
    "SweepHandle",
    "compare",
]

_PUBLIC = {
    "AsyncClient": "cartl.library.async_client",
    "AsyncJobHandle": "cartl.library.job_handle",
    "AsyncSweepHandle": "cartl.library.sweep_handle",
    "Client": "cartl.library.sync_client",
    "Comparison": "cartl.library.comparison",
    "JobHandle": "cartl.library.job_handle",
    "JobReport": "cartl.library.report",
    "Retries": "cartl.library.retrying",
    "SweepHandle": "cartl.library.sweep_handle",
    "compare": "cartl.library.comparison",
}
"""Where each public name is that is no error; errors are in ``cartl.http.problems``."""


def __getattr__(name: str) -> Any:
    """A public name, imported now."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_PUBLIC.get(name, "cartl.http.problems")), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
