"""The robustness report as values. Torch-free."""

from cartl_core.report.acceptance import CriterionVerdict
from cartl_core.report.certificates import Audit, SmoothingResult
from cartl_core.report.checks import Check, Checked
from cartl_core.report.comparisons import PairedComparison, Retention
from cartl_core.report.curves import CorruptionResults, RobustnessCurve
from cartl_core.report.evidence import Evidence
from cartl_core.report.exports import Export
from cartl_core.report.gallery import Gallery
from cartl_core.report.history import History
from cartl_core.report.notices import Notice
from cartl_core.report.over_classes import OverClasses
from cartl_core.report.report import (
    REPORT_SCHEMA,
    ArmReport,
    AttackResult,
    ClassResult,
    Figures,
    FurtherData,
    Report,
    Teacher,
    Validation,
)
from cartl_core.report.selection import Selection
from cartl_core.report.values import Interval, Value

__all__ = [
    "REPORT_SCHEMA",
    "ArmReport",
    "AttackResult",
    "Audit",
    "Check",
    "Checked",
    "ClassResult",
    "CorruptionResults",
    "CriterionVerdict",
    "Evidence",
    "Export",
    "Figures",
    "FurtherData",
    "Gallery",
    "History",
    "Interval",
    "Notice",
    "OverClasses",
    "PairedComparison",
    "Report",
    "Retention",
    "RobustnessCurve",
    "Selection",
    "SmoothingResult",
    "Teacher",
    "Validation",
    "Value",
]
