"""Checks, certificates and evidence of reports of schema 1, as the present schema has them."""

from __future__ import annotations

from typing import Any


def convert_arm_checks(checks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The checks of one network."""
    return checks


def convert_figures(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures of one network, with what was proven of it."""
    return figures


def convert_evidence(evidence: dict[str, Any] | None) -> dict[str, Any] | None:
    """The evidence block; None of a report that is not complete."""
    return evidence
