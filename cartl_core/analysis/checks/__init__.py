"""From what was measured to the checks of the report: numbers in, codes and numbers out. No torch."""

from cartl_core.analysis.checks.judge import judge
from cartl_core.analysis.checks.observations import CheckObservations

__all__ = ["CheckObservations", "judge"]
