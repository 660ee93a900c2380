"""What the service needs beside the base of the package: which extras are missing here."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

EXTRAS: dict[str, tuple[str, ...]] = {
    "api": ("fastapi", "jinja2", "prometheus_client", "uvicorn", "sqlalchemy", "alembic", "celery"),
    "worker": ("torch", "torchvision", "numpy", "safetensors", "sklearn", "sqlalchemy", "alembic", "celery"),
}
"""By the name of the extra: modules without which it is not there. Nothing is imported to find out."""


def missing(extras: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Of each extra that is not wholly there the modules that are missing."""
    found = {extra: tuple(name for name in EXTRAS[extra] if find_spec(name) is None) for extra in extras}
    return {extra: names for extra, names in found.items() if names}


def what_to_install(lacking: dict[str, tuple[str, ...]]) -> str:
    """Which extras are missing, and the command that installs them."""
    modules = ", ".join(sorted({name for names in lacking.values() for name in names}))
    extras = ",".join(lacking)
    return (
        f"the service needs packages that are not installed here ({modules}); install the extras of cartl "
        f"that have them: pip install 'cartl[{extras}]', or in a checkout pip install '.[{extras}]'"
    )
