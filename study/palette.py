"""Colours of the study's figures."""

from __future__ import annotations

PLAIN = "#6b7480"
"""Of plain transfer, at every k."""
COLOURS = ("#0b5cad", "#c2510a", "#2c7a4b", "#8a3ffc", "#a3195b", "#6b5f00", "#3d6b7d", "#7a3b1e", "#1b2430")
