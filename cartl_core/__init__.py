"""Robust transfer learning: CARTL and the methods it is compared with, trained, attacked and reported.

The names of ``__all__`` are the public library. They are imported at their first use, so that
``import cartl_core`` needs no torch, nor do jobs, specs, reports and their rendering. The package knows no
SQL, no HTTP and no task queue.

>>> from cartl_core import JobRequest, resolve
>>> spec = resolve(JobRequest(dataset="digits", freeze_depth=2, preset="quick"))
>>> spec.method, spec.model.name
('cartl', 'wrn-16-2')

The specification is a value that resolves to itself; an attack is one of its parts. What cannot be run is
refused by name:

>>> from cartl_core import AttackSpec, CartlError, JobSpec, SpecError
>>> isinstance(spec, JobSpec), AttackSpec(label="pgd50", eps=0.1, step=0.01, steps=50).norm
(True, 'linf')
>>> try:
...     resolve(JobRequest(dataset="digits", freeze_depth=99))
... except SpecError as error:
...     print(error.field, isinstance(error, CartlError), error.allowed)
freeze_depth True 1 to 7
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cartl_core.data.load_dataset import load_dataset as load_dataset
    from cartl_core.data.own_dataset import Dataset as Dataset
    from cartl_core.errors import CartlError as CartlError
    from cartl_core.errors import SpecError as SpecError
    from cartl_core.nn.files import load_network as load_network
    from cartl_core.nn.files import save_network as save_network
    from cartl_core.planning.resolve import resolve as resolve
    from cartl_core.render.html import render as render_html
    from cartl_core.render.markdown import render as render_markdown
    from cartl_core.report import Report as Report
    from cartl_core.run.library.evaluate_robustness import evaluate_robustness as evaluate_robustness
    from cartl_core.run.library.run_job import run as run
    from cartl_core.run.library.transfer_network import TransferResult as TransferResult
    from cartl_core.run.library.transfer_network import transfer as transfer
    from cartl_core.spec import AttackSpec as AttackSpec
    from cartl_core.spec import JobRequest as JobRequest
    from cartl_core.spec import JobSpec as JobSpec

__version__ = "0.1.0"

__all__ = [
    "AttackSpec",
    "CartlError",
    "Dataset",
    "JobRequest",
    "JobSpec",
    "Report",
    "SpecError",
    "TransferResult",
    "evaluate_robustness",
    "load_dataset",
    "load_network",
    "render_html",
    "render_markdown",
    "resolve",
    "run",
    "save_network",
    "transfer",
]

_PUBLIC = {
    "AttackSpec": "cartl_core.spec",
    "CartlError": "cartl_core.errors",
    "Dataset": "cartl_core.data.own_dataset",
    "JobRequest": "cartl_core.spec",
    "JobSpec": "cartl_core.spec",
    "Report": "cartl_core.report",
    "SpecError": "cartl_core.errors",
    "TransferResult": "cartl_core.run.library.transfer_network",
    "evaluate_robustness": "cartl_core.run.library.evaluate_robustness",
    "load_dataset": "cartl_core.data.load_dataset",
    "load_network": "cartl_core.nn.files",
    "render_html": "cartl_core.render.html:render",
    "render_markdown": "cartl_core.render.markdown:render",
    "resolve": "cartl_core.planning.resolve",
    "save_network": "cartl_core.nn.files",
    "transfer": "cartl_core.run.library.transfer_network",
}
"""Where each public name is, ``module`` or ``module:name there``."""


def __getattr__(name: str) -> Any:
    """A public name, imported now; ``run`` is the package of that name, which can be called."""
    if name == "run":
        return import_module("cartl_core.run")
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, there = _PUBLIC[name].partition(":")
    found = getattr(import_module(module), there or name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
