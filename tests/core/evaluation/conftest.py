"""Whole runs on real digits, of whose reports the figures are not looked at."""

from __future__ import annotations

from tests.fixtures.figures import unsaved_figures

__all__ = ["unsaved_figures"]
