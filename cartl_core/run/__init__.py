"""The pipeline: a whole run, its runtime, its outputs and the supervised mode.

The package can be called: ``cartl_core.run(request, out=...)`` is ``cartl_core.run.library.run_job.run``.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cartl_core.report import Report


class _CallableModule(ModuleType):
    """Python binds a package's name in its parent, so that the public function of that name must be it."""

    def __call__(self, *arguments: Any, **settings: Any) -> "Report":
        """See ``cartl_core.run.library.run_job.run``."""
        from cartl_core.run.library.run_job import run

        return run(*arguments, **settings)


sys.modules[__name__].__class__ = _CallableModule
